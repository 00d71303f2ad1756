// Normalizes rows that lie one after the other in memory: layer and RMS norm over trailing axes, group and instance norm of
// channels-first tensors. A team reads its row once, holds it in registers, and writes it once.
//
// Numerics: corrected two-pass. The mean is taken of x - x[0]; the deviations d from it are summed again, and that
// correction goes into the variance and the output, since f32 can't hold the mean of data with a large offset. RMS norm
// (not CENTERED) takes both as zero.
//
// Requires pack, input, output, team, weight, bias, saved. REGISTERS packs a lane must cover a row.
// Uniformity: no return and no branch around team_sum; a team past the last row computes on nothing.

struct Params {
    rows: u32,
    packs: u32, // in a row
    inv_len: f32, // 1 / elements in a row
    eps: f32,
    groups: u32, // rows with weights of their own; row r has those of r % groups
    channels: u32, // of a group
    channel_packs: u32, // of a channel in a row
    weight_offset: f32, // added to the weight
}

@group(0) @binding(0) var<uniform> params: Params;

// Where the weight of a pack is: in [groups, packs], or that of its channel in [groups, channels].
fn param_index(row: u32, at: u32) -> u32 {
    let group = row % params.groups;
    return select(group * params.packs + at, group * params.channels + at / params.channel_packs, PARAMS_BY_CHANNEL);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(builtins: Builtins) {
    let team = team_of(builtins);
    let has_row = team.index < params.rows;
    let row = min(team.index, params.rows - 1u);
    let first = row * params.packs;
    let packs = select(0u, params.packs, has_row);
    let shift = pack_first(load_input(first));

    var shifted_sum = Pack();
    // unroll K < REGISTERS
    let at_K = team.lane + K * team.lanes;
    let x_K = load_input(first + min(at_K, params.packs - 1u));
    shifted_sum += select(Pack(), x_K - shift, at_K < packs);
    // end
    var mean = 0.0;
    if CENTERED {
        mean = shift + team_sum(pack_sum(shifted_sum), team) * params.inv_len;
    }

    var d_sum = Pack();
    var d2_sum = Pack();
    // unroll K < REGISTERS
    let d_K = select(Pack(), x_K - mean, at_K < packs);
    d_sum += d_K;
    d2_sum += d_K * d_K;
    // end
    let moments = team_sum2(vec2<f32>(pack_sum(d_sum), pack_sum(d2_sum)), team) * params.inv_len;
    let correction = select(0.0, moments.x, CENTERED);
    let variance = moments.y - correction * correction;
    // A NaN stays a NaN: max() might drop it.
    let rstd = inverseSqrt(select(variance, 0.0, variance < 0.0) + params.eps);

    // unroll K < REGISTERS
    if at_K < packs {
        let i_K = param_index(row, at_K);
        store_output(first + at_K, apply_bias(apply_weight((d_K - correction) * rstd, i_K), i_K));
    }
    // end
    if has_row && team.lane == 0u {
        save(row, mean + correction, rstd);
    }
}
