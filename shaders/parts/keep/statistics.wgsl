// The statistics of each row are kept for the pass that sums up the gradients of weight and bias.
// Provides keep. Requires params.rows.

fn keep(i: u32, mean: f32, correction: f32, rstd: f32) {
    store_statistics(i, mean);
    store_statistics(params.rows + i, correction);
    store_statistics(2u * params.rows + i, rstd);
}
