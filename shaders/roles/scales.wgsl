// Scales: the factor that normalizes, from sums over a group.

// ---- squares
// The scale is made of squares.

// What is summed up of a deviation.
fn measure__squares(d: Pack) -> Pack {
    return d * d;
}

// The direction in which the normalized y changes the scale.
fn slope__squares(y: Pack) -> Pack {
    return y;
}

// ---- magnitudes
// The scale is made of magnitudes.

// What is summed up of a value.
fn measure__magnitudes(d: Pack) -> Pack {
    return abs(d);
}

// The direction in which the normalized y changes the scale.
fn slope__magnitudes(y: Pack) -> Pack {
    return sign(y);
}

// ---- variance
// Layer, batch, group and instance norm: the mean is subtracted, the scale is 1 / sqrt(var + eps).

// What the scale is made of, from the mean and the variance of some values.
fn power__variance(mean: f32, variance: f32) -> f32 {
    return variance;
}

// At least zero, but a NaN stays a NaN, which max() might drop. By its bits: some compilers make max() of a comparison of floats too.
fn rstd_of__variance(power__variance: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(select(power__variance, 0.0, bitcast<u32>(power__variance) - 0x80000000u <= 0x7f800000u) + params.eps);
}

// How much of sum(g * y) the gradient loses through the scale.
fn pull__variance(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}

// ---- mean_square
// RMS norm: nothing is subtracted, the scale is 1 / sqrt(mean square + eps).

// The mean square, from the mean and the variance of some values.
fn power__mean_square(mean: f32, variance: f32) -> f32 {
    return variance + mean * mean;
}

fn rstd_of__mean_square(power__mean_square: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(power__mean_square + params.eps);
}

// How much of sum(g * y) the gradient loses through the scale.
fn pull__mean_square(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}

// ---- l2
// L2 normalization: nothing is subtracted, the scale is 1 / max(sqrt(sum of squares), eps).

// Of x times `scale`. A NaN stays a NaN: max() might drop it.
fn rstd_of__l2(power: f32, count: f32, scale: f32) -> f32 {
    let norm = sqrt(power * count);
    let eps = params.eps * scale;
    return 1.0 / select(norm, eps, norm < eps);
}

// How much of sum(g * y) the gradient loses through the scale: nothing where eps is the larger.
fn pull__l2(count: f32, rstd: f32, scale: f32) -> f32 {
    return select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999);
}

// ---- l1
// L1 normalization: nothing is subtracted, the scale is 1 / max(sum of magnitudes, eps).

// Of x times `scale`. A NaN stays a NaN: max() might drop it.
fn rstd_of__l1(power: f32, count: f32, scale: f32) -> f32 {
    let norm = power * count;
    let eps = params.eps * scale;
    return 1.0 / select(norm, eps, norm < eps);
}

// How much of sum(g * y) the gradient loses through the scale: nothing where eps is the larger.
fn pull__l1(count: f32, rstd: f32, scale: f32) -> f32 {
    return select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999);
}

// ---- one_scale
// Numbers are taken as they are.

const DOWN__one_scale: f32 = 1.0;

const UP__one_scale: f32 = 1.0;

fn scale_of__one_scale(sums: vec3<f32>) -> f32 {
    return 1.0;
}

fn at_scale__one_scale(sums: vec3<f32>, scale: f32) -> f32 {
    return sums.y;
}

// ---- three_scales
// Powers of two by which numbers are multiplied whose squares f32 has no room for, or no digits.

const DOWN__three_scales: f32 = 6.617444900424221e-24; // 2^-77

const UP__three_scales: f32 = 3.777893186295716e22; // 2^75

// What x is multiplied by, of three sums: of x * DOWN, of x, and of x * UP. The one that f32 holds without an infinity
// or numbers that a device may take for zero.
fn scale_of__three_scales(sums: vec3<f32>) -> f32 {
    return select(select(1.0, UP__three_scales, sums.y < 1e-24), DOWN__three_scales, !(sums.y < 1e36));
}

// The sum that was taken at this scale.
fn at_scale__three_scales(sums: vec3<f32>, scale: f32) -> f32 {
    return select(select(sums.y, sums.z, scale > 1.0), sums.x, scale < 1.0);
}
