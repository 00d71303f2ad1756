// Running statistics as the plain average over all batches: the new batch weighs 1 / num_batches_tracked.
// Provides track. Requires params.var_scale, and num_batches_tracked with this batch already counted (kernels/count.wgsl).

@group(0) @binding(7) var<storage, read_write> running_mean: array<f32>; // [channels]
@group(0) @binding(8) var<storage, read_write> running_var: array<f32>; // [channels]
@group(0) @binding(9) var<storage, read> num_batches_tracked: array<u32>; // [1]

// batch_var is the biased variance; params.var_scale makes it what the convention keeps.
fn track(channel: u32, batch_mean: f32, batch_var: f32) {
    let new_weight = 1.0 / f32(num_batches_tracked[0]);
    let old_weight = 1.0 - new_weight;
    running_mean[channel] = old_weight * running_mean[channel] + new_weight * batch_mean;
    running_var[channel] = old_weight * running_var[channel] + new_weight * (batch_var * params.var_scale);
}
