// Nothing that is computed depends on the statistics.
// Provides Statistics, statistics_at, scaled_input, mean_hi, mean_lo, normalize, by_rstd. Requires Stat, StatAt.

struct Statistics {
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    return Statistics(Stat(0.0));
}

// What sums are taken of.
fn scaled_input(x: Pack, statistics: Statistics) -> Pack {
    return x;
}

fn mean_hi(statistics: Statistics) -> Stat {
    return Stat(0.0);
}

fn mean_lo(statistics: Statistics) -> Stat {
    return Stat(0.0);
}

fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return x;
}

fn by_rstd(v: Pack, statistics: Statistics) -> Pack {
    return v * statistics.rstd;
}
