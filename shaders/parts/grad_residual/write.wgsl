// The gradient of the residual that was added to what was normalized.
// Provides put_grad_residual.

fn put_grad_residual(at: At, v: Pack) {
    store_grad_residual(at, v);
}
