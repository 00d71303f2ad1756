// silu: u * sigmoid(u).
// Provides activate, activation_slope.

// exp stays finite: an overflow may be anything in WGSL. Below -80 the result is 0 to within 2e-35.
fn sigmoid(u: Pack) -> Pack {
    return pack_nan_of(u, 1.0 / (1.0 + exp(-select(u, Pack(-80.0), u < Pack(-80.0)))));
}

fn activate(u: Pack) -> Pack {
    return u * sigmoid(u);
}

fn activation_slope(u: Pack) -> Pack {
    let s = sigmoid(u);
    return s * (1.0 + u * (1.0 - s));
}
