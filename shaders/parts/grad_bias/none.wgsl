// The gradient of the bias is not asked for.
// Provides put_grad_bias. Requires Pack.

fn put_grad_bias(i: u32, v: Pack) {
}
