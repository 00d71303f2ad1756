// Running statistics as the plain average over all batches: the new batch weighs 1 / num_batches_tracked.
// Provides track. Requires num_batches_tracked with this batch already counted (kernels/count.wgsl).

fn track(channel: u32, batch_mean: f32, batch_var: f32) {
    let new_weight = 1.0 / f32(num_batches_tracked[0]);
    let old_weight = 1.0 - new_weight;
    store_running_mean(channel, old_weight * load_running_mean(channel) + new_weight * batch_mean);
    store_running_var(channel, old_weight * load_running_var(channel) + new_weight * batch_var);
}
