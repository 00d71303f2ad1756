// The gradient of the input is not asked for.
// Provides put_grad_input.

fn put_grad_input(at: At, v: Pack) {
}
