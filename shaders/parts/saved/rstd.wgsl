// The reciprocal root mean square of each row, saved for a backward pass.
// Provides save.

@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

fn save(i: u32, mean_value: f32, rstd_value: f32) {
    rstd[i] = rstd_value;
}
