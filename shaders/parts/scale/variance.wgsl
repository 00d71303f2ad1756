// Layer, batch, group and instance norm: the mean is subtracted, the scale is 1 / sqrt(var + eps).
// Provides CENTERED, power, rstd_of, pull. Requires params.eps.

const CENTERED: bool = true;

// What the scale is made of, from the mean and the variance of some values.
fn power(mean: f32, variance: f32) -> f32 {
    return variance;
}

// At least zero, but a NaN stays a NaN, which max() might drop. By its bits: some compilers make max() of a comparison of floats too.
fn rstd_of(power: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(select(power, 0.0, bitcast<u32>(power) - 0x80000000u <= 0x7f800000u) + params.eps);
}

// How much of sum(g * y) the gradient loses through the scale.
fn pull(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}
