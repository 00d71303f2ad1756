// Goes through rows that lie one after the other in memory, or through their gradients: layer, RMS and Lp norm over the last
// axes, group and instance norm of channels-first tensors. A team reads its row once, holds it in registers, and writes it once.
//
// Numerics: corrected two-pass. The mean is taken of x - x[0]; the deviations d from it are summed again, and that
// correction goes into the variance and the output, since f32 can't hold the mean of data with a large offset. Norms that are not
// CENTERED take both as zero. A backward pass takes the statistics again: y is what the forward pass made it.
//
// Requires pack, team, x, scale, measure, row, saved. BLOCK packs a lane must cover a row.
// Uniformity: no return and no branch around team_sum but on constants; a team past the last row computes on nothing.

struct Params {
    rows: u32,
    packs: u32, // in a row
    input_packs: u32, // from one row of the input to the next
    len: f32, // elements in a row
    eps: f32,
    weight_offset: f32, // added to the weight
    param_rows: u32, // see param_index
    param_quotient: u32,
    param_remainder: u32,
    param_run: u32, // packs that share a weight
}

@group(0) @binding(0) var<uniform> params: Params;

fn param_index(row: u32, column: u32) -> u32 {
    let first = row / params.param_rows * params.param_quotient + row % params.param_rows * params.param_remainder;
    return first + param_column(column);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(builtins: Builtins) {
    let team = team_of(builtins);
    let has_row = team.index < params.rows;
    let row = min(team.index, params.rows - 1u);
    let first = row * params.packs;
    let first_input = row * params.input_packs;
    let packs = select(0u, params.packs, has_row);
    let shift = pack_first(load_x(first_input, first));

    var shifted_sum = Pack();
    // unroll K < BLOCK
    let at_K = team.lane + K * team.lanes;
    let in_row_K = min(at_K, params.packs - 1u);
    let x_K = load_x(first_input + in_row_K, first + in_row_K);
    shifted_sum += select(Pack(), x_K - shift, at_K < packs);
    // end
    var mean = 0.0;
    if CENTERED {
        mean = shift + team_sum(pack_sum(shifted_sum), team) / params.len;
    }

    var d_sum = Pack();
    var measure_sum = Pack();
    // unroll K < BLOCK
    let d_K = select(Pack(), x_K - mean, at_K < packs);
    d_sum += d_K;
    measure_sum += measure(d_K);
    // end
    let moments = team_sum2(vec2<f32>(pack_sum(d_sum), pack_sum(measure_sum)), team) / params.len;
    let correction = select(0.0, moments.x, CENTERED);
    let rstd = rstd_of(moments.y - correction * correction, params.len);

    var g_sum = Pack();
    var gy_sum = Pack();
    // unroll K < BLOCK
    let y_K = (d_K - correction) * rstd;
    let i_K = param_index(row, in_row_K);
    let g_K = select(Pack(), row_gradient(y_K, i_K, first + in_row_K), at_K < packs);
    g_sum += g_K;
    gy_sum += select(Pack(), g_K * y_K, at_K < packs);
    // end
    // What the gradient loses through the statistics: its mean, and its share along y.
    var lost = vec2<f32>();
    if BACKWARD {
        let sums = team_sum2(vec2<f32>(pack_sum(g_sum), pack_sum(gy_sum)), team);
        lost = vec2<f32>(select(0.0, sums.x / params.len, CENTERED), sums.y * pull(params.len, rstd));
    }

    // unroll K < BLOCK
    if at_K < packs {
        finish(first + at_K, i_K, x_K, y_K, (g_K - lost.x - slope(y_K) * lost.y) * rstd);
    }
    // end
    if has_row && team.lane == 0u {
        save(row, mean, correction, rstd);
    }
}
