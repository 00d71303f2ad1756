// The sums of norms.wgsl for each column of [outer, rows, columns].
//
// A lane walks down a pack of neighbouring columns, so that neighbouring lanes read neighbouring memory. `splits` lanes
// share a column, and no lane waits for another.

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

    var down = Pair();
    var unit = Pair();
    var up = Pair();
    var count = 0.0;
    for (var first_row = split; first_row < params.rows; first_row += params.splits * BLOCK) {
        var down_block = Pack(0.0);
        var unit_block = Pack(0.0);
        var up_block = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let row = first_row + k * params.splits;
            let live = row < params.rows;
            let at = at_of(first_of(first + select(0u, row, live), column_packs), column);
            let x = select(Pack(0.0), load_x(at), live);
            down_block += measure(x * DOWN);
            unit_block += measure(x);
            up_block += measure(x * UP);
            count += select(0.0, 1.0, live);
        }
        down = two_sum(down.hi, down.lo + down_block);
        unit = two_sum(unit.hi, unit.lo + unit_block);
        up = two_sum(up.hi, up.lo + up_block);
    }
    // [splits, all outer, columns]
    let to = params.first_partial + split * params.partial_stride + outer * params.columns + column * PACK;
    let down_sum = total_of(down);
    let unit_sum = total_of(unit);
    let up_sum = total_of(up);
    for (var i = 0u; i < PACK; i += 1u) {
        let sums = vec3<f32>(pack_component(down_sum, i), pack_component(unit_sum, i), pack_component(up_sum, i));
        partials[to + i] = vec4<f32>(sums, count);
    }
}
