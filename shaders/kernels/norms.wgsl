// Partial sums of magnitudes or squares over `reduced` and `inner` of [outer, reduced, groups, inner], for each (outer,
// group). `splits` teams share a group, and each writes one partial.
//
// Numerics: sums are taken at three scales, since f32 cannot hold the squares of all its numbers. Blocks are added as
// hi + lo, lanes by a tree: no term is negative.
//
// Uniformity: every lane of a dispatch runs the same number of blocks.

struct Params {
    all_groups: u32, // outer * groups
    reduced: u32,
    groups: u32,
    packs: u32, // of inner
    splits: u32,
    first_partial: u32, // of these groups in `partials`
    partial_stride: u32, // from one split to the next there
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

fn run(team: Team) {
    let has_group = team.index < params.all_groups * params.splits;
    let group = min(team.index / params.splits, params.all_groups - 1u);
    let split = team.index % params.splits;
    let total = params.reduced * params.packs;
    let end = select(0u, total, has_group);
    let first = group / params.groups * params.reduced * params.groups + group % params.groups;

    // Neighbouring teams read neighbouring packs; a lane's next pack is `stride` further in its group.
    let stride = params.splits * team.lanes;
    let step_slice = stride / params.packs;
    let step_pack = stride % params.packs;
    var at = split * team.lanes + team.lane;
    var slice = at / params.packs;
    var pack = at % params.packs;

    var down = Pair();
    var unit = Pair();
    var up = Pair();
    var count = 0.0;
    let blocks = (total + stride * BLOCK - 1u) / (stride * BLOCK);
    for (var block = 0u; block < blocks; block += 1u) {
        var down_block = Pack(0.0);
        var unit_block = Pack(0.0);
        var up_block = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let live = at < end;
            let safe_run = select(first, first + slice * params.groups, live);
            let safe_pack = select(0u, pack, live);
            let x = select(
                Pack(0.0),
                load_x(at_of(first_of(safe_run, params.packs), safe_pack)),
                live,
            );
            down_block += measure(x * DOWN);
            unit_block += measure(x);
            up_block += measure(x * UP);
            count += select(0.0, f32(PACK), live);
            at += stride;
            slice += step_slice;
            pack += step_pack;
            if pack >= params.packs {
                pack -= params.packs;
                slice += 1u;
            }
        }
        down = two_sum(down.hi, down.lo + down_block);
        unit = two_sum(unit.hi, unit.lo + unit_block);
        up = two_sum(up.hi, up.lo + up_block);
    }
    let sums = vec4<f32>(pack_sum(total_of(down)), pack_sum(total_of(unit)), pack_sum(total_of(up)), count);
    let of_team = team_sum4(sums, team);
    if has_group && team.lane == 0u {
        // [splits, all groups]
        partials[params.first_partial + split * params.partial_stride + group] = of_team;
    }
}
