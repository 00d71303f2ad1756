// Merges the partial statistics of each group in a fixed order and hands them on. One invocation a group; running statistics
// average over `outer` groups of a channel, which one invocation then does one after the other. Where there are many partials, a pass
// before makes few of them.
//
// Requires real/x1, two_sum, partials, scale, saved, merged, running.

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

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let index = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    if index >= params.groups {
        return;
    }
    let stride = params.outer * params.groups * params.members;
    let splits = (params.partials + stride - 1u) / stride;
    let of_group = params.members * splits;
    let blocks = (of_group + BLOCK - 1u) / BLOCK;
    var mean_sum = 0.0;
    var variance_sum = 0.0;
    var count = 0.0;
    var mean = Pair();
    var m2 = 0.0;
    // One loop: those of an invocation together have an end on some drivers.
    for (var turn = 0u; turn < params.outer * blocks; turn += 1u) {
        let group = turn / blocks * params.groups + index;
        let block = turn % blocks;
        // What a GPU waits for is the loads: they are all on their way before the first is used.
        // unroll K < BLOCK
        let step_K = block * BLOCK + K;
        let i_K = step_K % splits * stride + group * params.members + step_K / splits;
        // The last of them may be there for some groups alone.
        let is_there_K = step_K < of_group && i_K < params.partials;
        // Its own first one, as others may be overwritten by whoever merges them.
        let partial_K = partial_at(select(group * params.members, i_K, is_there_K));
        // end
        if block == 0u {
            count = 0.0;
            mean = Pair(partial_0.x, partial_0.y);
            m2 = 0.0;
        }
        // unroll K < BLOCK
        if is_there_K {
            let both = count + partial_K.w;
            let share = partial_K.w / max(both, 1.0);
            let delta = opaque(partial_K.x - mean.hi) + (partial_K.y - mean.lo);
            mean = two_sum(mean.hi, mean.lo + delta * share);
            m2 += partial_K.z + delta * (delta * (count * share));
            count = both;
        }
        // end
        if block + 1u == blocks {
            // At least zero, as in scale/variance.
            m2 = select(m2, 0.0, bitcast<u32>(m2) - 0x80000000u <= 0x7f800000u);
            put_merged(group, mean, m2, count);
            mean_sum += mean.hi + mean.lo;
            variance_sum += m2 / (count - params.correction);
        }
    }
    track(index, mean_sum / f32(params.outer), variance_sum / f32(params.outer));
}
