// The gradient of the weight is not asked for.
// Provides put_grad_weight. Requires Pack.

fn put_grad_weight(i: u32, v: Pack) {
}
