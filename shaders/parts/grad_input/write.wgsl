// The gradient of the input.
// Provides put_grad_input.

fn put_grad_input(at: u32, v: Pack) {
    store_grad_input(at, v);
}
