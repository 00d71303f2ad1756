// The gradient of the bias is added to what is there.
// Provides put_grad_bias. Requires Pack.

fn put_grad_bias(i: u32, v: Pack) {
    store_grad_bias(i, load_grad_bias(i) + v);
}
