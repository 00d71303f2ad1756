// Merges the partials of each group in a fixed order and writes what the apply kernel reads, the saved statistics and the
// running statistics. One invocation a group.
//
// Requires real/x1, two_sum, saved, running.

struct Params {
    groups: u32,
    splits: u32,
    stats_stride: u32, // from one region of `statistics` to the next
    eps: f32,
    old_weight: f32, // running = old_weight * running + new_weight * batch
    new_weight: f32,
    var_scale: f32, // from the biased variance to the one that is tracked
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;
// [splits, groups]: bits of the mean's hi and lo, bits of M2, count. Only read; but `statistics` is in the same buffer,
// and wgpu allows no buffer to be bound both to be read and to be written.
@group(0) @binding(10) var<storage, read_write> partials: array<vec4<u32>>;
// [3, stats_stride]: the mean's hi and lo, rstd
@group(0) @binding(11) var<storage, read_write> statistics: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let group = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    if group >= params.groups {
        return;
    }
    var count = 0.0;
    var mean = Pair();
    var m2 = 0.0;
    for (var split = 0u; split < params.splits; split += 1u) {
        let partial = partials[split * params.groups + group];
        let partial_mean = Pair(bitcast<f32>(partial.x), bitcast<f32>(partial.y));
        let partial_count = f32(partial.w);
        if count == 0.0 {
            mean = partial_mean;
        }
        let both = count + partial_count;
        let share = partial_count / max(both, 1.0);
        let delta = opaque(partial_mean.hi - mean.hi) + (partial_mean.lo - mean.lo);
        mean = two_sum(mean.hi, mean.lo + delta * share);
        m2 += bitcast<f32>(partial.z) + delta * (delta * (count * share));
        count = both;
    }
    let variance = m2 / count;
    // A NaN stays a NaN: max() might drop it.
    var second_moment = select(variance, 0.0, variance < 0.0);
    if !CENTERED {
        // RMS norm: about zero, and not about the mean.
        let whole = mean.hi + mean.lo;
        second_moment += whole * whole;
        mean = Pair();
    }
    let rstd_value = inverseSqrt(second_moment + params.eps);
    statistics[group] = mean.hi;
    statistics[params.stats_stride + group] = mean.lo;
    statistics[2u * params.stats_stride + group] = rstd_value;
    save(group, mean.hi + mean.lo, rstd_value);
    track(group, mean.hi + mean.lo, variance);
}
