// The gradient of the bias is overwritten.
// Provides put_grad_bias.

fn put_grad_bias(i: u32, v: f32) {
    store_grad_bias(i, v);
}
