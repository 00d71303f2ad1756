// L2 normalization: nothing is subtracted, the scale is 1 / max(sqrt(sum of squares), eps).
// Provides CENTERED, SCALED, scale_of, at_scale, rstd_of, pull. Requires params.eps.

const CENTERED: bool = false;
const SCALED: bool = true;

// What x is multiplied by, of three sums: of x * DOWN, of x, and of x * UP. The one that f32 holds without an infinity or numbers that a device may
// take for zero.
fn scale_of(sums: vec3<f32>) -> f32 {
    return select(select(1.0, UP, sums.y < 1e-24), DOWN, !(sums.y < 1e36));
}

// The sum that was taken at this scale.
fn at_scale(sums: vec3<f32>, scale: f32) -> f32 {
    return select(select(sums.y, sums.z, scale > 1.0), sums.x, scale < 1.0);
}

// Of x times `scale`. A NaN stays a NaN: max() might drop it.
fn rstd_of(power: f32, count: f32, scale: f32) -> f32 {
    let norm = sqrt(power * count);
    let eps = params.eps * scale;
    return 1.0 / select(norm, eps, norm < eps);
}

// How much of sum(g * y) the gradient loses through the scale: nothing where eps is the larger.
fn pull(count: f32, rstd: f32, scale: f32) -> f32 {
    return select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999);
}
