// The gradient of the weight is overwritten.
// Provides put_grad_weight.

fn put_grad_weight(i: u32, v: f32) {
    store_grad_weight(i, v);
}
