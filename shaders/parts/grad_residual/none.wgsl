// The gradient of the residual is not asked for.
// Provides put_grad_residual.

fn put_grad_residual(at: At, v: Pack) {
}
