// L1 normalization: nothing is subtracted, the scale is 1 / max(sum of magnitudes, eps).
// Provides CENTERED, rstd_of, pull. Requires params.eps.

const CENTERED: bool = false;

// Of x times `scale`. A NaN stays a NaN: max() might drop it.
fn rstd_of(power: f32, count: f32, scale: f32) -> f32 {
    let norm = power * count;
    let eps = params.eps * scale;
    return 1.0 / select(norm, eps, norm < eps);
}

// How much of sum(g * y) the gradient loses through the scale: nothing where eps is the larger.
fn pull(count: f32, rstd: f32, scale: f32) -> f32 {
    return select(1.0, 0.0, rstd * (params.eps * scale) > 0.999999);
}
