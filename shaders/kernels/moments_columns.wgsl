// Partial statistics of each column of [outer, rows, columns]: batch norm of channels-last tensors, layer norm over
// middle axes.
//
// A lane walks down a pack of neighbouring columns, so that neighbouring lanes read neighbouring memory. `splits` lanes
// share a column, and no lane waits for another.
//
// Numerics: as in moments.wgsl, for each column on its own.

struct Params {
    outer: u32,
    rows: u32,
    columns: u32,
    splits: u32,
    first_partial: u32, // of these columns in `partials`
    partial_stride: u32, // from one split to the next there
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let column_packs = params.columns / PACK;
    let index = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    if index >= params.outer * column_packs * params.splits {
        return;
    }
    // Neighbouring lanes have neighbouring columns.
    let column = index % column_packs;
    let outer = index / column_packs % params.outer;
    let split = index / column_packs / params.outer;
    let first = outer * params.rows;
    let shift = load_x(at_of(first_of(first, column_packs), column));

    var count = 0.0;
    var mean = Pair();
    var m2 = Pack(0.0);
    for (var first_row = split; first_row < params.rows; first_row += params.splits * BLOCK) {
        var block_count = 0.0;
        var shifted_sum = Pack(0.0);
        var live: array<bool, BLOCK>; // unroll
        var x: array<Pack, BLOCK>; // unroll
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let row = first_row + k * params.splits;
            live[k] = row < params.rows;
            let at = at_of(first_of(first + select(0u, row, live[k]), column_packs), column);
            x[k] = load_x(at);
            shifted_sum += select(Pack(0.0), x[k] - shift, live[k]);
            block_count += select(0.0, 1.0, live[k]);
        }
        let inv_count = 1.0 / block_count;
        let block_mean = shift + shifted_sum * inv_count;
        var d_sum = Pack(0.0);
        var d2_sum = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let d = select(Pack(0.0), x[k] - block_mean, live[k]);
            d_sum += d;
            d2_sum += d * d;
        }
        let correction = d_sum * inv_count;
        let block_m2 = d2_sum - correction * d_sum;

        if count == 0.0 {
            mean = Pair(block_mean, correction);
        }
        let both = count + block_count;
        let share = block_count / both;
        let delta = opaque(block_mean - mean.hi) + (correction - mean.lo);
        mean = two_sum(mean.hi, mean.lo + delta * share);
        m2 += block_m2 + delta * (delta * (count * share));
        count = both;
    }
    // [splits, all outer, columns]: the mean's hi and lo, the sum of squared deviations, the count.
    let to = params.first_partial + split * params.partial_stride + outer * params.columns + column * PACK;
    for (var i = 0u; i < PACK; i += 1u) {
        let hi = pack_component(mean.hi, i);
        partials[to + i] = vec4<f32>(hi, pack_component(mean.lo, i), pack_component(m2, i), count);
    }
}
