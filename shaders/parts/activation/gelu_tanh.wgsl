// gelu by tanh: u / 2 * (1 + tanh(v / 2)) with v = 2 sqrt(2 / pi) * (u + 0.044715 u^3), which is u * sigmoid(v).
// Provides activate, activation_slope. Requires exponential.

// Beyond 20 the sigmoid is 0 or 1; u^3 stays finite.
fn bounded(u: Pack) -> Pack {
    return pack_nan_of(u, clamp(u, Pack(-20.0), Pack(20.0)));
}

fn argument(c: Pack) -> Pack {
    return 1.5957691 * (c + 0.044715 * c * c * c);
}

fn activate(u: Pack) -> Pack {
    return u * sigmoid(argument(bounded(u)));
}

fn activation_slope(u: Pack) -> Pack {
    let c = bounded(u);
    let v = argument(c);
    return sigmoid(v) + c * 1.5957691 * (1.0 + 0.134145 * c * c) * sigmoid_slope(v);
}
