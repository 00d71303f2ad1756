// The gradient of the input is not asked for.
// Provides put_grad_input.

fn put_grad_input(at: u32, v: Pack) {
}
