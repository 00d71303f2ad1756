// Running statistics as a weighted average of what was there and the batch.
// Provides track. Requires weights, which add up to 1, params.correction.

// What was there plus a share of the difference: two weights that were rounded each for itself would not add up to 1, and 1000 small steps
// would drift. The share is the smaller one, so that a weight of 1 gives the batch itself.
fn averaged(running: f32, batch: f32) -> f32 {
    let share = weights();
    let difference = batch - running;
    return select(batch - share.x * difference, running + share.y * difference, abs(share.y) <= abs(share.x));
}

// A batch without elements has no mean, and one without as many as the correction takes has no variance: what was there stays.
fn track(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
    if count > 0.0 {
        store_running_mean(channel, averaged(load_running_mean(channel), batch_mean));
    }
    if count > params.correction {
        store_running_var(channel, averaged(load_running_var(channel), batch_var));
    }
}
