// Goes through the elements one by one, or through their gradients, with statistics that are already there: batch norm
// inference, and the second pass of what is reduced by several workgroups. The tensor is [rows, packs].
//
// Requires pack, real as wide as pack, place, element.

struct Params {
    rows: u32,
    packs: u32, // in a row
    input_packs: u32, // from one row of the input to the next
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` and of `coefficients` to the next
    stat_rows: u32, // see place
    stat_quotient: u32,
    stat_remainder: u32,
    stat_run: u32, // packs that share a statistic
    param_rows: u32,
    param_quotient: u32,
    param_remainder: u32,
    param_run: u32, // packs that share a weight
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    var at = workgroup * WORKGROUP_SIZE * BLOCK + local_index;
    let end = params.rows * params.packs;

    // A lane's next pack is WORKGROUP_SIZE further; stepping along saves divisions for each.
    let step_pack = WORKGROUP_SIZE % params.packs;
    let step_row = WORKGROUP_SIZE / params.packs;
    let stat_step = place_of(step_row, params.stat_rows);
    let stat_row = place_of(1u, params.stat_rows);
    let param_step = place_of(step_row, params.param_rows);
    let param_row = place_of(1u, params.param_rows);
    var pack = at % params.packs;
    var row = at / params.packs;
    var stat_place = place_of(row, params.stat_rows);
    var param_place = place_of(row, params.param_rows);

    // unroll K < BLOCK
    let at_K = at;
    let live_K = at < end;
    let stat_K = select(0u, stat_index(stat_place, pack), live_K);
    let param_K = select(0u, param_index(param_place, pack), live_K);
    let input_at_K = select(0u, row * params.input_packs + pack, live_K);
    let element_K = load_element(input_at_K, select(0u, at, live_K), stat_K, param_K);
    at += WORKGROUP_SIZE;
    pack += step_pack;
    row += step_row;
    stat_place = advance(stat_place, stat_step, params.stat_rows);
    param_place = advance(param_place, param_step, params.param_rows);
    if pack >= params.packs {
        pack -= params.packs;
        row += 1u;
        stat_place = advance(stat_place, stat_row, params.stat_rows);
        param_place = advance(param_place, param_row, params.param_rows);
    }
    // end
    // unroll K < BLOCK
    if live_K {
        store_element(element_K, at_K, stat_K, param_K);
    }
    // end
}
