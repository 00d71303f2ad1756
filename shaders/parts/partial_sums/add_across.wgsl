// Partial sums of g and of g * y of a column, to which more rows are added; four of them lie across a pack.
// Provides SUMS, add_partial_sums. Requires at/across.

const SUMS: bool = true;

// Those of a row of columns begin at `first`. The `fresh` ones are what the others are added to.
fn add_partial_sums(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
    let before = select(partial_sums[first + column], vec2<f32>(), fresh);
    partial_sums[first + column] = before + vec2<f32>(pack_sum(g), pack_sum(gy));
}
