// The sum of input and residual is written for the next layer.
// Provides store_sum.

fn store_sum(at: At, x: Pack) {
    store_residual_output(at, x);
}
