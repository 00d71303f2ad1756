// The gradient of the bias is added to what is there.
// Provides put_grad_bias.

fn put_grad_bias(i: u32, v: f32) {
    store_grad_bias(i, load_grad_bias(i) + v);
}
