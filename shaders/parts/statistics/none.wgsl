// Nothing that is computed depends on the statistics.
// Provides Statistics, statistics_at, normalize. Requires Stat, StatAt.

struct Statistics {
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    return Statistics(Stat(0.0));
}

fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return x;
}
