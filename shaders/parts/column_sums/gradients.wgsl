// The sums of all of a column are the gradients of its weight and bias.
// Provides put_column_sums. Requires pack, exact_sums, grad_weight, grad_bias.

// Those of a row of columns begin at `first`. The mean of y comes out, as whole_or_part has it.
fn put_column_sums(first: u32, column: u32, sums: Sums) {
    let g = sums.g.hi + sums.g.lo;
    put_grad_bias(first / PACK + column, g);
    let mean = sums.y.hi + sums.y.lo;
    let lost = g * select(Pack(0.0), mean, abs(mean) < Pack(2e-5));
    put_grad_weight(first / PACK + column, sums.gy.hi + (sums.gy.lo - lost));
}
