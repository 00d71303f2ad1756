// No sums of columns are taken.
// Provides SUMS, put_partial_sums, add_partial_sums.

const SUMS: bool = false;

fn put_partial_sums(first: u32, column: At, g: Pack, gy: Pack) {
}

fn add_partial_sums(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
}
