// silu: u * sigmoid(u).
// Provides activate, activation_slope. Requires exponential.

fn activate(u: Pack) -> Pack {
    return u * sigmoid(u);
}

fn activation_slope(u: Pack) -> Pack {
    return sigmoid(u) + u * sigmoid_slope(u);
}
