// sigmoid: 1 / (1 + exp(-u)).
// Provides activate, activation_slope. Requires exponential.

fn activate(u: Pack) -> Pack {
    return sigmoid(u);
}

fn activation_slope(u: Pack) -> Pack {
    return sigmoid_slope(u);
}
