// The gradient of what the activation is applied to, from the normalized y.
// Provides gradient, GRADIENT_NEEDS_Y. Requires affine, weight, bias, after, activation.

const GRADIENT_NEEDS_Y: bool = true;

fn gradient(y: Pack, affine: Affine, at: At) -> Pack {
    let u = add_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at);
    return load_grad_output(at) * activation_slope(u);
}
