// The old and the new value of a running statistic have fixed weights: an exponential moving average.
// Provides weights. Requires params.old_weight, params.new_weight.

fn weights() -> vec2<f32> {
    return vec2<f32>(params.old_weight, params.new_weight);
}
