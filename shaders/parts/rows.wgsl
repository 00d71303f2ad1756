// The uniform of the kernels that go through rows, and where the weights of a row are: those of `row` begin at
// row / rows * quotient + row % rows * remainder, with the numbers of params.
// Provides params, param_index. Requires param_column.

struct Params {
    rows: u32,
    first: u32, // row of these in the whole tensor, where it is bound in parts
    packs: u32, // in a row
    input_packs: u32, // from one row of the input to the next
    rounds: u32, // rows of a team, or blocks of rows, at most
    teams: u32, // that have rows
    len: f32, // elements in a row
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` to the next
    first_partial: u32, // of these rows in `partial_sums`
    param_rows: u32,
    param_quotient: u32,
    param_remainder: u32,
    param_run: u32, // packs that share a weight
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

fn param_index(row: u32, column: u32) -> u32 {
    let first = row / params.param_rows * params.param_quotient + row % params.param_rows * params.param_remainder;
    return first + param_column(column);
}
