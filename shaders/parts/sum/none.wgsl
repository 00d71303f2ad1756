// The sum of input and residual is not written.
// Provides store_sum.

fn store_sum(at: At, x: Pack) {
}
