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
    var mean_sum = 0.0;
    var variance_sum = 0.0;
    var count = 0.0;
    var mean = Pair();
    var m2 = 0.0;
    // One loop: those of an invocation together have an end on some drivers.
    for (var turn = 0u; turn < params.outer * of_group; turn += 1u) {
        let group = turn / of_group * params.groups + index;
        let step = turn % of_group;
        let i = step % splits * stride + group * params.members + step / splits;
        // The last of them may be there for some groups alone.
        if i < params.partials {
            let partial = partial_at(i);
            if step == 0u {
                count = 0.0;
                mean = Pair(partial.x, partial.y);
                m2 = 0.0;
            }
            let both = count + partial.w;
            let share = partial.w / max(both, 1.0);
            let delta = opaque(partial.x - mean.hi) + (partial.y - mean.lo);
            mean = two_sum(mean.hi, mean.lo + delta * share);
            m2 += partial.z + delta * (delta * (count * share));
            count = both;
        }
        if step + 1u == of_group {
            // A NaN stays a NaN: max() might drop it.
            m2 = select(m2, 0.0, m2 < 0.0);
            put_merged(group, mean, m2, count);
            mean_sum += mean.hi + mean.lo;
            variance_sum += m2 / (count - params.correction);
        }
    }
    track(index, mean_sum / f32(params.outer), variance_sum / f32(params.outer));
}
