// The gradient of the input.
// Provides put_grad_input.

fn put_grad_input(at: At, v: Pack) {
    store_grad_input(at, v);
}
