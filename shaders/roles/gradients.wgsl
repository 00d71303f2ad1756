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
    let u = apply_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at);
    return load_grad_output(at) * activation_derivative(u);
}

// ---- gradient: gated_gradient
//
// With a gate behind weight and bias, its factor times the gradient of the output.

const GRADIENT_NEEDS_Y__gated_gradient: bool = false;

fn gradient__gated_gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return load_grad_output(at) * gate_factor(load_gate(at));
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

// ---- grad input: grad_input_of_gated
//
// The gradient of an input that has a gate as a factor, from that of the product, or of its sum with a residual.

fn put_grad_input__grad_input_of_gated(at: At, v: Pack) {
    let grad = add_grad_sum(at, v);
    put_grad_addend(at, grad);
    put_grad_gate_before(at, grad);
    store_grad_input(at, grad * gate_factor(load_gate(at)));
}

// ---- grad sum: no_grad_sum
//
// The sum of the product and the residual has no other uses.

fn add_grad_sum__no_grad_sum(at: At, v: Pack) -> Pack {
    return v;
}

// ---- grad sum: grad_sum
//
// The gradient of residual_output is added.

fn add_grad_sum__grad_sum(at: At, v: Pack) -> Pack {
    return v + load_grad_residual_output(at);
}

// ---- grad addend: no_grad_addend
//
// The gradient of the residual is not asked for.

fn put_grad_addend__no_grad_addend(at: At, v: Pack) {
}

// ---- grad addend: grad_addend
//
// The gradient of the residual that was added to the product.

fn put_grad_addend__grad_addend(at: At, v: Pack) {
    store_grad_residual(at, v);
}

// ---- grad gate: no_grad_gate
//
// The gradient of a gate is not asked for, or there is none.

fn put_grad_gate_before__no_grad_gate(at: At, v: Pack) {
}

fn put_grad_gate_after__no_grad_gate(at: At, affine: Affine, y: Pack) {
}

// ---- grad gate: grad_gate_before
//
// The gradient of a gate before the norm, from that of the product.

fn put_grad_gate_before__grad_gate_before(at: At, v: Pack) {
    store_grad_gate(at, v * load_input(at) * gate_derivative(load_gate(at)));
}

fn put_grad_gate_after__grad_gate_before(at: At, affine: Affine, y: Pack) {
}

// ---- grad gate: grad_gate_after
//
// The gradient of a gate behind weight and bias.

fn put_grad_gate_after__grad_gate_after(at: At, affine: Affine, y: Pack) {
    let u = apply_bias(apply_weight(y, affine.weight), affine.bias);
    store_grad_gate(at, load_grad_output(at) * u * gate_derivative(load_gate(at)));
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
