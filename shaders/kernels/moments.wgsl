// Partial statistics over `reduced` and `inner` of [outer, reduced, groups, inner], for each (outer, group): a channel
// of batch norm, or one long row. `splits` teams share a group, and each writes one partial.
//
// Numerics: a lane holds a block of BLOCK packs in registers and reduces it by corrected two-pass, with x - x[0] for
// the first mean. Chan's formula merges blocks, then lanes, in a fixed order, with the mean as hi + lo. The input is
// read once.
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
    let shift = pack_first(load_x(at_of(first_of(first, params.packs), 0u)));

    // Neighbouring teams read neighbouring packs; a lane's next pack is `stride` further in its group.
    let stride = params.splits * team.lanes;
    let step_slice = stride / params.packs;
    let step_pack = stride % params.packs;
    var at = split * team.lanes + team.lane;
    var slice = at / params.packs;
    var pack = at % params.packs;

    var count = 0.0;
    var mean = Pair();
    var m2 = 0.0;
    let blocks = (total + stride * BLOCK - 1u) / (stride * BLOCK);
    for (var block = 0u; block < blocks; block += 1u) {
        var block_packs = 0.0;
        var shifted_sum = Pack(0.0);
        var live: array<bool, BLOCK>; // unroll
        var x: array<Pack, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            live[k] = at < end;
            let safe_run = select(first, first + slice * params.groups, live[k]);
            let safe_pack = select(0u, pack, live[k]);
            x[k] = load_x(at_of(first_of(safe_run, params.packs), safe_pack));
            shifted_sum += select(Pack(0.0), x[k] - shift, live[k]);
            block_packs += select(0.0, 1.0, live[k]);
            at += stride;
            slice += step_slice;
            pack += step_pack;
            if pack >= params.packs {
                pack -= params.packs;
                slice += 1u;
            }
        }
        let block_count = block_packs * f32(PACK);
        let inv_count = 1.0 / max(block_count, 1.0);
        let block_mean = shift + pack_sum(shifted_sum) * inv_count;
        var d_sum = Pack(0.0);
        var d2_sum = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let d = select(Pack(0.0), x[k] - block_mean, live[k]);
            d_sum += d;
            d2_sum += d * d;
        }
        let correction = pack_sum(d_sum) * inv_count;
        let block_m2 = pack_sum(d2_sum) - correction * pack_sum(d_sum);

        if count == 0.0 {
            mean = Pair(block_mean, correction);
        }
        let both = count + block_count;
        let share = block_count / max(both, 1.0);
        let delta = opaque(block_mean - mean.hi) + (correction - mean.lo);
        mean = two_sum(mean.hi, mean.lo + delta * share);
        m2 += block_m2 + delta * (delta * (count * share));
        count = both;
    }

    // The same over the lanes of the team: a first mean, shifted as that of a block, then its correction.
    let sums = team_sum2(vec2<f32>(count, count * (mean.hi - shift)), team);
    let inv_count = 1.0 / max(sums.x, 1.0);
    let team_mean = shift + sums.y * inv_count;
    // A lane without elements adds zero, even if f32 overflows.
    let e = select(0.0, opaque(mean.hi - team_mean) + mean.lo, count > 0.0);
    let moments = team_sum2(vec2<f32>(count * e, m2 + count * e * e), team);
    let correction = moments.x * inv_count;
    if has_group && team.lane == 0u {
        // [splits, all groups]: the mean's hi and lo, the sum of squared deviations, the count.
        let m2 = moments.y - correction * moments.x;
        partials[params.first_partial + split * params.partial_stride + group] =
            vec4<f32>(team_mean, correction, m2, sums.x);
    }
}
