// Running statistics, as batch norm inference uses them.
// Provides Statistics, statistics_at, scaled_input, mean_hi, mean_lo, normalize, by_rstd. Requires Stat, StatAt,
// params.eps.

struct Statistics {
    mean: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    return Statistics(load_running_mean(i), inverseSqrt(load_running_var(i) + params.eps));
}

// What sums are taken of.
fn scaled_input(x: Pack, statistics: Statistics) -> Pack {
    return x;
}

fn mean_hi(statistics: Statistics) -> Stat {
    return statistics.mean;
}

fn mean_lo(statistics: Statistics) -> Stat {
    return Stat(0.0);
}

fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return (x - statistics.mean) * statistics.rstd;
}

fn by_rstd(v: Pack, statistics: Statistics) -> Pack {
    return v * statistics.rstd;
}
