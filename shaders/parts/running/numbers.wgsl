// A running statistic is one number.
// Provides running_mean_of, running_var_of, put_running_mean, put_running_var. Requires two_sum.

fn running_mean_of(channel: u32) -> Pair {
    return Pair(load_running_mean(channel), 0.0);
}

fn running_var_of(channel: u32) -> Pair {
    return Pair(load_running_var(channel), 0.0);
}

fn put_running_mean(channel: u32, v: Pair) {
    store_running_mean(channel, v.hi + v.lo);
}

fn put_running_var(channel: u32, v: Pair) {
    store_running_var(channel, v.hi + v.lo);
}
