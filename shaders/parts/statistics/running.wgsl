// Running statistics, as batch norm inference uses them.
// Provides Statistics, statistics_at, mean_hi, mean_lo, normalize. Requires Stat, StatAt, params.eps.

struct Statistics {
    mean: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    return Statistics(load_running_mean(i), inverseSqrt(load_running_var(i) + params.eps));
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
