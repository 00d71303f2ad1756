// Running statistics are the plain average over all batches: the new batch weighs 1 / num_batches_tracked.
// Provides weights. Requires num_batches_tracked with this batch already counted (kernels/count.wgsl).

fn weights() -> vec2<f32> {
    let share = 1.0 / f32(num_batches_tracked[0]);
    return vec2<f32>(1.0 - share, share);
}
