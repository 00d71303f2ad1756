// No sums of columns are taken.
// Provides SUMS, put_partial_sums, add_partial_sums.

const SUMS: bool = false;

fn put_partial_sums(to: u32, g: Pack, gy: Pack) {
}

fn add_partial_sums(to: u32, g: Pack, gy: Pack, first: bool) {
}
