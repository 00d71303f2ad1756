// tanh.
// Provides activate, activation_slope.

// By exp of a number that is not positive, which can't overflow. Near 0, where 1 - exp cancels, the odd Taylor polynomial.
fn activate(u: Pack) -> Pack {
    let a = abs(u);
    let e = exp(-2.0 * select(a, Pack(40.0), a > Pack(40.0)));
    let s = u * u;
    let small = u * (1.0 + s * (-0.33333334 + s * (0.13333334 - s * 0.053968254)));
    return pack_nan_of(u, select(sign(u) * ((1.0 - e) / (1.0 + e)), small, a < Pack(0.25)));
}

fn activation_slope(u: Pack) -> Pack {
    let t = activate(u);
    return 1.0 - t * t;
}
