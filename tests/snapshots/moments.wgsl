// Batch norm of [8, 64, 56, 56], first pass: partial moments of channels.
// shaders/kernels/moments.wgsl, workgroups of 256:
//
// Partial statistics over `reduced` and `inner` of [outer, reduced, groups, inner], for each (outer, group): a channel
// of batch norm, or one long row. `splits` teams share a group, and each writes one partial.
//
// Numerics: a lane holds a block of BLOCK packs in registers and reduces it by corrected two-pass, with x - x[0] for
// the first mean. Chan's formula merges blocks, then lanes, in a fixed order, with the mean as hi + lo. The input is
// read once.
//
// Uniformity: every lane of a dispatch runs the same number of blocks.

// ==== roles/numbers.wgsl

alias Pack = vec4<f32>;

const PACK: u32 = 4u;

fn pack_first(v: Pack) -> f32 {
    return v.x;
}

fn pack_sum(v: Pack) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

struct Pair {
    hi: Real,
    lo: Real,
}

fn two_sum(a: Real, b: Real) -> Pair {
    let hi = opaque(a + b);
    let b_part = opaque(hi - a);
    let a_part = opaque(hi - b_part);
    return Pair(hi, (a - a_part) + (b - b_part));
}

alias Real = f32;

alias Bits = u32;

fn bits_of(v: Real) -> Bits {
    return bitcast<u32>(v);
}

fn real_of(bits: Bits) -> Real {
    return bitcast<f32>(bits);
}

// The compiler does not know that params.zero is 0.
fn opaque(v: Real) -> Real {
    return real_of(bits_of(v) ^ Bits(params.zero));
}

// ==== roles/positions.wgsl

alias Column = u32;

alias At = u32;

alias First = u32;

fn first_of(row: u32, stride: u32) -> First {
    return row * stride;
}

fn at_of(first: First, column: Column) -> At {
    return first + column;
}

// ==== roles/teams.wgsl

struct Team {
    index: u32, // of this team in the dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // of a team
}

const FAN_IN: u32 = 16u;

var<workgroup> leaves: array<vec2<f32>, WORKGROUP_SIZE>;

var<workgroup> branches: array<vec2<f32>, WORKGROUP_SIZE / FAN_IN>;

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    let width = WORKGROUP_SIZE / FAN_IN;
    leaves[team.lane] = v;
    workgroupBarrier();
    if team.lane < width {
        var sum = leaves[team.lane];
        for (var i = 1u; i < FAN_IN; i += 1u) {
            sum += leaves[team.lane + i * width];
        }
        branches[team.lane] = sum;
    }
    workgroupBarrier();
    var total = branches[0];
    for (var i = 1u; i < width; i += 1u) {
        total += branches[i];
    }
    // No lane reads `leaves` any more, and the next call writes `branches` after its first barrier.
    return total;
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup, local_index, WORKGROUP_SIZE));
}

// ==== roles/access.wgsl

fn load_x(at: At) -> Pack {
    return load_input(at);
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 256u;

const BLOCK: u32 = 4u;

// ==== tensors.wgsl

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;

fn load_input(i: u32) -> vec4<f32> {
    return input[i];
}

@group(0) @binding(31) var<storage, read_write> partials: array<vec4<f32>>;

// ==== kernels/moments.wgsl

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
        let live_0 = at < end;
        let safe_run_0 = select(first, first + slice * params.groups, live_0);
        let safe_pack_0 = select(0u, pack, live_0);
        let x_0 = load_x(at_of(first_of(safe_run_0, params.packs), safe_pack_0));
        shifted_sum += select(Pack(0.0), x_0 - shift, live_0);
        block_packs += select(0.0, 1.0, live_0);
        at += stride;
        slice += step_slice;
        pack += step_pack;
        if pack >= params.packs {
            pack -= params.packs;
            slice += 1u;
        }
        let live_1 = at < end;
        let safe_run_1 = select(first, first + slice * params.groups, live_1);
        let safe_pack_1 = select(0u, pack, live_1);
        let x_1 = load_x(at_of(first_of(safe_run_1, params.packs), safe_pack_1));
        shifted_sum += select(Pack(0.0), x_1 - shift, live_1);
        block_packs += select(0.0, 1.0, live_1);
        at += stride;
        slice += step_slice;
        pack += step_pack;
        if pack >= params.packs {
            pack -= params.packs;
            slice += 1u;
        }
        let live_2 = at < end;
        let safe_run_2 = select(first, first + slice * params.groups, live_2);
        let safe_pack_2 = select(0u, pack, live_2);
        let x_2 = load_x(at_of(first_of(safe_run_2, params.packs), safe_pack_2));
        shifted_sum += select(Pack(0.0), x_2 - shift, live_2);
        block_packs += select(0.0, 1.0, live_2);
        at += stride;
        slice += step_slice;
        pack += step_pack;
        if pack >= params.packs {
            pack -= params.packs;
            slice += 1u;
        }
        let live_3 = at < end;
        let safe_run_3 = select(first, first + slice * params.groups, live_3);
        let safe_pack_3 = select(0u, pack, live_3);
        let x_3 = load_x(at_of(first_of(safe_run_3, params.packs), safe_pack_3));
        shifted_sum += select(Pack(0.0), x_3 - shift, live_3);
        block_packs += select(0.0, 1.0, live_3);
        at += stride;
        slice += step_slice;
        pack += step_pack;
        if pack >= params.packs {
            pack -= params.packs;
            slice += 1u;
        }
        let block_count = block_packs * f32(PACK);
        let inv_count = 1.0 / max(block_count, 1.0);
        let block_mean = shift + pack_sum(shifted_sum) * inv_count;
        var d_sum = Pack(0.0);
        var d2_sum = Pack(0.0);
        let d_0 = select(Pack(0.0), x_0 - block_mean, live_0);
        d_sum += d_0;
        d2_sum += d_0 * d_0;
        let d_1 = select(Pack(0.0), x_1 - block_mean, live_1);
        d_sum += d_1;
        d2_sum += d_1 * d_1;
        let d_2 = select(Pack(0.0), x_2 - block_mean, live_2);
        d_sum += d_2;
        d2_sum += d_2 * d_2;
        let d_3 = select(Pack(0.0), x_3 - block_mean, live_3);
        d_sum += d_3;
        d2_sum += d_3 * d_3;
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
