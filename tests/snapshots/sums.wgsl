// The backward pass of batch norm: sums of g and g * y of each channel.
// shaders/kernels/sums.wgsl, workgroups of 256:
//
// Partial sums of g and g * y over `reduced` and `inner` of [outer, reduced, groups, inner], for each (outer, group).
// They are the gradients of weight and bias, and the coefficients of the gradient through the statistics. `splits`
// teams share a group, and each writes one partial.
//
// Numerics: as in roles/sums.wgsl. Deterministic: fixed splits, no atomics.
//
// Uniformity: every lane of a dispatch runs the same number of blocks.

// ==== roles/numbers.wgsl

alias Pack = vec4<f32>;

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

// The upper 12 of 24 significant bits: the product of two such numbers is exact.
fn upper(v: Real) -> Real {
    return real_of(bits_of(v) & Bits(0xfffff000u));
}

fn add(sum: Pair, v: Pair) -> Pair {
    let hi = two_sum(sum.hi, v.hi);
    return Pair(hi.hi, sum.lo + (hi.lo + v.lo));
}

// Exact but for a bit or two of lo. lo is at most half an ulp of hi, since a sum of many larger ones would lose bits.
fn product(a: Real, b: Real) -> Pair {
    let upper_a = upper(a);
    let upper_b = upper(b);
    let most = upper_a * upper_b;
    let rest = upper_a * (b - upper_b) + (a - upper_a) * b;
    let hi = opaque(most + rest);
    return Pair(hi, rest - (hi - most));
}

fn times(v: Pair, factor: Real) -> Pair {
    let hi = product(v.hi, factor);
    return Pair(hi.hi, hi.lo + v.lo * factor);
}

alias Real = vec4<f32>;

alias Bits = vec4<u32>;

fn bits_of(v: Real) -> Bits {
    return bitcast<vec4<u32>>(v);
}

fn real_of(bits: Bits) -> Real {
    return bitcast<vec4<f32>>(bits);
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

// One half after the other: `leaves` of vec4 would exceed the workgroup memory that every device has.
fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    let first = team_sum2(v.xy, team);
    return vec4<f32>(first, team_sum2(v.zw, team));
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

// ==== roles/tables.wgsl

alias Stat = f32;

alias StatAt = u32;

fn stat_column(column: Column) -> StatAt {
    return 0u;
}

alias AffineValue = f32;

alias AffineAt = u32;

fn affine_column(column: Column) -> AffineAt {
    return 0u;
}

// ==== roles/lookups.wgsl

// Kernels step it along, which saves a division for each element.
struct RowIndex {
    quotient: u32,
    remainder: u32,
}

fn row_index(row: u32, rows: u32) -> RowIndex {
    return RowIndex(row / rows, row % rows);
}

fn advance(row: RowIndex, by: RowIndex, rows: u32) -> RowIndex {
    let quotient = row.quotient + by.quotient;
    let remainder = row.remainder + by.remainder;
    let carry = remainder >= rows;
    return RowIndex(select(quotient, quotient + 1u, carry), select(remainder, remainder - rows, carry));
}

fn stat_index(row: RowIndex, column: Column) -> StatAt {
    return row.quotient * params.stat_quotient + row.remainder * params.stat_remainder + stat_column(column);
}

fn affine_index(row: RowIndex, column: Column) -> AffineAt {
    return row.quotient * params.affine_quotient + row.remainder * params.affine_remainder + affine_column(column);
}

struct Statistics {
    hi: Stat,
    lo: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    let lo = load_statistics(params.stats_stride + i);
    return Statistics(load_statistics(i), lo, load_statistics(2u * params.stats_stride + i));
}

fn scaled_input(x: Pack, statistics: Statistics) -> Pack {
    return x;
}

fn mean_hi(statistics: Statistics) -> Stat {
    return statistics.hi;
}

fn mean_lo(statistics: Statistics) -> Stat {
    return statistics.lo;
}

// x - hi comes first and stays on its own: f32 cannot hold hi + lo of data with a large offset.
fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return (opaque(x - statistics.hi) - statistics.lo) * statistics.rstd;
}

// ==== roles/affine.wgsl

fn weight_at(i: AffineAt) -> AffineValue {
    return AffineValue(0.0);
}

fn apply_weight(y: Pack, weight: AffineValue) -> Pack {
    return y;
}

fn bias_at(i: AffineAt) -> AffineValue {
    return AffineValue(0.0);
}

struct Affine {
    weight: AffineValue,
    bias: AffineValue,
}

fn affine_at(i: AffineAt) -> Affine {
    return Affine(weight_at(i), bias_at(i));
}

// ==== roles/gradients.wgsl

fn gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return load_grad_output(at);
}

// ==== roles/sums.wgsl

// With STATS_FIXED they lack the factors that all elements share: y is x - mean_hi.
struct ExactSums {
    g: Pair,
    gy: Pair,
    y: Pair,
}

fn with_element(sums: ExactSums, g: Pack, x: Pack, statistics: Statistics, counts: bool) -> ExactSums {
    var to = sums;
    let own = select(Pack(0.0), g, counts);
    to.g = add(sums.g, Pair(own, Pack(0.0)));
    let d = two_sum(scaled_input(x, statistics), Pack(-mean_hi(statistics)));
    if STATS_FIXED {
        let term = product(own, d.hi);
        to.gy = add(sums.gy, Pair(term.hi, term.lo + own * d.lo));
    } else {
        let factor = own * statistics.rstd;
        let term = product(factor, d.hi);
        to.gy = add(sums.gy, Pair(term.hi, term.lo + factor * (d.lo - mean_lo(statistics))));
    }
    if ZERO_MEAN {
        to.y = add(sums.y, Pair(select(Pack(0.0), d.hi, counts), select(Pack(0.0), d.lo, counts)));
    }
    return to;
}

fn scaled(sums: ExactSums, statistics: Statistics, count: u32) -> ExactSums {
    var to = sums;
    let lo = Pack(-mean_lo(statistics));
    let rstd = Pack(statistics.rstd);
    if STATS_FIXED {
        to.gy = times(add(sums.gy, times(sums.g, lo)), rstd);
    }
    if ZERO_MEAN {
        to.y = times(add(sums.y, product(Pack(f32(count)), lo)), rstd * params.mean_share);
    }
    return to;
}

struct GroupSums {
    g: vec2<f32>,
    gy: vec2<f32>,
    y: vec2<f32>,
}

// Subtracts the mean of y from the sums of a whole group. A mean above rounding errors stays: the caller gave the
// statistics of other data.
fn whole_or_part(sums: GroupSums) -> GroupSums {
    if params.whole == 0u {
        return sums;
    }
    let mean = sums.y.x + sums.y.y;
    let coefficients = (sums.g.x + sums.g.y) * select(0.0, mean, abs(mean) < 2e-5);
    return GroupSums(sums.g, vec2<f32>(sums.gy.x, sums.gy.y - coefficients), vec2<f32>());
}

// 1.5 times a power of two. v + grid - grid is v with so few bits that f32 holds any sum of such v. If the grid would
// be infinite, it is zero, which leaves all of v.
fn grid_of(sum_of_magnitudes: f32) -> f32 {
    let power = (bitcast<u32>(sum_of_magnitudes) & 0x7f800000u) + 0x01000000u;
    return select(1.5 * bitcast<f32>(power), 0.0, !(sum_of_magnitudes < 1e37));
}

fn team_sums(sums: ExactSums, team: Team) -> GroupSums {
    let magnitudes = vec4<f32>(pack_sum(abs(sums.g.hi)), pack_sum(abs(sums.gy.hi)), pack_sum(abs(sums.y.hi)), 0.0);
    let all = team_sum4(magnitudes, team);
    let grid = vec3<f32>(grid_of(all.x), grid_of(all.y), grid_of(all.z));
    let g = opaque(sums.g.hi + grid.x) - grid.x;
    let gy = opaque(sums.gy.hi + grid.y) - grid.y;
    let y = opaque(sums.y.hi + grid.z) - grid.z;
    let hi = team_sum4(vec4<f32>(pack_sum(g), pack_sum(gy), pack_sum(y), 0.0), team);
    let rest_g = pack_sum((sums.g.hi - g) + sums.g.lo);
    let rest_gy = pack_sum((sums.gy.hi - gy) + sums.gy.lo);
    let rest_y = pack_sum((sums.y.hi - y) + sums.y.lo);
    let lo = team_sum4(vec4<f32>(rest_g, rest_gy, rest_y, 0.0), team);
    return GroupSums(vec2<f32>(hi.x, lo.x), vec2<f32>(hi.y, lo.y), vec2<f32>(hi.z, lo.z));
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 256u;

const BLOCK: u32 = 4u;

const STATS_FIXED: bool = true;

const AFFINE_FIXED: bool = true;

const WEIGHTED: bool = false;

const ZERO_MEAN: bool = true;

// ==== tensors.wgsl

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;

fn load_input(i: u32) -> vec4<f32> {
    return input[i];
}

@group(0) @binding(15) var<storage, read> grad_output: array<vec4<f32>>;

fn load_grad_output(i: u32) -> vec4<f32> {
    return grad_output[i];
}

@group(0) @binding(22) var<storage, read_write> statistics: array<f32>;

fn load_statistics(i: u32) -> f32 {
    return statistics[i];
}

fn store_statistics(i: u32, v: f32) {
    statistics[i] = v;
}

@group(0) @binding(32) var<storage, read_write> partial_sums: array<GroupSums>;

// ==== kernels/sums.wgsl

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
        let live_0 = at < end;
        let safe_run_0 = select(first, run, live_0);
        let safe_pack_0 = select(0u, pack, live_0);
        var affine_0 = fixed_affine;
        if !AFFINE_FIXED {
            affine_0 = affine_at(select(AffineAt(0u), affine_index(affine_row, pack), live_0));
        }
        var statistics_0 = fixed_statistics;
        if !STATS_FIXED {
            statistics_0 = statistics_at(select(StatAt(0u), stat_index(stat_row, pack), live_0));
        }
        let element_0 = at_of(first_of(safe_run_0, params.packs), safe_pack_0);
        let x_0 = load_x(element_0);
        let grad_0 = gradient(normalize(x_0, statistics_0), affine_0, element_0);
        let g_0 = select(grad_0, apply_weight(grad_0, affine_0.weight), WEIGHTED);
        sums = with_element(sums, g_0, x_0, statistics_0, live_0);
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
        let live_1 = at < end;
        let safe_run_1 = select(first, run, live_1);
        let safe_pack_1 = select(0u, pack, live_1);
        var affine_1 = fixed_affine;
        if !AFFINE_FIXED {
            affine_1 = affine_at(select(AffineAt(0u), affine_index(affine_row, pack), live_1));
        }
        var statistics_1 = fixed_statistics;
        if !STATS_FIXED {
            statistics_1 = statistics_at(select(StatAt(0u), stat_index(stat_row, pack), live_1));
        }
        let element_1 = at_of(first_of(safe_run_1, params.packs), safe_pack_1);
        let x_1 = load_x(element_1);
        let grad_1 = gradient(normalize(x_1, statistics_1), affine_1, element_1);
        let g_1 = select(grad_1, apply_weight(grad_1, affine_1.weight), WEIGHTED);
        sums = with_element(sums, g_1, x_1, statistics_1, live_1);
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
        let live_2 = at < end;
        let safe_run_2 = select(first, run, live_2);
        let safe_pack_2 = select(0u, pack, live_2);
        var affine_2 = fixed_affine;
        if !AFFINE_FIXED {
            affine_2 = affine_at(select(AffineAt(0u), affine_index(affine_row, pack), live_2));
        }
        var statistics_2 = fixed_statistics;
        if !STATS_FIXED {
            statistics_2 = statistics_at(select(StatAt(0u), stat_index(stat_row, pack), live_2));
        }
        let element_2 = at_of(first_of(safe_run_2, params.packs), safe_pack_2);
        let x_2 = load_x(element_2);
        let grad_2 = gradient(normalize(x_2, statistics_2), affine_2, element_2);
        let g_2 = select(grad_2, apply_weight(grad_2, affine_2.weight), WEIGHTED);
        sums = with_element(sums, g_2, x_2, statistics_2, live_2);
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
        let live_3 = at < end;
        let safe_run_3 = select(first, run, live_3);
        let safe_pack_3 = select(0u, pack, live_3);
        var affine_3 = fixed_affine;
        if !AFFINE_FIXED {
            affine_3 = affine_at(select(AffineAt(0u), affine_index(affine_row, pack), live_3));
        }
        var statistics_3 = fixed_statistics;
        if !STATS_FIXED {
            statistics_3 = statistics_at(select(StatAt(0u), stat_index(stat_row, pack), live_3));
        }
        let element_3 = at_of(first_of(safe_run_3, params.packs), safe_pack_3);
        let x_3 = load_x(element_3);
        let grad_3 = gradient(normalize(x_3, statistics_3), affine_3, element_3);
        let g_3 = select(grad_3, apply_weight(grad_3, affine_3.weight), WEIGHTED);
        sums = with_element(sums, g_3, x_3, statistics_3, live_3);
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
