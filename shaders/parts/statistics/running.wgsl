// Running statistics, as batch norm inference uses them.
// Provides Statistics, statistics_at, normalize. Requires Stat, StatAt, params.eps.

struct Statistics {
    mean: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    return Statistics(load_running_mean(i), inverseSqrt(load_running_var(i) + params.eps));
}

fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return (x - statistics.mean) * statistics.rstd;
}
