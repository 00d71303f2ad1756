// Normalizes each element with statistics that are already there: batch norm inference, and the second pass of what is
// reduced by several workgroups. The tensor is [rows, packs].
//
// Requires pack, real as wide as pack, input, output, statistics, weight, bias, and the lookups STATS_BY_POSITION (of a
// column), STATS_BY_BLOCK (of rows_per_stat rows; else of a group of rows r % groups), PARAMS_BY_CHANNEL.

struct Params {
    rows: u32,
    packs: u32, // in a row
    groups: u32, // rows with weights of their own; row r has those of r % groups
    rows_per_stat: u32,
    stats_stride: u32, // from one region of `statistics` to the next, in Stats
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
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    var at = workgroup * WORKGROUP_SIZE * BLOCK + local_index;
    let end = params.rows * params.packs;

    // A lane's next pack is WORKGROUP_SIZE further; stepping (row, group, pack) along saves divisions for each.
    let step_pack = WORKGROUP_SIZE % params.packs;
    let step_row = WORKGROUP_SIZE / params.packs;
    let step_group = step_row % params.groups;
    var pack = at % params.packs;
    var row = at / params.packs;
    var group = row % params.groups;

    // unroll K < BLOCK
    let at_K = at;
    let stats_K = select(select(group, row / params.rows_per_stat, STATS_BY_BLOCK), pack, STATS_BY_POSITION);
    let param_K = select(group * params.packs + pack, group, PARAMS_BY_CHANNEL);
    let x_K = load_input(min(at, end - 1u));
    at += WORKGROUP_SIZE;
    pack += step_pack;
    row += step_row;
    group += step_group;
    if pack >= params.packs {
        pack -= params.packs;
        row += 1u;
        group += 1u;
    }
    if group >= params.groups {
        group -= params.groups;
    }
    // end
    // unroll K < BLOCK
    if at_K < end {
        store_output(at_K, apply_bias(apply_weight(normalize(x_K, stats_K), param_K), param_K));
    }
    // end
}
