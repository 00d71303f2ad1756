// Running statistics as a weighted average of what was there and the batch.
// Provides track. Requires weights, which add up to 1, two_sum, running_mean_of, running_var_of, put_running_mean,
// put_running_var, params.correction.

// What was there plus a share of the difference: two weights that were rounded each for itself would not add up to 1, and 1000 small steps
// would drift. The share is the smaller one, so that a weight of 1 gives the batch itself.
fn averaged(running: Pair, batch: f32) -> Pair {
    let share = weights();
    let difference = (batch - running.hi) - running.lo;
    if abs(share.y) <= abs(share.x) {
        let sum = two_sum(running.hi, share.y * difference);
        return Pair(sum.hi, sum.lo + running.lo);
    }
    return two_sum(batch, -share.x * difference);
}

// A batch without elements has no mean, and one without as many as the correction takes has no variance: what was there stays.
fn track(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
    if count > 0.0 {
        put_running_mean(channel, averaged(running_mean_of(channel), batch_mean));
    }
    if count > params.correction {
        put_running_var(channel, averaged(running_var_of(channel), batch_var));
    }
}
