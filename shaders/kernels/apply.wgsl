// Normalizes elements one by one, or computes their gradients, with statistics that are already there: batch norm
// inference, and the second pass where several teams reduce a group.
//
// The tensor is [blocks, steps, packs]. A lane walks over the steps of a block, which are rows or the columns of one
// row, and loads once what the steps share.

struct Params {
    blocks: u32,
    steps: u32, // of a block
    packs: u32, // of a step
    splits: u32, // lanes that share the steps of a block
    first_row: u32, // row of the lookups of the first block
    block_rows: u32, // rows of the lookups from one block to the next
    step_rows: u32, // and from one step to the next
    column_step: u32, // columns of the lookups from one step to the next
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` and of `coefficients` to the next
    stat_rows: u32, // see RowIndex
    stat_quotient: u32,
    stat_remainder: u32,
    stat_run: u32, // packs that share a statistic
    affine_rows: u32,
    affine_quotient: u32,
    affine_remainder: u32,
    affine_run: u32, // packs that share a weight
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let lane = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    // Neighbouring lanes have neighbouring packs, of one row or of rows that follow each other.
    let column = lane % params.packs;
    let split = lane / params.packs % params.splits;
    let block = lane / params.packs / params.splits;
    if block >= params.blocks {
        return;
    }

    let row = params.first_row + block * params.block_rows + split * params.step_rows;
    var stat_row = row_index(row, params.stat_rows);
    var affine_row = row_index(row, params.affine_rows);
    let stat_step = row_index(params.splits * params.step_rows, params.stat_rows);
    let affine_step = row_index(params.splits * params.step_rows, params.affine_rows);
    let fixed_table = table_at(stat_index(stat_row, column + split * params.column_step));
    let fixed_affine = affine_at(affine_index(affine_row, column + split * params.column_step));

    for (var first_step = split; first_step < params.steps; first_step += params.splits * BLOCK) {
        var live: array<bool, BLOCK>; // unroll
        var at: array<At, BLOCK>; // unroll
        var table: array<Table, BLOCK>; // unroll
        var affine: array<Affine, BLOCK>; // unroll
        var element: array<Element, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let step = first_step + k * params.splits;
            live[k] = step < params.steps;
            let safe = select(first_step, step, live[k]);
            at[k] = step_at(block, safe, column);
            let step_column = column + safe * params.column_step;
            table[k] = fixed_table;
            if !STATS_FIXED {
                table[k] = table_at(select(StatAt(0u), stat_index(stat_row, step_column), live[k]));
                stat_row = advance(stat_row, stat_step, params.stat_rows);
            }
            affine[k] = fixed_affine;
            if !AFFINE_FIXED {
                affine[k] = affine_at(select(AffineAt(0u), affine_index(affine_row, step_column), live[k]));
                affine_row = advance(affine_row, affine_step, params.affine_rows);
            }
            element[k] = load_element(at[k], table[k], affine[k]);
        }
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            if live[k] {
                place_step(block, first_step + k * params.splits, column); // with place
                store_element(element[k], at[k], table[k], affine[k]);
            }
        }
    }
}
