// Layer norm of [4096, 1024]: a workgroup holds a row in registers.
// shaders/kernels/row.wgsl, workgroups of 64:
//
// Normalizes contiguous rows, or computes their gradients: layer, RMS and Lp norm over the last axes, group and
// instance norm of channels-first tensors.
//
// A team reads a row once, holds it in registers and writes it once, then takes its next row. Weights that all of its
// rows share stay in registers too, and so do the sums over rows that are the gradients of weight and bias. BLOCK
// packs a lane cover a row. Weights that rows do not share are loaded late, when fewer registers are taken.
//
// Numerics: corrected two-pass. The first mean is of x - x[0]. A second reduction sums the deviations d from it. The
// result corrects the variance and the output, since f32 cannot hold the mean of data with a large offset. The mean of
// half-precision x is taken of x itself: it has so few digits that it is exact for a constant row. Norms that are not
// CENTERED take both as zero.
//
// A backward pass takes the statistics again, so that y is what the forward pass computed. Its sums of g and g * d go
// with those of the deviations, unless an activation's gradient needs y: EARLY. The sum of g * y follows from them.
//
// Uniformity: no return, and no branch around team sums but on constants. A team past the last row computes and writes
// nothing.

// ==== roles/numbers.wgsl

alias Pack = vec4<f32>;

fn pack_first(v: Pack) -> f32 {
    return v.x;
}

fn pack_sum(v: Pack) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn pack_peak(v: Pack) -> i32 {
    let m = bitcast<vec4<i32>>(v) & vec4<i32>(0x7fffffff);
    return max(max(m.x, m.y), max(m.z, m.w));
}

// ==== roles/positions.wgsl

alias Column = u32;

fn column_at(pack: u32) -> Column {
    return pack;
}

fn number_of(column: Column) -> u32 {
    return column;
}

fn first_inside(v: Pack, column: Column) -> f32 {
    return pack_first(v);
}

// `row` and `middle` matter only if rows begin inside a word.
fn column_of_lane(
    k: u32,
    lane: u32,
    lanes: u32,
    is_there: bool,
    row: u32,
    middle: bool,
) -> Column {
    return column_at(select(0u, pack_of(k, lane, lanes), is_there));
}

fn pack_of(k: u32, lane: u32, lanes: u32) -> u32 {
    return lane + k * lanes;
}

alias At = u32;

alias First = u32;

fn first_of(row: u32, stride: u32) -> First {
    return row * stride;
}

fn at_of(first: First, column: Column) -> At {
    return first + column;
}

alias Mask = bool;

fn mask_of(column: Column, counts: bool) -> Mask {
    return counts;
}

fn masked(v: Pack, mask: Mask) -> Pack {
    return select(Pack(0.0), v, mask);
}

// ==== roles/teams.wgsl

struct Team {
    index: u32, // of this team in the dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // of a team
}

const FAN_IN: u32 = 16u;

var<workgroup> leaves: array<vec2<f32>, WORKGROUP_SIZE>;

var<workgroup> branches: array<vec2<f32>, WORKGROUP_SIZE / FAN_IN>;

fn team_sum(v: f32, team: Team) -> f32 {
    return team_sum2(vec2<f32>(v, 0.0), team).x;
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    let width = WORKGROUP_SIZE / FAN_IN;
    leaves[team.lane] = v;
    workgroupBarrier();
    if team.lane < width {
        var sum = leaves[team.lane];
        for (var i = 1u; i < FAN_IN; i += 1u) {
            sum += leaves[team.lane + i * width];
        }
        branches[team.lane] = sum;
    }
    workgroupBarrier();
    var total = branches[0];
    for (var i = 1u; i < width; i += 1u) {
        total += branches[i];
    }
    // No lane reads `leaves` any more, and the next call writes `branches` after its first barrier.
    return total;
}

// One half after the other: `leaves` of vec4 would exceed the workgroup memory that every device has.
fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    let first = team_sum2(v.xy, team);
    return vec4<f32>(first, team_sum2(v.zw, team));
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup, local_index, WORKGROUP_SIZE));
}

// ==== roles/access.wgsl

fn load_x(at: At) -> Pack {
    return load_input(at);
}

fn store_sum(at: At, x: Pack) {
}

fn store_result(at: At, y: Pack) {
    store_output(at, y);
}

fn save(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
}

// ==== roles/tables.wgsl

alias AffineValue = Pack;

alias AffineAt = u32;

fn affine_column(column: Column) -> AffineAt {
    return number_of(column);
}

// ==== roles/affine.wgsl

fn weight_at(i: AffineAt) -> AffineValue {
    return load_weight(i) + params.weight_offset;
}

fn apply_weight(y: Pack, weight: AffineValue) -> Pack {
    return y * weight;
}

fn bias_at(i: AffineAt) -> AffineValue {
    return load_bias(i);
}

fn apply_bias(y: Pack, bias: AffineValue) -> Pack {
    return y + bias;
}

struct Affine {
    weight: AffineValue,
    bias: AffineValue,
}

fn affine_at(i: AffineAt) -> Affine {
    return Affine(weight_at(i), bias_at(i));
}

fn apply_after(u: Pack, at: At) -> Pack {
    return u;
}

// ==== roles/activations.wgsl

fn activate(u: Pack) -> Pack {
    return u;
}

// ==== roles/scales.wgsl

fn measure(d: Pack) -> Pack {
    return d * d;
}

fn measure_derivative(y: Pack) -> Pack {
    return y;
}

// At least zero, but a NaN stays, which max() might drop. The bits decide: some compilers turn a comparison of floats
// into max().
fn rstd_of(power: f32, count: f32, scale: f32) -> f32 {
    return inverseSqrt(select(power, 0.0, bitcast<u32>(power) - 0x80000000u <= 0x7f800000u) + params.eps);
}

fn product_share(count: f32, rstd: f32, scale: f32) -> f32 {
    return 1.0 / count;
}

const DOWN: f32 = 1.0;

const UP: f32 = 1.0;

fn scale_of(sums: vec3<f32>) -> f32 {
    return 1.0;
}

fn at_scale(sums: vec3<f32>, scale: f32) -> f32 {
    return sums.y;
}

// ==== roles/quantized.wgsl

const QUANTIZED: bool = false;

const QUANTIZED_PACKS: u32 = 1u;

fn peak_of_block(peak: i32, team: Team) -> i32 {
    return peak;
}

fn quantized_factor(peak: i32) -> f32 {
    return 0.0;
}

fn put_quantized(row: u32, column: Column, k: u32, u: Pack, factor: f32) {
}

fn put_quantized_scale(row: u32, column: Column, lane: u32, peak: i32) {
}

// ==== roles/rows.wgsl

struct Params {
    rows: u32, // or fours of them, if packs are across rows
    first: u32, // row of the whole tensor at which the binding begins
    packs: u32, // of a row
    stride: u32, // from one row, or pack of a perpendicular layout, to the next, in what a tensor's index counts
    rows_per_team: u32, // rows of a team, or blocks of rows, at most
    teams: u32, // that have rows, and others up to a multiple of row_step
    row_step: u32, // from a row of a team to its next one
    elements: u32, // of a row
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` to the next
    first_partial: u32, // of these rows in `partial_sums`
    affine_rows: u32,
    affine_quotient: u32,
    affine_remainder: u32,
    affine_run: u32, // neighbours that share a weight, in what a table's index counts
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

fn row_affine_index(row: u32, column: Column) -> AffineAt {
    let first = row / params.affine_rows * params.affine_quotient + row % params.affine_rows * params.affine_remainder;
    return first + affine_column(column);
}

fn first_row_of(team: Team, rows_of_team: u32) -> u32 {
    return team.index / params.row_step * (params.row_step * rows_of_team) + team.index % params.row_step;
}

fn row_of(i: u32) -> u32 {
    return i;
}

const EARLY_SUM: bool = false;

const BACKWARD: bool = false;

const BACKWARD_NEEDS_Y: bool = false;

fn row_gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return Pack(0.0);
}

fn output_of(y: Pack, affine: Affine, at: At) -> Pack {
    return activate(apply_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at));
}

fn finish(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    if !EARLY_SUM {
        store_sum(at, x);
    }
    store_result(at, output_of(y, affine, at));
}

const NEXT: bool = false;

alias NextWeight = u32;

fn next_weight_at(i: AffineAt) -> NextWeight {
    return 0u;
}

fn finish_both(at: At, x: Pack, output: Pack, y: Pack, weight: NextWeight) {
}

const SUMS: bool = false;

fn put_partial_sums(first: u32, column: Column, g: Pack, gy: Pack) {
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 64u;

const BLOCK: u32 = 4u;

const SHARED: bool = false;

const HALF_PRECISION: bool = false;

const FULL: u32 = 4u;

const CENTERED: bool = true;

const SCALED: bool = false;

// ==== tensors.wgsl

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;

fn load_input(i: u32) -> vec4<f32> {
    return input[i];
}

@group(0) @binding(4) var<storage, read> weight: array<vec4<f32>>;

fn load_weight(i: u32) -> vec4<f32> {
    return weight[i];
}

@group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;

fn load_bias(i: u32) -> vec4<f32> {
    return bias[i];
}

@group(0) @binding(6) var<storage, read_write> output: array<vec4<f32>>;

fn store_output(i: u32, v: vec4<f32>) {
    output[i] = v;
}

// ==== kernels/row.wgsl

// Products with numbers near the ends of f32's range wait for their scale too.
const LATE: bool = BACKWARD && (BACKWARD_NEEDS_Y || SCALED);

const EARLY: bool = BACKWARD && !LATE;

// Sums grow under a branch, which takes fewer instructions. Lanes of larger workgroups have too few registers for it:
// on an H100, rows of 16384 f16 took seven times as long.
const SUMS_BRANCH: bool = WORKGROUP_SIZE <= 256u;

// Whether pack number k of the lane is in the row.
fn in_row(k: u32, team: Team) -> bool {
    return k < FULL || pack_of(k, team.lane, team.lanes) < params.packs;
}

// All rows of a team have the alignment phase of the row with the team's number.
fn column_of(k: u32, team: Team) -> Column {
    return column_of_lane(k, team.lane, team.lanes, in_row(k, team), team.index, 0u < k && k < FULL);
}

// A mean, rounded to 16 bits if x has few. It goes through a bitcast: one compiler expanded the mean inside x - mean,
// and the deviations were not those from the rounded mean. If the sum of a constant row is infinite, any x is its mean.
// Other such rows have no variance in f32.
fn rounded(mean: f32, x: f32) -> f32 {
    let bits = bitcast<u32>(mean);
    if !HALF_PRECISION {
        return bitcast<f32>(bits ^ params.zero);
    }
    return select(bitcast<f32>((bits + 0x80u) & 0xffffff00u), x, (bits & 0x7f800000u) == 0x7f800000u);
}

fn run(team: Team) {
    let len = f32(params.elements);
    let share = 1.0 / len;
    let first_index = first_row_of(team, params.rows_per_team);
    let is_in_row_0 = in_row(0u, team);
    let column_0 = column_of(0u, team);
    let mask_0 = mask_of(column_0, is_in_row_0);
    let is_in_row_1 = in_row(1u, team);
    let column_1 = column_of(1u, team);
    let mask_1 = mask_of(column_1, is_in_row_1);
    let is_in_row_2 = in_row(2u, team);
    let column_2 = column_of(2u, team);
    let mask_2 = mask_of(column_2, is_in_row_2);
    let is_in_row_3 = in_row(3u, team);
    let column_3 = column_of(3u, team);
    let mask_3 = mask_of(column_3, is_in_row_3);
    var affine: array<Affine, BLOCK>;
    var next: array<NextWeight, BLOCK>;
    var grad_sum: array<Pack, BLOCK>;
    var grad_y_sum: array<Pack, BLOCK>;
    if SHARED {
        let first_row = params.first + row_of(min(first_index, params.rows - 1u));
        let i_0 = row_affine_index(first_row, column_of(0u, team));
        affine[0u] = affine_at(i_0);
        if NEXT {
            next[0u] = next_weight_at(i_0);
        }
        let i_1 = row_affine_index(first_row, column_of(1u, team));
        affine[1u] = affine_at(i_1);
        if NEXT {
            next[1u] = next_weight_at(i_1);
        }
        let i_2 = row_affine_index(first_row, column_of(2u, team));
        affine[2u] = affine_at(i_2);
        if NEXT {
            next[2u] = next_weight_at(i_2);
        }
        let i_3 = row_affine_index(first_row, column_of(3u, team));
        affine[3u] = affine_at(i_3);
        if NEXT {
            next[3u] = next_weight_at(i_3);
        }
    }

    for (var round = 0u; round < params.rows_per_team; round += 1u) {
        let index = first_index + round * params.row_step;
        let has_row = team.index < params.teams && index < params.rows;
        let row = row_of(min(index, params.rows - 1u));
        let first = first_of(row, params.stride);
        var shift = 0.0;
        if !HALF_PRECISION {
            let start = column_of_lane(0u, 0u, 1u, true, team.index, false);
            shift = first_inside(load_x(at_of(first, start)), start);
        }

        // The loads of both tensors are issued together.
        let x_0 = load_x(at_of(first, column_0));
        var grad_0 = Pack(0.0);
        if EARLY {
            grad_0 = masked(row_gradient(x_0, affine[0u], at_of(first, column_0)), mask_0);
        }
        let x_1 = load_x(at_of(first, column_1));
        var grad_1 = Pack(0.0);
        if EARLY {
            grad_1 = masked(row_gradient(x_1, affine[1u], at_of(first, column_1)), mask_1);
        }
        let x_2 = load_x(at_of(first, column_2));
        var grad_2 = Pack(0.0);
        if EARLY {
            grad_2 = masked(row_gradient(x_2, affine[2u], at_of(first, column_2)), mask_2);
        }
        let x_3 = load_x(at_of(first, column_3));
        var grad_3 = Pack(0.0);
        if EARLY {
            grad_3 = masked(row_gradient(x_3, affine[3u], at_of(first, column_3)), mask_3);
        }
        var shares = Pack(0.0);
        shares += masked((x_0 - shift) * share, mask_0);
        shares += masked((x_1 - shift) * share, mask_1);
        shares += masked((x_2 - shift) * share, mask_2);
        shares += masked((x_3 - shift) * share, mask_3);
        var mean = 0.0;
        if CENTERED {
            mean = rounded(shift + team_sum(pack_sum(shares), team), first_inside(x_0, column_0));
        }

        var d_sum = Pack(0.0);
        var measure_sum = Pack(0.0);
        var down_sum = Pack(0.0);
        var up_sum = Pack(0.0);
        var g_sum = Pack(0.0);
        var gd_sum = Pack(0.0);
        var d_0 = masked(x_0 - mean, mask_0);
        d_sum += d_0;
        measure_sum += measure(d_0);
        if SCALED {
            down_sum += measure(d_0 * DOWN);
            up_sum += measure(d_0 * UP);
        }
        if EARLY {
            if !SHARED {
                affine[0u] = affine_at(row_affine_index(params.first + row, column_0));
            }
            let g = apply_weight(grad_0, affine[0u].weight);
            g_sum += g;
            gd_sum += g * d_0;
        }
        var d_1 = masked(x_1 - mean, mask_1);
        d_sum += d_1;
        measure_sum += measure(d_1);
        if SCALED {
            down_sum += measure(d_1 * DOWN);
            up_sum += measure(d_1 * UP);
        }
        if EARLY {
            if !SHARED {
                affine[1u] = affine_at(row_affine_index(params.first + row, column_1));
            }
            let g = apply_weight(grad_1, affine[1u].weight);
            g_sum += g;
            gd_sum += g * d_1;
        }
        var d_2 = masked(x_2 - mean, mask_2);
        d_sum += d_2;
        measure_sum += measure(d_2);
        if SCALED {
            down_sum += measure(d_2 * DOWN);
            up_sum += measure(d_2 * UP);
        }
        if EARLY {
            if !SHARED {
                affine[2u] = affine_at(row_affine_index(params.first + row, column_2));
            }
            let g = apply_weight(grad_2, affine[2u].weight);
            g_sum += g;
            gd_sum += g * d_2;
        }
        var d_3 = masked(x_3 - mean, mask_3);
        d_sum += d_3;
        measure_sum += measure(d_3);
        if SCALED {
            down_sum += measure(d_3 * DOWN);
            up_sum += measure(d_3 * UP);
        }
        if EARLY {
            if !SHARED {
                affine[3u] = affine_at(row_affine_index(params.first + row, column_3));
            }
            let g = apply_weight(grad_3, affine[3u].weight);
            g_sum += g;
            gd_sum += g * d_3;
        }
        var sums = vec4<f32>(pack_sum(d_sum), pack_sum(measure_sum), pack_sum(g_sum), pack_sum(gd_sum));
        var measured = vec3<f32>();
        if SCALED {
            measured = team_sum4(vec4<f32>(pack_sum(down_sum), sums.y, pack_sum(up_sum), 0.0), team).xyz;
        } else {
            if EARLY {
                sums = team_sum4(sums, team);
            } else {
                sums = vec4<f32>(team_sum2(sums.xy, team), 0.0, 0.0);
            }
            measured.y = sums.y;
        }
        let correction = select(0.0, sums.x / len, CENTERED);
        let scale = scale_of(measured);
        let rstd = rstd_of(at_scale(measured, scale) / len - correction * correction, len, scale);

        let y_0 = (d_0 - correction) * scale * rstd;
        if !SHARED && !EARLY {
            affine[0u] = affine_at(row_affine_index(params.first + row, column_0));
        }
        if LATE {
            grad_0 = masked(row_gradient(y_0, affine[0u], at_of(first, column_0)), mask_0);
            let g = apply_weight(grad_0, affine[0u].weight);
            g_sum += g;
            gd_sum += g * (d_0 * scale);
        }
        if SUMS && !SUMS_BRANCH {
            grad_sum[0u] += select(Pack(0.0), grad_0, has_row);
            grad_y_sum[0u] += select(Pack(0.0), grad_0 * y_0, has_row);
        }
        let y_1 = (d_1 - correction) * scale * rstd;
        if !SHARED && !EARLY {
            affine[1u] = affine_at(row_affine_index(params.first + row, column_1));
        }
        if LATE {
            grad_1 = masked(row_gradient(y_1, affine[1u], at_of(first, column_1)), mask_1);
            let g = apply_weight(grad_1, affine[1u].weight);
            g_sum += g;
            gd_sum += g * (d_1 * scale);
        }
        if SUMS && !SUMS_BRANCH {
            grad_sum[1u] += select(Pack(0.0), grad_1, has_row);
            grad_y_sum[1u] += select(Pack(0.0), grad_1 * y_1, has_row);
        }
        let y_2 = (d_2 - correction) * scale * rstd;
        if !SHARED && !EARLY {
            affine[2u] = affine_at(row_affine_index(params.first + row, column_2));
        }
        if LATE {
            grad_2 = masked(row_gradient(y_2, affine[2u], at_of(first, column_2)), mask_2);
            let g = apply_weight(grad_2, affine[2u].weight);
            g_sum += g;
            gd_sum += g * (d_2 * scale);
        }
        if SUMS && !SUMS_BRANCH {
            grad_sum[2u] += select(Pack(0.0), grad_2, has_row);
            grad_y_sum[2u] += select(Pack(0.0), grad_2 * y_2, has_row);
        }
        let y_3 = (d_3 - correction) * scale * rstd;
        if !SHARED && !EARLY {
            affine[3u] = affine_at(row_affine_index(params.first + row, column_3));
        }
        if LATE {
            grad_3 = masked(row_gradient(y_3, affine[3u], at_of(first, column_3)), mask_3);
            let g = apply_weight(grad_3, affine[3u].weight);
            g_sum += g;
            gd_sum += g * (d_3 * scale);
        }
        if SUMS && !SUMS_BRANCH {
            grad_sum[3u] += select(Pack(0.0), grad_3, has_row);
            grad_y_sum[3u] += select(Pack(0.0), grad_3 * y_3, has_row);
        }
        // The two coefficients of the gradient through the statistics: the mean of g, and the factor of y.
        var coefficients = vec2<f32>();
        if BACKWARD {
            if LATE {
                sums = vec4<f32>(sums.xy, team_sum2(vec2<f32>(pack_sum(g_sum), pack_sum(gd_sum)), team));
            }
            let gy_sum = (sums.w - correction * sums.z) * rstd;
            coefficients = vec2<f32>(select(0.0, sums.z / len, CENTERED), gy_sum * product_share(len, rstd, scale));
        }

        // A second norm, of the output. It has no mean.
        var next_rstd = 0.0;
        if NEXT {
            var power = Pack(0.0);
            d_0 = masked(output_of(y_0, affine[0u], at_of(first, column_0)), mask_0);
            power += measure(d_0);
            d_1 = masked(output_of(y_1, affine[1u], at_of(first, column_1)), mask_1);
            power += measure(d_1);
            d_2 = masked(output_of(y_2, affine[2u], at_of(first, column_2)), mask_2);
            power += measure(d_2);
            d_3 = masked(output_of(y_3, affine[3u], at_of(first, column_3)), mask_3);
            power += measure(d_3);
            next_rstd = rstd_of(team_sum(pack_sum(power), team) / len, len, 1.0);
        }

        // An output in int8. `finish` has no output then, and stores the sum of input and residual.
        if QUANTIZED {
            var peak: array<i32, BLOCK>;
            var factor: array<f32, BLOCK>;
            d_0 = output_of(y_0, affine[0u], at_of(first, column_0));
            let own_0 = select(0, pack_peak(d_0), is_in_row_0);
            peak[0u / QUANTIZED_PACKS] = max(peak[0u / QUANTIZED_PACKS], own_0);
            d_1 = output_of(y_1, affine[1u], at_of(first, column_1));
            let own_1 = select(0, pack_peak(d_1), is_in_row_1);
            peak[1u / QUANTIZED_PACKS] = max(peak[1u / QUANTIZED_PACKS], own_1);
            d_2 = output_of(y_2, affine[2u], at_of(first, column_2));
            let own_2 = select(0, pack_peak(d_2), is_in_row_2);
            peak[2u / QUANTIZED_PACKS] = max(peak[2u / QUANTIZED_PACKS], own_2);
            d_3 = output_of(y_3, affine[3u], at_of(first, column_3));
            let own_3 = select(0, pack_peak(d_3), is_in_row_3);
            peak[3u / QUANTIZED_PACKS] = max(peak[3u / QUANTIZED_PACKS], own_3);
            if 0u % QUANTIZED_PACKS == 0u {
                let largest = peak_of_block(peak[0u / QUANTIZED_PACKS], team);
                factor[0u / QUANTIZED_PACKS] = quantized_factor(largest);
                if has_row && is_in_row_0 {
                    put_quantized_scale(params.first + row, column_0, team.lane, largest);
                }
            }
            if 1u % QUANTIZED_PACKS == 0u {
                let largest = peak_of_block(peak[1u / QUANTIZED_PACKS], team);
                factor[1u / QUANTIZED_PACKS] = quantized_factor(largest);
                if has_row && is_in_row_1 {
                    put_quantized_scale(params.first + row, column_1, team.lane, largest);
                }
            }
            if 2u % QUANTIZED_PACKS == 0u {
                let largest = peak_of_block(peak[2u / QUANTIZED_PACKS], team);
                factor[2u / QUANTIZED_PACKS] = quantized_factor(largest);
                if has_row && is_in_row_2 {
                    put_quantized_scale(params.first + row, column_2, team.lane, largest);
                }
            }
            if 3u % QUANTIZED_PACKS == 0u {
                let largest = peak_of_block(peak[3u / QUANTIZED_PACKS], team);
                factor[3u / QUANTIZED_PACKS] = quantized_factor(largest);
                if has_row && is_in_row_3 {
                    put_quantized_scale(params.first + row, column_3, team.lane, largest);
                }
            }
            if has_row {
                if is_in_row_0 {
                    put_quantized(params.first + row, column_0, 0u, d_0, factor[0u / QUANTIZED_PACKS]);
                }
                if is_in_row_1 {
                    put_quantized(params.first + row, column_1, 1u, d_1, factor[1u / QUANTIZED_PACKS]);
                }
                if is_in_row_2 {
                    put_quantized(params.first + row, column_2, 2u, d_2, factor[2u / QUANTIZED_PACKS]);
                }
                if is_in_row_3 {
                    put_quantized(params.first + row, column_3, 3u, d_3, factor[3u / QUANTIZED_PACKS]);
                }
            }
        }

        if has_row {
            // In order of k: of two packs that are stored as a pair, the second one stores both. See `vec4x2`.
            if is_in_row_0 {
                if SUMS && SUMS_BRANCH {
                    grad_sum[0u] += grad_0;
                    grad_y_sum[0u] += grad_0 * y_0;
                }
                let g = apply_weight(grad_0, affine[0u].weight);
                if NEXT {
                    if !SHARED {
                        next[0u] = next_weight_at(row_affine_index(params.first + row, column_0));
                    }
                    finish_both(at_of(first, column_0), x_0, d_0, d_0 * next_rstd, next[0u]);
                } else {
                    finish(
                        at_of(first, column_0),
                        affine[0u],
                        x_0,
                        y_0,
                        (g - coefficients.x - measure_derivative(y_0) * coefficients.y) * rstd * scale,
                    );
                }
            }
            if is_in_row_1 {
                if SUMS && SUMS_BRANCH {
                    grad_sum[1u] += grad_1;
                    grad_y_sum[1u] += grad_1 * y_1;
                }
                let g = apply_weight(grad_1, affine[1u].weight);
                if NEXT {
                    if !SHARED {
                        next[1u] = next_weight_at(row_affine_index(params.first + row, column_1));
                    }
                    finish_both(at_of(first, column_1), x_1, d_1, d_1 * next_rstd, next[1u]);
                } else {
                    finish(
                        at_of(first, column_1),
                        affine[1u],
                        x_1,
                        y_1,
                        (g - coefficients.x - measure_derivative(y_1) * coefficients.y) * rstd * scale,
                    );
                }
            }
            if is_in_row_2 {
                if SUMS && SUMS_BRANCH {
                    grad_sum[2u] += grad_2;
                    grad_y_sum[2u] += grad_2 * y_2;
                }
                let g = apply_weight(grad_2, affine[2u].weight);
                if NEXT {
                    if !SHARED {
                        next[2u] = next_weight_at(row_affine_index(params.first + row, column_2));
                    }
                    finish_both(at_of(first, column_2), x_2, d_2, d_2 * next_rstd, next[2u]);
                } else {
                    finish(
                        at_of(first, column_2),
                        affine[2u],
                        x_2,
                        y_2,
                        (g - coefficients.x - measure_derivative(y_2) * coefficients.y) * rstd * scale,
                    );
                }
            }
            if is_in_row_3 {
                if SUMS && SUMS_BRANCH {
                    grad_sum[3u] += grad_3;
                    grad_y_sum[3u] += grad_3 * y_3;
                }
                let g = apply_weight(grad_3, affine[3u].weight);
                if NEXT {
                    if !SHARED {
                        next[3u] = next_weight_at(row_affine_index(params.first + row, column_3));
                    }
                    finish_both(at_of(first, column_3), x_3, d_3, d_3 * next_rstd, next[3u]);
                } else {
                    finish(
                        at_of(first, column_3),
                        affine[3u],
                        x_3,
                        y_3,
                        (g - coefficients.x - measure_derivative(y_3) * coefficients.y) * rstd * scale,
                    );
                }
            }
            if team.lane == 0u {
                save(params.first + row, mean, correction, rstd, scale);
            }
        }
    }

    if SUMS && team.index < params.teams {
        if in_row(0u, team) {
            // [teams, columns]
            let to = params.first_partial + team.index * params.elements;
            put_partial_sums(to, column_of(0u, team), grad_sum[0u], grad_y_sum[0u]);
        }
        if in_row(1u, team) {
            // [teams, columns]
            let to = params.first_partial + team.index * params.elements;
            put_partial_sums(to, column_of(1u, team), grad_sum[1u], grad_y_sum[1u]);
        }
        if in_row(2u, team) {
            // [teams, columns]
            let to = params.first_partial + team.index * params.elements;
            put_partial_sums(to, column_of(2u, team), grad_sum[2u], grad_y_sum[2u]);
        }
        if in_row(3u, team) {
            // [teams, columns]
            let to = params.first_partial + team.index * params.elements;
            put_partial_sums(to, column_of(3u, team), grad_sum[3u], grad_y_sum[3u]);
        }
    }
}
