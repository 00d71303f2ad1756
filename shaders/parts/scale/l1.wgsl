// L1 normalization: nothing is subtracted, the scale is 1 / max(sum of magnitudes, eps).
// Provides CENTERED, power, rstd_of, pull. Requires params.eps, and statistics that were taken of magnitudes.

const CENTERED: bool = false;

// The mean magnitude.
fn power(mean: f32, variance: f32) -> f32 {
    return mean;
}

// A NaN stays a NaN: max() might drop it.
fn rstd_of(power: f32, count: f32) -> f32 {
    let norm = power * count;
    return 1.0 / select(norm, params.eps, norm < params.eps);
}

// How much of sum(g * y) the gradient loses through the scale: nothing where eps is the larger.
fn pull(count: f32, rstd: f32) -> f32 {
    return select(1.0, 0.0, rstd * params.eps > 0.999999);
}
