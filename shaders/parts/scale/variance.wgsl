// Layer, batch, group and instance norm: the mean is subtracted, the scale is 1 / sqrt(var + eps).
// Provides CENTERED, power, rstd_of, pull. Requires params.eps.

const CENTERED: bool = true;

// What the scale is made of, from the mean and the variance of some values.
fn power(mean: f32, variance: f32) -> f32 {
    return variance;
}

// A NaN stays a NaN: max() might drop it.
fn rstd_of(power: f32, count: f32) -> f32 {
    return inverseSqrt(select(power, 0.0, power < 0.0) + params.eps);
}

// How much of sum(g * y) the gradient loses through the scale.
fn pull(count: f32, rstd: f32) -> f32 {
    return 1.0 / count;
}
