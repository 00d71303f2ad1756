// The sums of sums.wgsl for each column of [outer, reduced, groups]: the gradients of layer norm's weight and bias, and
// channels-last tensors.
//
// A lane walks down a pack of neighbouring columns. `splits` lanes share a column, and no lane waits for another.
//
// Numerics: as in roles/sums.wgsl. Deterministic: fixed splits, no atomics.

struct Params {
    outer: u32,
    reduced: u32,
    groups: u32,
    packs: u32, // always 1: there is no inner
    splits: u32,
    first_row: u32, // of these in the whole tensor, in the lookups
    first_partial: u32, // of these groups in `partial_sums`
    partial_stride: u32, // from one split to the next there
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` to the next
    stat_rows: u32, // see RowIndex
    stat_quotient: u32,
    stat_remainder: u32,
    stat_run: u32, // packs that share a statistic
    affine_rows: u32,
    affine_quotient: u32,
    affine_remainder: u32,
    affine_run: u32, // packs that share a weight
    whole: u32, // 1 where one sum is that of a whole group
    mean_share: f32, // 1 / elements of a group
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let column_packs = params.groups / PACK;
    let index = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    if index >= params.outer * column_packs * params.splits {
        return;
    }
    // Neighbouring lanes have neighbouring columns.
    let column = index % column_packs;
    let outer = index / column_packs % params.outer;
    let split = index / column_packs / params.outer;

    let stat_step = row_index(params.splits, params.stat_rows);
    let affine_step = row_index(params.splits, params.affine_rows);
    let end = (outer + 1u) * params.reduced;
    let first_row = outer * params.reduced + split;
    var row = first_row;
    var stat_row = row_index(params.first_row + row, params.stat_rows);
    var affine_row = row_index(params.first_row + row, params.affine_rows);

    let fixed_statistics = statistics_at(stat_index(stat_row, column));
    let fixed_affine = affine_at(affine_index(affine_row, column));

    var sums = ExactSums();
    while row < end {
        // No branch around the loads of a row, so that the loads of all rows are issued together.
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let live = row < end;
            let safe_row = select(first_row, row, live);
            let at = at_of(first_of(safe_row, column_packs), column);
            var affine = fixed_affine;
            if !AFFINE_FIXED {
                affine = affine_at(select(AffineAt(0u), affine_index(affine_row, column), live));
            }
            var statistics = fixed_statistics;
            if !STATS_FIXED {
                statistics = statistics_at(select(StatAt(0u), stat_index(stat_row, column), live));
            }
            let x = load_x(at);
            let grad = gradient(normalize(x, statistics), affine, at);
            let g = select(grad, apply_weight(grad, affine.weight), WEIGHTED);
            sums = with_element(sums, g, x, statistics, live);
            row += params.splits;
            stat_row = advance(stat_row, stat_step, params.stat_rows);
            affine_row = advance(affine_row, affine_step, params.affine_rows);
        }
    }
    // [splits, all outer, groups]
    let to = params.first_partial + split * params.partial_stride + outer * params.groups;
    let count = select(0u, (end - first_row + params.splits - 1u) / params.splits, first_row < end);
    put_column_sums(to, column, scaled(sums, fixed_statistics, count));
}
