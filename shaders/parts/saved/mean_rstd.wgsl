// The statistics of each row (layer norm) or channel (batch norm), saved for a backward pass.
// Provides save.

@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

fn save(i: u32, mean_value: f32, rstd_value: f32) {
    mean[i] = mean_value;
    rstd[i] = rstd_value;
}
