// The statistics of each row or channel are written for the caller.
// Provides save.

fn save(i: u32, mean_value: f32, rstd_value: f32) {
    store_mean(i, mean_value);
    store_rstd(i, rstd_value);
}
