// Partial sums of g and g * y over `reduced` and `inner` of [outer, reduced, groups, inner], for each (outer, group).
// They are the gradients of weight and bias, and the coefficients of the gradient through the statistics. `splits`
// teams share a group, and each writes one partial.
//
// Numerics: as in roles/sums.wgsl. Deterministic: fixed splits, no atomics.
//
// Uniformity: every lane of a dispatch runs the same number of blocks.

struct Params {
    outer: u32,
    reduced: u32,
    groups: u32,
    packs: u32, // of inner
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

fn run(team: Team) {
    let groups = params.outer * params.groups;
    let has_group = team.index < groups * params.splits;
    let group = min(team.index / params.splits, groups - 1u);
    let split = team.index % params.splits;
    let total = params.reduced * params.packs;
    let end = select(0u, total, has_group);
    let first = group / params.groups * params.reduced * params.groups + group % params.groups;

    // Neighbouring teams read neighbouring packs; a lane's next pack is `stride` further in its group.
    let stride = params.splits * team.lanes;
    let step_run = stride / params.packs * params.groups;
    let step_pack = stride % params.packs;
    let stat_step = row_index(step_run, params.stat_rows);
    let stat_run = row_index(params.groups, params.stat_rows);
    let affine_step = row_index(step_run, params.affine_rows);
    let affine_run = row_index(params.groups, params.affine_rows);
    var at = split * team.lanes + team.lane;
    var run = first + at / params.packs * params.groups;
    var pack = at % params.packs;
    var stat_row = row_index(params.first_row + run, params.stat_rows);
    var affine_row = row_index(params.first_row + run, params.affine_rows);

    let fixed_statistics = statistics_at(stat_index(stat_row, pack));
    let fixed_affine = affine_at(affine_index(affine_row, pack));

    var sums = ExactSums();
    let blocks = (total + stride * BLOCK - 1u) / (stride * BLOCK);
    for (var block = 0u; block < blocks; block += 1u) {
        // No branch around the loads of a pack, so that the loads of all packs are issued together.
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let live = at < end;
            let safe_run = select(first, run, live);
            let safe_pack = select(0u, pack, live);
            var affine = fixed_affine;
            if !AFFINE_FIXED {
                affine = affine_at(select(AffineAt(0u), affine_index(affine_row, pack), live));
            }
            var statistics = fixed_statistics;
            if !STATS_FIXED {
                statistics = statistics_at(select(StatAt(0u), stat_index(stat_row, pack), live));
            }
            let element = at_of(first_of(safe_run, params.packs), safe_pack);
            let x = load_x(element);
            let grad = gradient(normalize(x, statistics), affine, element);
            let g = select(grad, apply_weight(grad, affine.weight), WEIGHTED);
            sums = with_element(sums, g, x, statistics, live);
            at += stride;
            run += step_run;
            pack += step_pack;
            stat_row = advance(stat_row, stat_step, params.stat_rows);
            affine_row = advance(affine_row, affine_step, params.affine_rows);
            if pack >= params.packs {
                pack -= params.packs;
                run += params.groups;
                stat_row = advance(stat_row, stat_run, params.stat_rows);
                affine_row = advance(affine_row, affine_run, params.affine_rows);
            }
        }
    }
    // Packs of the lane.
    let own = split * team.lanes + team.lane;
    let count = select(0u, (total - own + stride - 1u) / stride, own < total);
    let of_team = team_sums(scaled(sums, fixed_statistics, count), team);
    if has_group && team.lane == 0u {
        // [splits, all groups]
        let to = params.first_partial + split * params.partial_stride + group;
        partial_sums[to] = whole_or_part(of_team);
    }
}
