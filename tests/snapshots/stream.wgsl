// Layer norm of [64, 8192]: rows are read for each sum.
// shaders/kernels/stream.wgsl, workgroups of 256:
//
// The ops of row.wgsl on rows that do not fit in registers. A team reads BLOCK rows at once, and again for each further
// sum and for the result, while the cache has them.
//
// All rows of a block use a weight that was loaded once, and add to the same sum of a column. If a pack has an element
// of each of four rows, a row stands for the four.
//
// Numerics: as in row.wgsl, but the first mean is that of the first eighth of the row (SAMPLE). The square of the mean
// of the deviations from it is at most 7 times the variance, so its subtraction loses little. A lane first adds the
// elements of a pack, if they are of one row, then CHUNK packs, then chunks as hi + lo: a lane may have many packs.
//
// Uniformity: no return, and no branch around team sums but on constants. A row past the last one is the last one
// again, and is not written.

// ==== roles/numbers.wgsl

alias Pack = vec4<f32>;

const PACK: u32 = 4u;

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

struct Pair {
    hi: Real,
    lo: Real,
}

fn two_sum(a: Real, b: Real) -> Pair {
    let hi = opaque(a + b);
    let b_part = opaque(hi - a);
    let a_part = opaque(hi - b_part);
    return Pair(hi, (a - a_part) + (b - b_part));
}

// The rounding error of an infinite sum is a NaN.
fn total_of(sum: Pair) -> Real {
    return select(sum.hi + sum.lo, sum.hi, abs(sum.hi) > Real(3e38));
}

alias Real = f32;

alias Bits = u32;

fn bits_of(v: Real) -> Bits {
    return bitcast<u32>(v);
}

fn real_of(bits: Bits) -> Real {
    return bitcast<f32>(bits);
}

// The compiler does not know that params.zero is 0.
fn opaque(v: Real) -> Real {
    return real_of(bits_of(v) ^ Bits(params.zero));
}

// ==== roles/positions.wgsl

alias Column = u32;

fn column_at(pack: u32) -> Column {
    return pack;
}

fn number_of(column: Column) -> u32 {
    return column;
}

fn elements_of(packs: u32) -> f32 {
    return f32(packs * PACK);
}

alias At = u32;

alias First = u32;

fn first_of(row: u32, stride: u32) -> First {
    return row * stride;
}

fn at_of(first: First, column: Column) -> At {
    return first + column;
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

const QUANTIZED_STEP: u32 = 1u;

fn peak_of_block(peak: i32, team: Team) -> i32 {
    return peak;
}

fn quantized_factor(peak: i32) -> f32 {
    return 0.0;
}

fn put_quantized(row: u32, column: Column, k: u32, u: Pack, factor: f32) {
}

fn put_sum(at: At, x: Pack) {
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

fn store_sum_early(at: At, x: Pack) {
}

fn load_x_again(at: At) -> Pack {
    return load_x(at);
}

const EARLY_OUTPUT: bool = false;

fn store_result_early(at: At, output: Pack) {
}

fn output_again(y: Pack, affine: Affine, at: At) -> Pack {
    return output_of(y, affine, at);
}

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

alias Sum = f32;

struct Sums {
    a: Sum,
    b: Sum,
}

fn first_of_rows(v: Pack) -> Sum {
    return pack_first(v);
}

fn sum_of(v: Pack) -> Sum {
    return pack_sum(v);
}

fn row_sum(v: Sum, team: Team) -> Sum {
    return team_sum(v, team);
}

fn row_sums(v: Sums, team: Team) -> Sums {
    let sums = team_sum2(vec2<f32>(v.a, v.b), team);
    return Sums(sums.x, sums.y);
}

fn scales_of(down: Sum, unit: Sum, up: Sum) -> Sum {
    return scale_of(vec3<f32>(down, unit, up));
}

fn at_scales(down: Sum, unit: Sum, up: Sum, scale: Sum) -> Sum {
    return at_scale(vec3<f32>(down, unit, up), scale);
}

fn rstds_of(power: Sum, count: f32, scale: Sum) -> Sum {
    return rstd_of(power, count, scale);
}

fn product_shares(count: f32, rstd: Sum, scale: Sum) -> Sum {
    return product_share(count, rstd, scale);
}

fn peak_of_output(peak: i32, rstd: Sum) -> i32 {
    return bitcast<i32>(bitcast<f32>(peak) * rstd);
}

fn save_rows(row: u32, hi: Sum, lo: Sum, rstd: Sum, scale: Sum) {
    save(params.first + row, hi, lo, rstd, scale);
}

const SUMS: bool = false;

fn add_partial_sums(first: u32, column: Column, g: Pack, gy: Pack, fresh: bool) {
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 256u;

const BLOCK: u32 = 1u;

const SHARED: bool = true;

const HALF_PRECISION: bool = false;

const WHOLE: bool = true;

const EARLY_PEAK: bool = false;

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

// ==== kernels/stream.wgsl

// Products with numbers near the ends of f32's range wait for their scale.
const LATE: bool = BACKWARD && (BACKWARD_NEEDS_Y || SCALED);

const EARLY: bool = BACKWARD && !LATE;

const CHUNK: u32 = 64u;

const SAMPLE: u32 = 8u;

// 2^-60 and 2^60 as bits. The factor rstd takes no peak between them out of the range of f32.
const LEAST_EARLY_PEAK: i32 = 0x21800000;

const MOST_EARLY_PEAK: i32 = 0x5d800000;

fn add_sum(sum: Pair, v: Sum) -> Pair {
    return two_sum(sum.hi, sum.lo + v);
}

fn run(team: Team) {
    let len = f32(params.elements);
    let packs = params.packs;
    let stride = CHUNK * team.lanes;
    let has_rows = team.index < params.teams;
    let first_index = first_row_of(team, BLOCK * params.rows_per_team);
    let first_row = row_of(min(first_index, params.rows - 1u));
    let start = column_at(0u);
    for (var round = 0u; round < params.rows_per_team; round += 1u) {
        let index_0 = first_index + (round * BLOCK + 0u) * params.row_step;
        // A constant saves a branch around the loads and stores of a row.
        let has_row_0 = select(index_0 < params.rows, true, WHOLE);
        let row_0 = row_of(min(index_0, params.rows - 1u));
        let first_0 = first_of(row_0, params.stride);
        let shift_0 = first_of_rows(load_x(at_of(first_0, start)));
        var shifted_sum_0 = Pair();
        // A mean of the first elements.
        let sample = (packs + SAMPLE - 1u) / SAMPLE;
        if CENTERED {
            for (var chunk = team.lane; chunk < sample; chunk += stride) {
                var sum_0 = Sum(0.0);
                let end = min(chunk + stride, sample);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    let x_0 = load_x(at_of(first_0, column));
                    sum_0 += sum_of(x_0 - shift_0);
                }
                shifted_sum_0 = add_sum(shifted_sum_0, sum_0);
            }
        }
        var mean_0 = Sum(0.0);
        if CENTERED {
            mean_0 = shift_0 + row_sum(total_of(shifted_sum_0), team) / elements_of(sample);
        }
        var d_sum_0 = Pair();
        var measure_sum_0 = Pair();
        var down_sum_0 = Pair();
        var up_sum_0 = Pair();
        var g_sum_0 = Pair();
        var gd_sum_0 = Pair();
        var early_peak_0 = 0;
        for (var chunk = team.lane; chunk < packs; chunk += stride) {
            var d_chunk_0 = Sum(0.0);
            var measure_chunk_0 = Sum(0.0);
            var down_chunk_0 = Sum(0.0);
            var up_chunk_0 = Sum(0.0);
            var g_chunk_0 = Sum(0.0);
            var gd_chunk_0 = Sum(0.0);
            let end = min(chunk + stride, packs);
            for (var pack = chunk; pack < end; pack += team.lanes) {
                let column = column_at(pack);
                var affine = Affine();
                if SHARED && (EARLY || EARLY_PEAK) {
                    affine = affine_at(row_affine_index(params.first + first_row, column));
                }
                let at_0 = at_of(first_0, column);
                let x_0 = load_x(at_0);
                if EARLY_SUM {
                    if has_rows && has_row_0 {
                        store_sum_early(at_0, x_0);
                    }
                }
                let d_0 = x_0 - mean_0;
                d_chunk_0 += sum_of(d_0);
                measure_chunk_0 += sum_of(measure(d_0));
                if SCALED {
                    down_chunk_0 += sum_of(measure(d_0 * DOWN));
                    up_chunk_0 += sum_of(measure(d_0 * UP));
                }
                if !SHARED && (EARLY || EARLY_PEAK) {
                    affine = affine_at(row_affine_index(params.first + row_0, column));
                }
                if EARLY_PEAK {
                    early_peak_0 = max(early_peak_0, pack_peak(output_of(d_0, affine, at_0)));
                }
                if EARLY {
                    let grad = row_gradient(d_0, affine, at_0);
                    let g = apply_weight(grad, affine.weight);
                    g_chunk_0 += sum_of(g);
                    gd_chunk_0 += sum_of(g * d_0);
                }
            }
            d_sum_0 = add_sum(d_sum_0, d_chunk_0);
            measure_sum_0 = add_sum(measure_sum_0, measure_chunk_0);
            if SCALED {
                down_sum_0 = add_sum(down_sum_0, down_chunk_0);
                up_sum_0 = add_sum(up_sum_0, up_chunk_0);
            }
            g_sum_0 = add_sum(g_sum_0, g_chunk_0);
            gd_sum_0 = add_sum(gd_sum_0, gd_chunk_0);
        }
        let moments_0 = row_sums(Sums(total_of(d_sum_0), total_of(measure_sum_0)), team);
        var ends_0 = Sums();
        if SCALED {
            ends_0 = row_sums(Sums(total_of(down_sum_0), total_of(up_sum_0)), team);
        }
        let correction_0 = select(Sum(0.0), moments_0.a / len, CENTERED);
        // Both overflow f32 together, and their difference would be a NaN.
        let square_0 = correction_0 * correction_0;
        let correction_square_0 = select(square_0, Sum(0.0), square_0 > Sum(3e38));
        let scale_0 = scales_of(ends_0.a, moments_0.b, ends_0.b);
        let measured_0 = at_scales(ends_0.a, moments_0.b, ends_0.b, scale_0);
        let rstd_0 = rstds_of(measured_0 / len - correction_square_0, len, scale_0);

        if LATE {
            for (var chunk = team.lane; chunk < packs; chunk += stride) {
                var g_chunk_0 = Sum(0.0);
                var gd_chunk_0 = Sum(0.0);
                let end = min(chunk + stride, packs);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    if !SHARED {
                        affine = affine_at(row_affine_index(params.first + row_0, column));
                    }
                    let at_0 = at_of(first_0, column);
                    let d_0 = load_x_again(at_0) - mean_0;
                    let y_0 = (d_0 - correction_0) * scale_0 * rstd_0;
                    let grad_0 = row_gradient(y_0, affine, at_0);
                    let g_0 = apply_weight(grad_0, affine.weight);
                    g_chunk_0 += sum_of(g_0);
                    gd_chunk_0 += sum_of(g_0 * (d_0 * scale_0));
                }
                g_sum_0 = add_sum(g_sum_0, g_chunk_0);
                gd_sum_0 = add_sum(gd_sum_0, gd_chunk_0);
            }
        }
        // The two coefficients of the gradient through the statistics: the mean of g, and the factor of y.
        var coefficients_0 = Sums();
        if BACKWARD {
            let sums = row_sums(Sums(total_of(g_sum_0), total_of(gd_sum_0)), team);
            let gy_sum = (sums.b - correction_0 * sums.a) * rstd_0;
            coefficients_0 = Sums(
                select(Sum(0.0), sums.a / len, CENTERED),
                gy_sum * product_shares(len, rstd_0, scale_0),
            );
        }

        // A second norm, of the output. It has no mean.
        var next_rstd_0 = Sum(0.0);
        if NEXT {
            measure_sum_0 = Pair();
            for (var chunk = team.lane; chunk < packs; chunk += stride) {
                var measure_chunk_0 = Sum(0.0);
                let end = min(chunk + stride, packs);
                for (var pack = chunk; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    if !SHARED {
                        affine = affine_at(row_affine_index(params.first + row_0, column));
                    }
                    let at_0 = at_of(first_0, column);
                    let y_0 = (load_x_again(at_0) - mean_0 - correction_0) * scale_0 * rstd_0;
                    let output_0 = output_of(y_0, affine, at_0);
                    if EARLY_OUTPUT {
                        if has_rows && has_row_0 {
                            store_result_early(at_0, output_0);
                        }
                    }
                    measure_chunk_0 += sum_of(measure(output_0));
                }
                measure_sum_0 = add_sum(measure_sum_0, measure_chunk_0);
            }
            next_rstd_0 = rstds_of(row_sum(total_of(measure_sum_0), team) / len, len, Sum(1.0));
        }

        // An output in int8: whole blocks of the row at a time. A lane with several packs of a block reads them again
        // before it overwrites them. The peak of an output that is d times a factor of its row was found with the sums.
        if QUANTIZED {
            let packs_of_lane = (packs + team.lanes - 1u) / team.lanes;
            let together = select(min(packs_of_lane, QUANTIZED_PACKS), 1u, QUANTIZED_PACKS == 1u);
            var searched = 0u;
            var is_found_0 = false;
            if EARLY_PEAK {
                early_peak_0 = peak_of_block(early_peak_0, team);
                is_found_0 = early_peak_0 >= LEAST_EARLY_PEAK && early_peak_0 < MOST_EARLY_PEAK;
            }
            searched = select(together, searched, is_found_0);
            for (var begin = 0u; begin < packs; begin += QUANTIZED_STEP) {
                var u_0 = Pack(0.0);
                var sum_0 = Pack(0.0);
                var peak_0 = select(0, peak_of_output(early_peak_0, rstd_0), is_found_0);
                // A lane loads its own packs alone: others may have stored theirs.
                let first_pack = begin + team.lane;
                let search_end = min(begin + searched * team.lanes, packs);
                for (var pack = first_pack; pack < search_end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    if !SHARED {
                        affine = affine_at(row_affine_index(params.first + row_0, column));
                    }
                    let at_0 = at_of(first_0, column);
                    sum_0 = load_x_again(at_0);
                    u_0 = output_of((sum_0 - mean_0 - correction_0) * scale_0 * rstd_0, affine, at_0);
                    peak_0 = select(max(peak_0, pack_peak(u_0)), peak_0, is_found_0);
                }
                peak_0 = peak_of_block(peak_0, team);
                let factor_0 = quantized_factor(peak_0);
                if has_rows && has_row_0 && first_pack < packs {
                    put_quantized_scale(params.first + row_0, column_at(first_pack), team.lane, peak_0);
                }
                let end = min(begin + together * team.lanes, packs);
                for (var pack = first_pack; pack < end; pack += team.lanes) {
                    let column = column_at(pack);
                    var affine = Affine();
                    if SHARED {
                        affine = affine_at(row_affine_index(params.first + first_row, column));
                    }
                    let at_0 = at_of(first_0, column);
                    if QUANTIZED_PACKS > 1u {
                        if !SHARED {
                            affine = affine_at(row_affine_index(params.first + row_0, column));
                        }
                        sum_0 = load_x_again(at_0);
                        u_0 = output_of((sum_0 - mean_0 - correction_0) * scale_0 * rstd_0, affine, at_0);
                    }
                    if has_rows && has_row_0 {
                        put_sum(at_0, sum_0);
                        put_quantized(params.first + row_0, column, 0u, u_0, factor_0);
                    }
                }
            }
        }

        let end = select(0u, packs, has_rows && !QUANTIZED);
        for (var pack = team.lane; pack < end; pack += team.lanes) {
            let column = column_at(pack);
            var affine = Affine();
            var next = NextWeight();
            if SHARED {
                let i = row_affine_index(params.first + first_row, column);
                affine = affine_at(i);
                if NEXT {
                    next = next_weight_at(i);
                }
            }
            var grad_sum = Pack(0.0);
            var grad_y_sum = Pack(0.0);
            if has_row_0 {
                if !SHARED {
                    affine = affine_at(row_affine_index(params.first + row_0, column));
                }
                let at = at_of(first_0, column);
                let x = load_x_again(at);
                let y = (x - mean_0 - correction_0) * scale_0 * rstd_0;
                let grad = row_gradient(y, affine, at);
                let g = apply_weight(grad, affine.weight);
                if NEXT {
                    if !SHARED {
                        next = next_weight_at(row_affine_index(params.first + row_0, column));
                    }
                    let output = output_again(y, affine, at);
                    finish_both(at, x, output, output * next_rstd_0, next);
                } else {
                    finish(
                        at,
                        affine,
                        x,
                        y,
                        (g - coefficients_0.a - measure_derivative(y) * coefficients_0.b) * rstd_0 * scale_0,
                    );
                }
                grad_sum += grad;
                grad_y_sum += grad * y;
            }
            if SUMS {
                // [teams, columns]
                let to = params.first_partial + team.index * params.elements;
                add_partial_sums(to, column, grad_sum, grad_y_sum, round == 0u);
            }
        }
        if has_rows && has_row_0 && team.lane == 0u {
            save_rows(row_0, mean_0, correction_0, rstd_0, scale_0);
        }
    }
}
