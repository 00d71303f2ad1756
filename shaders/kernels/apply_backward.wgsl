// The gradient of the input where its statistics, and the sums of gradients over what shares them, are already there. The
// tensor is [rows, packs].
//
// Requires pack, real as wide as pack, place, x, statistics, measure, weight, bias, after, activation, gradient, through,
// grad_input, grad_residual.

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
    if at < end {
        let stat_K = stat_index(stat_place, pack);
        let param_K = param_index(param_place, pack);
        let y_K = normalize(load_x(row * params.input_packs + pack, at), stat_K);
        let grad_K = gradient(y_K, param_K, at);
        put_grad_residual(at, grad_K);
        put_grad_input(at, through_statistics(apply_weight(grad_K, param_K), y_K, stat_K) * rstd_at(stat_K));
    }
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
}
