// A row is normalized.
// Provides BACKWARD, BACKWARD_NEEDS_Y, row_gradient, finish. Requires sum, affine, weight, bias, after, activation, result.

const BACKWARD: bool = false;
const BACKWARD_NEEDS_Y: bool = false;

fn row_gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return Pack(0.0);
}

fn finish(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    store_sum(at, x);
    store_result(at, activate(add_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at)));
}
