// The statistics of each row are kept for the pass that sums up the gradients of weight and bias.
// Provides save. Requires params.stats_stride (from one region to the next).

// The mean as hi + lo.
fn save(i: u32, hi: f32, lo: f32, rstd_value: f32) {
    store_statistics(i, hi);
    store_statistics(params.stats_stride + i, lo);
    store_statistics(2u * params.stats_stride + i, rstd_value);
}
