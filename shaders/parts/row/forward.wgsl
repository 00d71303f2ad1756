// A row is normalized.
// Provides BACKWARD, row_gradient, finish. Requires sum, weight, bias, after, activation, result.

const BACKWARD: bool = false;

fn row_gradient(y: Pack, param: u32, at: u32) -> Pack {
    return Pack();
}

fn finish(at: u32, param: u32, x: Pack, y: Pack, grad_input: Pack) {
    store_sum(at, x);
    store_result(at, activate(add_after(apply_bias(apply_weight(y, param), param), at)));
}
