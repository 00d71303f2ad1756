// The gradient of the input, with that of the sum from where else it is used.
// Provides put_grad_input.

fn put_grad_input(at: At, v: Pack) {
    store_grad_input(at, v + load_grad_residual_output(at));
}
