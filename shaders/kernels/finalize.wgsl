// Merges the partial statistics of each group in a fixed order and hands them on. One lane merges a group, or several
// lanes.
//
// Running statistics average over `outer` groups of a channel, which a lane merges one after the other. If there are
// many partials, a first pass merges them to a few.

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
        var is_there: array<bool, BLOCK>; // unroll
        var partial: array<vec4<f32>, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let step = (block * LANES + lane) * BLOCK + k;
            let i = step % splits * stride + group * params.members + step / splits;
            // The last partial may exist for some groups only.
            is_there[k] = step < of_group && i < params.partials;
            // Else the group's own first partial: other lanes may overwrite those of other groups.
            partial[k] = partial_at(select(group * params.members, i, is_there[k]));
        }
        if block == 0u {
            so_far = vec4<f32>();
        }
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            if is_there[k] {
                so_far = merge(so_far, partial[k]);
            }
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
