// The sums of all of a column are the gradients of its weight and bias.
// Provides put_column_sums. Requires pack, exact_sums, grad_weight, grad_bias.

// Those of a row of columns begin at `first`.
fn put_column_sums(first: u32, column: u32, sums: Sums) {
    put_grad_bias(first / PACK + column, sums.g.hi + sums.g.lo);
    put_grad_weight(first / PACK + column, sums.gy.hi + sums.gy.lo);
}
