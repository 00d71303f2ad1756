// gelu by tanh: u / 2 * (1 + tanh(v)) with v = sqrt(2 / pi) * (u + 0.044715 u^3).
// Provides activate, activation_slope.

// (1 + tanh(v)) / 2 is the sigmoid of 2 v. exp stays finite: an overflow may be anything in WGSL.
fn half_one_plus_tanh(u: Pack) -> Pack {
    let v = 1.5957691 * (u + 0.044715 * u * u * u);
    return pack_nan_of(u, 1.0 / (1.0 + exp(-select(v, Pack(-80.0), v < Pack(-80.0)))));
}

fn activate(u: Pack) -> Pack {
    return u * half_one_plus_tanh(u);
}

fn activation_slope(u: Pack) -> Pack {
    let s = half_one_plus_tanh(u);
    // Beyond 20 the slope is 0 or 1, and u^3 must not meet an s * (1 - s) of 0 as infinity.
    let c = clamp(u, Pack(-20.0), Pack(20.0));
    return s + s * (1.0 - s) * (c * 1.5957691 * (1.0 + 0.134145 * c * c));
}
