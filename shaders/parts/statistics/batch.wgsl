// Statistics that an earlier pass took: three regions, the mean as hi and lo, and rstd.
// Provides Statistics, statistics_at, scaled_input, mean_hi, mean_lo, normalize, by_rstd. Requires Stat, StatAt,
// opaque, params.stats_stride (from one region to the next, in what load_statistics gives).

struct Statistics {
    hi: Stat,
    lo: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    let lo = load_statistics(params.stats_stride + i);
    return Statistics(load_statistics(i), lo, load_statistics(2u * params.stats_stride + i));
}

// What sums are taken of.
fn scaled_input(x: Pack, statistics: Statistics) -> Pack {
    return x;
}

fn mean_hi(statistics: Statistics) -> Stat {
    return statistics.hi;
}

// What f32 has no room for beside mean_hi.
fn mean_lo(statistics: Statistics) -> Stat {
    return statistics.lo;
}

// x - hi comes first and stays on its own: f32 can't hold hi + lo for data with a large offset.
fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return (opaque(x - statistics.hi) - statistics.lo) * statistics.rstd;
}

fn by_rstd(v: Pack, statistics: Statistics) -> Pack {
    return v * statistics.rstd;
}
