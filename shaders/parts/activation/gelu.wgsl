// gelu: u * Phi(u), with the normal distribution function by a Chebyshev fit of erfc (Press et al., Numerical Recipes,
// 6.2: erfcc, relative error below 1.2e-7 everywhere).
// Provides activate, activation_slope. Requires exponential.

// Beyond 14 standard deviations nothing is left in f32, and squares stay finite.
fn bounded(u: Pack) -> Pack {
    return clamp(u, Pack(-14.0), Pack(14.0));
}

fn normal_distribution(u: Pack) -> Pack {
    let z = abs(bounded(u)) * 0.70710678;
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
        + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    let tail = 0.5 * t * exp_minus(z * z - p);
    return pack_nan_of(u, select(1.0 - tail, tail, u < Pack(0.0)));
}

fn activate(u: Pack) -> Pack {
    return u * normal_distribution(u);
}

fn activation_slope(u: Pack) -> Pack {
    let c = bounded(u);
    return normal_distribution(u) + c * (0.3989423 * exp_minus(0.5 * c * c));
}
