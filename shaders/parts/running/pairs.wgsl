// A running statistic is hi and lo: `running_low` has lo of the means, then of the variances.
// Provides running_mean_of, running_var_of, put_running_mean, put_running_var. Requires two_sum, params.groups.

fn running_mean_of(channel: u32) -> Pair {
    return Pair(load_running_mean(channel), load_running_low(channel));
}

fn running_var_of(channel: u32) -> Pair {
    return Pair(load_running_var(channel), load_running_low(params.groups + channel));
}

fn put_running_mean(channel: u32, v: Pair) {
    let sum = two_sum(v.hi, v.lo);
    store_running_mean(channel, sum.hi);
    store_running_low(channel, sum.lo);
}

fn put_running_var(channel: u32, v: Pair) {
    let sum = two_sum(v.hi, v.lo);
    store_running_var(channel, sum.hi);
    store_running_low(params.groups + channel, sum.lo);
}
