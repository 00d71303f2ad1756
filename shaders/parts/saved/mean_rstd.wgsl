// The statistics of each row or channel are written for the caller.
// Provides save.

// The mean as hi + lo.
fn save(i: u32, hi: f32, lo: f32, rstd_value: f32) {
    store_mean(i, hi + lo);
    store_rstd(i, rstd_value);
}
