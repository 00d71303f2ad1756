// Scales: the factor that normalizes, from sums over a group.

// ---- measure: squares
//
// The scale comes from squares.

fn measure__squares(d: Pack) -> Pack {
    return d * d;
}

fn measure_derivative__squares(y: Pack) -> Pack {
    return y;
}

// ---- measure: magnitudes
//
// The scale comes from magnitudes.

fn measure__magnitudes(d: Pack) -> Pack {
    return abs(d);
}

fn measure_derivative__magnitudes(y: Pack) -> Pack {
    return sign(y);
}

// ---- scale: variance
//
// Layer, batch, group and instance norm: the mean is subtracted, rstd is 1 / sqrt(var + eps).

fn power__variance(mean: f32, variance: f32) -> f32 {
    return variance;
}

// At least zero, but a NaN stays, which max() might drop. The bits decide: some compilers turn a comparison of floats
// into max().
fn rstd_of__variance(power: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(select(power, 0.0, bitcast<u32>(power) - 0x80000000u <= 0x7f800000u) + params.eps);
}

fn product_share__variance(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}

// ---- scale: mean_square
//
// RMS norm: no mean is subtracted, rstd is 1 / sqrt(mean square + eps).

fn power__mean_square(mean: f32, variance: f32) -> f32 {
    return variance + mean * mean;
}

fn rstd_of__mean_square(power: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(power + params.eps);
}

fn product_share__mean_square(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}

// ---- scale: unscaled
//
// The moments of a row: m2, the sum of the squares, in the place of a factor.

// At least zero, as above.
fn rstd_of__unscaled(power: f32, count: f32, scale: f32) -> f32 {
    return select(power, 0.0, bitcast<u32>(power) - 0x80000000u <= 0x7f800000u) * count;
}

fn product_share__unscaled(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0;
}

// ---- scale: l2
//
// L2 normalization: no mean is subtracted, rstd is 1 / max(sqrt(sum of squares), eps).

// A NaN stays: max() might drop it.
fn rstd_of__l2(power: f32, count: f32, scale: f32) -> f32 {
    let norm = sqrt(power * count);
    let eps = params.eps * scale;
    return 1.0 / select(norm, eps, norm < eps);
}

// 0 if eps is larger than the norm: then the factor is constant.
fn product_share__l2(count: f32, rstd: f32, scale: f32) -> f32 {
    return select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999);
}

// ---- scale: l1
//
// L1 normalization: no mean is subtracted, rstd is 1 / max(sum of magnitudes, eps).

// A NaN stays: max() might drop it.
fn rstd_of__l1(power: f32, count: f32, scale: f32) -> f32 {
    let norm = power * count;
    let eps = params.eps * scale;
    return 1.0 / select(norm, eps, norm < eps);
}

// 0 if eps is larger than the norm: then the factor is constant.
fn product_share__l1(count: f32, rstd: f32, scale: f32) -> f32 {
    return select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999);
}

// ---- scales: one_scale
//
// Numbers have no scale.

const DOWN__one_scale: f32 = 1.0;

const UP__one_scale: f32 = 1.0;

fn scale_of__one_scale(sums: vec3<f32>) -> f32 {
    return 1.0;
}

fn at_scale__one_scale(sums: vec3<f32>, scale: f32) -> f32 {
    return sums.y;
}

// ---- scales: three_scales
//
// Powers of two that scale numbers whose squares overflow f32 or lose their digits.

const DOWN__three_scales: f32 = 6.617444900424221e-24; // 2^-77

const UP__three_scales: f32 = 3.777893186295716e22; // 2^75

// The sum at this scale is neither infinite nor made of numbers that a device may flush to zero.
fn scale_of__three_scales(sums: vec3<f32>) -> f32 {
    return select(select(1.0, UP__three_scales, sums.y < 1e-24), DOWN__three_scales, !(sums.y < 1e36));
}

fn at_scale__three_scales(sums: vec3<f32>, scale: f32) -> f32 {
    return select(select(sums.y, sums.z, scale > 1.0), sums.x, scale < 1.0);
}
