// The gradient of a row is computed.
// Provides BACKWARD, row_gradient, finish. Requires gradient, weight, grad_input.

const BACKWARD: bool = true;

// The gradient that reaches the normalized y.
fn row_gradient(y: Pack, param: u32, at: u32) -> Pack {
    return apply_weight(gradient(y, param, at), param);
}

fn finish(at: u32, param: u32, x: Pack, y: Pack, grad_input: Pack) {
    put_grad_input(at, grad_input);
}
