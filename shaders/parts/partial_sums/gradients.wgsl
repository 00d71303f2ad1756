// Sums of all of a column are the gradients of its weight and bias.
// Provides SUMS, put_partial_sums. Requires at/lane, grad_weight, grad_bias.

const SUMS: bool = true;

// Those of a row of columns begin at `first`.
fn put_partial_sums(first: u32, column: At, g: Pack, gy: Pack) {
    put_grad_bias(first / PACK + column, g);
    put_grad_weight(first / PACK + column, gy);
}
