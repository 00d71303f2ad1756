// Running statistics as an exponential moving average with fixed weights.
// Provides track. Requires params.old_weight, params.new_weight.

fn track(channel: u32, batch_mean: f32, batch_var: f32) {
    store_running_mean(channel, params.old_weight * load_running_mean(channel) + params.new_weight * batch_mean);
    store_running_var(channel, params.old_weight * load_running_var(channel) + params.new_weight * batch_var);
}
