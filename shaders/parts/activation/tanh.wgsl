// tanh.
// Provides activate, activation_slope. Requires exponential.

// Near 0, where 1 - exp cancels, the odd Taylor polynomial.
fn activate(u: Pack) -> Pack {
    let a = abs(u);
    let e = exp_minus(2.0 * a);
    let s = u * u;
    let small = u * (1.0 + s * (-0.33333334 + s * (0.13333334 - s * 0.053968254)));
    return pack_nan_of(u, select(sign(u) * ((1.0 - e) / (1.0 + e)), small, a < Pack(0.25)));
}

// 1 - tanh(u)^2 without its cancellation.
fn activation_slope(u: Pack) -> Pack {
    return 4.0 * sigmoid_slope(2.0 * u);
}
