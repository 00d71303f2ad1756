// Merges partial sums of gradients in a fixed order: an invocation, or several, have a group. They are the gradients of weight and bias, or make
// the coefficients that the gradient of the input needs, or both in batch norm, whose groups share a weight. Where there are many,
// a pass before makes few of them. put_merged_sums gets sums to which each member's weight came; the gradients have no weight.
//
// Requires pack/x1, real/x1, two_sum, merging, weight, scale, merged_sums, grad_weight, grad_bias.

struct Params {
    groups: u32,
    members: u32, // columns or runs of a group, neighbours, that have partials of their own
    copies: u32, // of a group's statistics and coefficients, one for each column that reads them
    partials: u32, // of all groups: [.., groups, members]
    weights: u32, // that there are; members have them in turn
    stats_stride: u32, // from one region of `statistics` and of `coefficients` to the next
    count: f32, // elements of a group
    eps: f32,
    weight_offset: f32, // added to the weight
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

const GROUPS: u32 = WORKGROUP_SIZE / LANES; // of a workgroup

fn merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a + b;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    // Neighbouring lanes read neighbouring memory.
    let group = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * GROUPS + local_index % GROUPS;
    let lane = local_index / GROUPS;
    let has_group = group < params.groups;
    var g = Pair();
    var gy = Pair();
    var weighted_g = Pair();
    var weighted_gy = Pair();
    let stride = params.groups * params.members;
    let splits = (params.partials + stride - 1u) / stride;
    // One loop: those of an invocation together have an end on some drivers. Its end depends on the invocation: lavapipe compiles a kernel anew for
    // each dispatch if half of it falls away once the uniforms are known.
    let turns = select(0u, params.members * splits, has_group);
    for (var turn = lane * BLOCK; turn < turns; turn += LANES * BLOCK) {
        // What a GPU waits for is the loads: they are all on their way before the first is used.
        // unroll K < BLOCK
        let turn_K = turn + K;
        let i_K = turn_K % splits * stride + group * params.members + turn_K / splits;
        // The last of them may be there for some groups alone.
        let is_there_K = turn_K < turns && i_K < params.partials;
        // Its own first one, as others may be overwritten by whoever merges them.
        let safe_K = select(group * params.members, i_K, is_there_K);
        let partial_K = partial_sums[safe_K];
        let weight_K = weight_at(safe_K % stride % params.weights);
        // end
        // unroll K < BLOCK
        if is_there_K {
            g = two_sum(g.hi, g.lo + partial_K.x);
            gy = two_sum(gy.hi, gy.lo + partial_K.y);
            weighted_g = two_sum(weighted_g.hi, weighted_g.lo + apply_weight(partial_K.x, weight_K));
            weighted_gy = two_sum(weighted_gy.hi, weighted_gy.lo + apply_weight(partial_K.y, weight_K));
        }
        // end
    }
    let sums = vec4<f32>(g.hi + g.lo, gy.hi + gy.lo, weighted_g.hi + weighted_g.lo, weighted_gy.hi + weighted_gy.lo);
    let of_all = merged(sums, local_index);
    if has_group && lane == 0u {
        put_grad_bias(group, of_all.x);
        put_grad_weight(group, of_all.y);
        put_merged_sums(group, of_all.z, of_all.w);
    }
}
