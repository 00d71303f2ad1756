// The gradient of the weight is added to what is there.
// Provides put_grad_weight. Requires Pack.

fn put_grad_weight(i: u32, v: Pack) {
    store_grad_weight(i, load_grad_weight(i) + v);
}
