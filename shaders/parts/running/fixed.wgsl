// Running statistics as an exponential moving average with fixed weights.
// Provides track. Requires params.old_weight, params.new_weight, params.var_scale.

@group(0) @binding(7) var<storage, read_write> running_mean: array<f32>; // [channels]
@group(0) @binding(8) var<storage, read_write> running_var: array<f32>; // [channels]

// batch_var is the biased variance; params.var_scale makes it what the convention keeps.
fn track(channel: u32, batch_mean: f32, batch_var: f32) {
    running_mean[channel] = params.old_weight * running_mean[channel] + params.new_weight * batch_mean;
    running_var[channel] = params.old_weight * running_var[channel] + params.new_weight * (batch_var * params.var_scale);
}
