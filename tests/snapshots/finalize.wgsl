// Batch norm, second pass: moments are merged, running statistics updated.
// shaders/kernels/finalize.wgsl, workgroups of 64:
//
// Merges the partial statistics of each group in a fixed order and hands them on. One lane merges a group, or several
// lanes.
//
// Running statistics average over `outer` groups of a channel, which a lane merges one after the other. If there are
// many partials, a first pass merges them to a few.

// ==== roles/numbers.wgsl

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

// ==== roles/teams.wgsl

const LANES: u32 = 1u;

fn merged(own: vec4<f32>, index: u32) -> vec4<f32> {
    return own;
}

// ==== roles/access.wgsl

fn save(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
}

// ==== roles/scales.wgsl

fn power(mean: f32, variance: f32) -> f32 {
    return variance;
}

// At least zero, but a NaN stays, which max() might drop. The bits decide: some compilers turn a comparison of floats
// into max().
fn rstd_of(power: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(select(power, 0.0, bitcast<u32>(power) - 0x80000000u <= 0x7f800000u) + params.eps);
}

// ==== roles/partials.wgsl

fn partial_at(i: u32) -> vec4<f32> {
    return partials[i];
}

fn merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let count = a.w + b.w;
    let share = b.w / max(count, 1.0);
    let delta = opaque(b.x - a.x) + (b.y - a.y);
    let mean = two_sum(a.x, a.y + delta * share);
    let both = vec4<f32>(mean.hi, mean.lo, a.z + (b.z + delta * (delta * (a.w * share))), count);
    // An empty part has no mean: that of the other part stays, with all its digits.
    return select(select(both, a, b.w == 0.0), b, a.w == 0.0);
}

fn put_member(i: u32, hi: f32, lo: f32, rstd: f32) {
    store_statistics(i, hi);
    store_statistics(params.stats_stride + i, lo);
    store_statistics(2u * params.stats_stride + i, rstd);
}

fn put_merged(group: u32, mean: Pair, m2: f32, count: f32) {
    let variance = m2 / count;
    let whole = mean.hi + mean.lo;
    let rstd = rstd_of(power(whole, variance), count, 1.0);
    let hi = select(0.0, mean.hi, CENTERED);
    let lo = select(0.0, mean.lo, CENTERED);
    let first = group * params.members;
    put_member(first, hi, lo, rstd);
    // The first member is not in the loop: drivers count the iterations of all groups against their limit.
    for (var i = first + 1u; i < first + params.members; i += 1u) {
        put_member(i, hi, lo, rstd);
    }
    save(group, mean.hi, mean.lo, rstd, 1.0);
}

// The old value plus a share of the difference: two rounded weights would not add up to 1, and 1000 small steps would
// drift. The share is the smaller weight, so that a weight of 1 gives the batch itself.
fn averaged(running: Pair, batch: f32) -> Pair {
    let share = weights();
    let difference = (batch - running.hi) - running.lo;
    if abs(share.y) <= abs(share.x) {
        let sum = two_sum(running.hi, share.y * difference);
        return Pair(sum.hi, sum.lo + running.lo);
    }
    return two_sum(batch, -share.x * difference);
}

// An empty batch has no mean, and a batch with no more elements than the correction has no variance: old values stay.
fn track(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
    if count > 0.0 {
        put_running_mean(channel, averaged(running_mean_of(channel), batch_mean));
    }
    if count > params.correction {
        put_running_var(channel, averaged(running_var_of(channel), batch_var));
    }
}

fn weights() -> vec2<f32> {
    return vec2<f32>(params.old_weight, params.new_weight);
}

fn running_mean_of(channel: u32) -> Pair {
    return Pair(load_running_mean(channel), 0.0);
}

fn running_var_of(channel: u32) -> Pair {
    return Pair(load_running_var(channel), 0.0);
}

fn put_running_mean(channel: u32, v: Pair) {
    store_running_mean(channel, v.hi + v.lo);
}

fn put_running_var(channel: u32, v: Pair) {
    store_running_var(channel, v.hi + v.lo);
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 64u;

const BLOCK: u32 = 4u;

const CENTERED: bool = true;

const SCALED: bool = false;

// ==== tensors.wgsl

@group(0) @binding(9) var<storage, read_write> running_mean: array<f32>;

fn load_running_mean(i: u32) -> f32 {
    return running_mean[i];
}

fn store_running_mean(i: u32, v: f32) {
    running_mean[i] = v;
}

@group(0) @binding(10) var<storage, read_write> running_var: array<f32>;

fn load_running_var(i: u32) -> f32 {
    return running_var[i];
}

fn store_running_var(i: u32, v: f32) {
    running_var[i] = v;
}

@group(0) @binding(22) var<storage, read_write> statistics: array<f32>;

fn store_statistics(i: u32, v: f32) {
    statistics[i] = v;
}

@group(0) @binding(31) var<storage, read_write> partials: array<vec4<f32>>;

// ==== kernels/finalize.wgsl

struct Params {
    outer: u32,
    groups: u32, // of one outer
    members: u32, // columns of a group, neighbours, that have partials of their own
    partials: u32, // of all groups: [.., outer, groups, members]
    stats_stride: u32, // from one region of `statistics` to the next
    eps: f32,
    old_weight: f32, // running = old_weight * running + new_weight * batch
    new_weight: f32,
    correction: f32, // 1 where the variance that is tracked is the unbiased one
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

const GROUPS: u32 = WORKGROUP_SIZE / LANES; // of a workgroup

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    // Neighbouring lanes read neighbouring memory.
    let index = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * GROUPS + local_index % GROUPS;
    let lane = local_index / GROUPS;
    let has_group = index < params.groups;
    let stride = params.outer * params.groups * params.members;
    let splits = (params.partials + stride - 1u) / stride;
    let of_group = params.members * splits;
    let blocks = (of_group + LANES * BLOCK - 1u) / (LANES * BLOCK);
    var mean_sum = 0.0;
    var variance_sum = 0.0;
    var count = 0.0;
    var so_far = vec4<f32>();
    // One loop: some drivers stop an invocation after 65,535 iterations of all its loops.
    for (var turn = 0u; turn < params.outer * blocks; turn += 1u) {
        let group = turn / blocks * params.groups + min(index, params.groups - 1u);
        let block = turn % blocks;
        // A GPU waits for loads: all of them are issued before the first one is used.
        let step_0 = (block * LANES + lane) * BLOCK + 0u;
        let i_0 = step_0 % splits * stride + group * params.members + step_0 / splits;
        // The last partial may exist for some groups only.
        let is_there_0 = step_0 < of_group && i_0 < params.partials;
        // Else the group's own first partial: other lanes may overwrite those of other groups.
        let partial_0 = partial_at(select(group * params.members, i_0, is_there_0));
        let step_1 = (block * LANES + lane) * BLOCK + 1u;
        let i_1 = step_1 % splits * stride + group * params.members + step_1 / splits;
        // The last partial may exist for some groups only.
        let is_there_1 = step_1 < of_group && i_1 < params.partials;
        // Else the group's own first partial: other lanes may overwrite those of other groups.
        let partial_1 = partial_at(select(group * params.members, i_1, is_there_1));
        let step_2 = (block * LANES + lane) * BLOCK + 2u;
        let i_2 = step_2 % splits * stride + group * params.members + step_2 / splits;
        // The last partial may exist for some groups only.
        let is_there_2 = step_2 < of_group && i_2 < params.partials;
        // Else the group's own first partial: other lanes may overwrite those of other groups.
        let partial_2 = partial_at(select(group * params.members, i_2, is_there_2));
        let step_3 = (block * LANES + lane) * BLOCK + 3u;
        let i_3 = step_3 % splits * stride + group * params.members + step_3 / splits;
        // The last partial may exist for some groups only.
        let is_there_3 = step_3 < of_group && i_3 < params.partials;
        // Else the group's own first partial: other lanes may overwrite those of other groups.
        let partial_3 = partial_at(select(group * params.members, i_3, is_there_3));
        if block == 0u {
            so_far = vec4<f32>();
        }
        if is_there_0 {
            so_far = merge(so_far, partial_0);
        }
        if is_there_1 {
            so_far = merge(so_far, partial_1);
        }
        if is_there_2 {
            so_far = merge(so_far, partial_2);
        }
        if is_there_3 {
            so_far = merge(so_far, partial_3);
        }
        if block + 1u == blocks {
            let all = merged(so_far, local_index);
            // At least zero, as in roles/scales.wgsl.
            let m2 = select(all.z, 0.0, bitcast<u32>(all.z) - 0x80000000u <= 0x7f800000u);
            if has_group && lane == 0u {
                put_merged(group, Pair(all.x, all.y), m2, all.w);
            }
            mean_sum += all.x + all.y;
            variance_sum += m2 / (all.w - params.correction);
            count = all.w;
        }
    }
    if has_group && lane == 0u {
        // The groups of a channel have one count.
        track(index, mean_sum / f32(params.outer), variance_sum / f32(params.outer), count);
    }
}
