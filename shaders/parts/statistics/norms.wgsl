// Norms that an earlier pass took: a scale, nothing, and the factor of what is multiplied by the scale, in three
// regions.
// Provides Statistics, statistics_at, scaled_input, mean_hi, mean_lo, normalize, by_rstd. Requires Stat, StatAt,
// params.stats_stride (from one region to the next, in what load_statistics gives).

struct Statistics {
    scale: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    return Statistics(load_statistics(i), load_statistics(2u * params.stats_stride + i));
}

// What sums are taken of.
fn scaled_input(x: Pack, statistics: Statistics) -> Pack {
    return x * statistics.scale;
}

fn mean_hi(statistics: Statistics) -> Stat {
    return Stat(0.0);
}

fn mean_lo(statistics: Statistics) -> Stat {
    return Stat(0.0);
}

fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return x * statistics.scale * statistics.rstd;
}

fn by_rstd(v: Pack, statistics: Statistics) -> Pack {
    return v * statistics.rstd * statistics.scale;
}
