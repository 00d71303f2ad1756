// Merges partial sums of gradients in a fixed order. One lane merges a group, or several lanes.
//
// The sums are the gradients of weight and bias, or they make the coefficients of the gradient through the statistics.
// In batch norm, whose groups share a weight, they are both. If there are many partials, a first pass merges them to a
// few.
//
// put_merged_sums gets sums with each member's weight as a factor. The gradients of weight and bias get sums without.

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
    whole: u32, // 1 where nothing of a group is left to merge
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

const GROUPS: u32 = WORKGROUP_SIZE / LANES; // of a workgroup

// Sums of g and g * y: hi of both, then lo of both.
fn merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let sum = add(Pair(a.xy, a.zw), Pair(b.xy, b.zw));
    return vec4<f32>(sum.hi, sum.lo);
}

// The sum over the lanes of a group.
fn of_all(own: Pair, index: u32) -> Pair {
    let sum = merged(vec4<f32>(own.hi, own.lo), index);
    return Pair(sum.xy, sum.zw);
}

fn group_sums(sums: Pair, y: Pair) -> GroupSums {
    let g = vec2<f32>(sums.hi.x, sums.lo.x);
    let gy = vec2<f32>(sums.hi.y, sums.lo.y);
    return whole_or_part(GroupSums(g, gy, vec2<f32>(y.hi.x, y.lo.x)));
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
    var own = Pair();
    var weighted = Pair();
    var y = Pair();
    let stride = params.groups * params.members;
    let splits = (params.partials + stride - 1u) / stride;
    // One loop: some drivers stop an invocation after 65,535 iterations of all its loops. Its end depends on the
    // invocation: lavapipe compiles a kernel for each dispatch if the uniforms alone decide that half of it is not run.
    let turns = select(0u, params.members * splits, has_group);
    for (var first_turn = lane * BLOCK; first_turn < turns; first_turn += LANES * BLOCK) {
        // A GPU waits for loads: all of them are issued before the first one is used.
        var is_there: array<bool, BLOCK>; // unroll
        var partial: array<GroupSums, BLOCK>; // unroll
        var weight: array<AffineValue, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let turn = first_turn + k;
            let i = turn % splits * stride + group * params.members + turn / splits;
            // The last partial may exist for some groups only.
            is_there[k] = turn < turns && i < params.partials;
            // Else the group's own first partial: other lanes may overwrite those of other groups.
            let safe = select(group * params.members, i, is_there[k]);
            partial[k] = sums_at(safe);
            weight[k] = weight_at(safe % stride % params.weights);
        }
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            if is_there[k] {
                let sums = Pair(vec2<f32>(partial[k].g.x, partial[k].gy.x), vec2<f32>(partial[k].g.y, partial[k].gy.y));
                own = add(own, sums);
                if WEIGHTED {
                    weighted = add(weighted, times(sums, vec2<f32>(weight[k])));
                }
                if MEAN_OF_Y {
                    y = add(y, Pair(vec2<f32>(partial[k].y.x, 0.0), vec2<f32>(partial[k].y.y, 0.0)));
                }
            }
        }
    }
    own = of_all(own, local_index);
    if WEIGHTED {
        weighted = of_all(weighted, local_index);
    } else {
        weighted = own;
    }
    if MEAN_OF_Y {
        y = of_all(y, local_index);
    }
    if has_group && lane == 0u {
        let sums = group_sums(own, y);
        put_grad_bias(group, sums.g.x + sums.g.y);
        put_grad_weight(group, sums.gy.x + sums.gy.y);
        put_merged_sums(group, group_sums(weighted, y));
    }
}
