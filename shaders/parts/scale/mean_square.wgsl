// RMS norm: nothing is subtracted, the scale is 1 / sqrt(mean square + eps).
// Provides CENTERED, power, rstd_of, pull. Requires params.eps.

const CENTERED: bool = false;

// The mean square, from the mean and the variance of some values.
fn power(mean: f32, variance: f32) -> f32 {
    return variance + mean * mean;
}

fn rstd_of(power: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(power + params.eps);
}

// How much of sum(g * y) the gradient loses through the scale.
fn pull(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}
