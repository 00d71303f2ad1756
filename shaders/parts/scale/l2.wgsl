// L2 normalization: nothing is subtracted, the scale is 1 / max(sqrt(sum of squares), eps).
// Provides CENTERED, power, rstd_of, pull. Requires params.eps.

const CENTERED: bool = false;

// The mean square, from the mean and the variance of some values.
fn power(mean: f32, variance: f32) -> f32 {
    return variance + mean * mean;
}

// A NaN stays a NaN: max() might drop it.
fn rstd_of(power: f32, count: f32) -> f32 {
    let norm = sqrt(power * count);
    return 1.0 / select(norm, params.eps, norm < params.eps);
}

// How much of sum(g * y) the gradient loses through the scale: nothing where eps is the larger.
fn pull(count: f32, rstd: f32) -> f32 {
    return select(1.0, 0.0, rstd * params.eps > 0.999999);
}
