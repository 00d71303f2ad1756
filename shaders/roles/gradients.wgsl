// Gradients: the one that reaches the normalized elements, and those that are written.

// ---- gradient: plain_gradient
//
// Without an activation, the gradient of the output.

const GRADIENT_NEEDS_Y__plain_gradient: bool = false;

fn gradient__plain_gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return load_grad_output(at);
}

// ---- gradient: activated_gradient
//
// The gradient of the activation's argument, which depends on y.

const GRADIENT_NEEDS_Y__activated_gradient: bool = true;

fn gradient__activated_gradient(y: Pack, affine: Affine, at: At) -> Pack {
    let u = add_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at);
    return load_grad_output(at) * activation_derivative(u);
}

// ---- grad input: no_grad_input
//
// The gradient of the input is not asked for.

fn put_grad_input__no_grad_input(at: At, v: Pack) {
}

// ---- grad input: grad_input
//
// The gradient of the input.

fn put_grad_input__grad_input(at: At, v: Pack) {
    store_grad_input(at, v);
}

// ---- grad input: grad_input_and_sum
//
// The gradient of the input, plus the gradient of residual_output, the sum of input and residual.

fn put_grad_input__grad_input_and_sum(at: At, v: Pack) {
    store_grad_input(at, v + load_grad_residual_output(at));
}

// ---- grad residual: no_grad_residual
//
// The gradient of the residual is not asked for.

fn put_grad_residual__no_grad_residual(at: At, v: Pack) {
}

// ---- grad residual: grad_residual
//
// The gradient of the residual that was added behind weight and bias.

fn put_grad_residual__grad_residual(at: At, v: Pack) {
    store_grad_residual(at, v);
}

// ---- grad weight: no_grad_weight
//
// The gradient of the weight is not asked for.

fn put_grad_weight__no_grad_weight(i: u32, v: Pack) {
}

// ---- grad weight: grad_weight
//
// The gradient of the weight overwrites what the tensor holds.

fn put_grad_weight__grad_weight(i: u32, v: Pack) {
    store_grad_weight(i, v);
}

// ---- grad weight: add_grad_weight
//
// The gradient of the weight is added to what the tensor holds.

fn put_grad_weight__add_grad_weight(i: u32, v: Pack) {
    store_grad_weight(i, load_grad_weight(i) + v);
}

// ---- grad bias: no_grad_bias
//
// The gradient of the bias is not asked for.

fn put_grad_bias__no_grad_bias(i: u32, v: Pack) {
}

// ---- grad bias: grad_bias
//
// The gradient of the bias overwrites what the tensor holds.

fn put_grad_bias__grad_bias(i: u32, v: Pack) {
    store_grad_bias(i, v);
}

// ---- grad bias: add_grad_bias
//
// The gradient of the bias is added to what the tensor holds.

fn put_grad_bias__add_grad_bias(i: u32, v: Pack) {
    store_grad_bias(i, load_grad_bias(i) + v);
}
