// The uniform of the kernels that go through rows, and where the weights of a row are: those of `row` begin at
// row / rows * quotient + row % rows * remainder, with the numbers of params.
// Provides params, param_index. Requires param_column.

struct Params {
    rows: u32, // or fours of them, which lie across a pack
    first: u32, // row of these in the whole tensor, where it is bound in parts
    packs: u32, // in a row
    stride: u32, // from one row to the next, in what an index of a tensor counts: packs, pairs of them, or elements. Across, from one pack to the next
    input_stride: u32, // the same of the input
    rounds: u32, // rows of a team, or blocks of rows, at most
    teams: u32, // that have rows
    elements: u32, // in a row
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` to the next
    first_partial: u32, // of these rows in `partial_sums`
    param_rows: u32,
    param_quotient: u32,
    param_remainder: u32,
    param_run: u32, // that share a weight, in what an index of a table counts
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

fn param_index(row: u32, column: At) -> ParamAt {
    let first = row / params.param_rows * params.param_quotient + row % params.param_rows * params.param_remainder;
    return first + param_column(column);
}
