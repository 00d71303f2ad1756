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
    var mean_sum = 0.0;
    var variance_sum = 0.0;
    for (var outer = 0u; outer < params.outer; outer += 1u) {
        let group = outer * params.groups + index;
        var count = 0.0;
        var mean = Pair();
        var m2 = 0.0;
        for (var member = 0u; member < params.members; member += 1u) {
            for (var i = group * params.members + member; i < params.partials; i += stride) {
                let partial = partial_at(i);
                if count == 0.0 {
                    mean = Pair(partial.x, partial.y);
                }
                let both = count + partial.w;
                let share = partial.w / max(both, 1.0);
                let delta = opaque(partial.x - mean.hi) + (partial.y - mean.lo);
                mean = two_sum(mean.hi, mean.lo + delta * share);
                m2 += partial.z + delta * (delta * (count * share));
                count = both;
            }
        }
        // A NaN stays a NaN: max() might drop it.
        m2 = select(m2, 0.0, m2 < 0.0);
        put_merged(group, mean, m2, count);
        mean_sum += mean.hi + mean.lo;
        variance_sum += m2 / (count - params.correction);
    }
    track(index, mean_sum / f32(params.outer), variance_sum / f32(params.outer));
}
