// The gradient of the bias is overwritten.
// Provides put_grad_bias. Requires Pack.

fn put_grad_bias(i: u32, v: Pack) {
    store_grad_bias(i, v);
}
