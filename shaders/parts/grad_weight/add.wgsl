// The gradient of the weight is added to what is there.
// Provides put_grad_weight.

fn put_grad_weight(i: u32, v: f32) {
    store_grad_weight(i, load_grad_weight(i) + v);
}
