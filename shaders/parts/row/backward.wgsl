// The gradient of a row is computed.
// Provides BACKWARD, BACKWARD_NEEDS_Y, row_gradient, finish. Requires gradient, grad_input.

const BACKWARD: bool = true;
const BACKWARD_NEEDS_Y: bool = GRADIENT_NEEDS_Y;

// The gradient that reaches what weight and bias are applied to; of y and the weights only what BACKWARD_NEEDS_Y says.
fn row_gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return gradient(y, affine, at);
}

fn finish(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    put_grad_input(at, grad_input);
}
