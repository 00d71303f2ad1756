// The gradient of what the activation is applied to, from the normalized y.
// Provides gradient.

fn gradient(y: Pack, param: u32, at: u32) -> Pack {
    let u = add_after(apply_bias(apply_weight(y, param), param), at);
    return load_grad_output(at) * activation_slope(u);
}
