// Merges partial sums of gradients in a fixed order. One invocation a group. They are the gradients of weight and bias, or make
// the coefficients that the gradient of the input needs, or both in batch norm, whose groups share a weight. Where there are many,
// a pass before makes few of them.
//
// Requires pack/x1, real/x1, two_sum, weight, scale, merged_sums, grad_weight, grad_bias.

struct Params {
    groups: u32,
    members: u32, // columns of a group, neighbours, that have partials of their own
    partials: u32, // of all groups: [.., groups, members]
    stats_stride: u32, // from one region of `statistics` and of `coefficients` to the next
    count: f32, // elements of a group
    eps: f32,
    weight_offset: f32, // added to the weight
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

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
    var g = Pair();
    var gy = Pair();
    let stride = params.groups * params.members;
    let splits = (params.partials + stride - 1u) / stride;
    // One loop: those of an invocation together have an end on some drivers.
    for (var turn = 0u; turn < params.members * splits; turn += 1u) {
        let i = turn % splits * stride + group * params.members + turn / splits;
        // The last of them may be there for some groups alone.
        if i < params.partials {
            let partial = partial_sums[i];
            g = two_sum(g.hi, g.lo + partial.x);
            gy = two_sum(gy.hi, gy.lo + partial.y);
        }
    }
    let g_sum = g.hi + g.lo;
    let gy_sum = gy.hi + gy.lo;
    put_grad_bias(group, g_sum);
    put_grad_weight(group, gy_sum);
    put_merged_sums(group, g_sum, gy_sum);
}
