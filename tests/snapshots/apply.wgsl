// Batch norm, third pass: elements are normalized.
// shaders/kernels/apply.wgsl, workgroups of 64:
//
// Normalizes elements one by one, or computes their gradients, with statistics that are already there: batch norm
// inference, and the second pass where several teams reduce a group.
//
// The tensor is [blocks, steps, packs]. A lane walks over the steps of a block, which are rows or the columns of one
// row, and loads once what the steps share.

// ==== roles/numbers.wgsl

alias Pack = vec4<f32>;

alias Real = vec4<f32>;

alias Bits = vec4<u32>;

fn bits_of(v: Real) -> Bits {
    return bitcast<vec4<u32>>(v);
}

fn real_of(bits: Bits) -> Real {
    return bitcast<vec4<f32>>(bits);
}

// The compiler does not know that params.zero is 0.
fn opaque(v: Real) -> Real {
    return real_of(bits_of(v) ^ Bits(params.zero));
}

// ==== roles/positions.wgsl

alias Column = u32;

alias At = u32;

fn step_at(block: u32, step: u32, column: u32) -> At {
    return (block * params.steps + step) * params.packs + column;
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

// ==== roles/tables.wgsl

alias Stat = f32;

alias StatAt = u32;

fn stat_column(column: Column) -> StatAt {
    return 0u;
}

alias AffineValue = f32;

alias AffineAt = u32;

fn affine_column(column: Column) -> AffineAt {
    return 0u;
}

// ==== roles/lookups.wgsl

// Kernels step it along, which saves a division for each element.
struct RowIndex {
    quotient: u32,
    remainder: u32,
}

fn row_index(row: u32, rows: u32) -> RowIndex {
    return RowIndex(row / rows, row % rows);
}

fn advance(row: RowIndex, by: RowIndex, rows: u32) -> RowIndex {
    let quotient = row.quotient + by.quotient;
    let remainder = row.remainder + by.remainder;
    let carry = remainder >= rows;
    return RowIndex(select(quotient, quotient + 1u, carry), select(remainder, remainder - rows, carry));
}

fn stat_index(row: RowIndex, column: Column) -> StatAt {
    return row.quotient * params.stat_quotient + row.remainder * params.stat_remainder + stat_column(column);
}

fn affine_index(row: RowIndex, column: Column) -> AffineAt {
    return row.quotient * params.affine_quotient + row.remainder * params.affine_remainder + affine_column(column);
}

struct Statistics {
    hi: Stat,
    lo: Stat,
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics {
    let lo = load_statistics(params.stats_stride + i);
    return Statistics(load_statistics(i), lo, load_statistics(2u * params.stats_stride + i));
}

// x - hi comes first and stays on its own: f32 cannot hold hi + lo of data with a large offset.
fn normalize(x: Pack, statistics: Statistics) -> Pack {
    return (opaque(x - statistics.hi) - statistics.lo) * statistics.rstd;
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

// ==== roles/elements.wgsl

struct Table {
    statistics: Statistics,
}

struct Element {
    x: Pack,
    y: Pack,
}

fn table_at(i: StatAt) -> Table {
    return Table(statistics_at(i));
}

fn load_element(at: At, table: Table, affine: Affine) -> Element {
    let x = load_x(at);
    return Element(x, normalize(x, table.statistics));
}

fn store_element(element: Element, at: At, table: Table, affine: Affine) {
    store_sum(at, element.x);
    store_result(at, activate(apply_after(apply_bias(apply_weight(element.y, affine.weight), affine.bias), at)));
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 64u;

const BLOCK: u32 = 4u;

const STATS_FIXED: bool = true;

const AFFINE_FIXED: bool = true;

// ==== tensors.wgsl

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;

fn load_input(i: u32) -> vec4<f32> {
    return input[i];
}

@group(0) @binding(4) var<storage, read> weight: array<f32>;

fn load_weight(i: u32) -> f32 {
    return weight[i];
}

@group(0) @binding(5) var<storage, read> bias: array<f32>;

fn load_bias(i: u32) -> f32 {
    return bias[i];
}

@group(0) @binding(6) var<storage, read_write> output: array<vec4<f32>>;

fn store_output(i: u32, v: vec4<f32>) {
    output[i] = v;
}

@group(0) @binding(22) var<storage, read> statistics: array<f32>;

fn load_statistics(i: u32) -> f32 {
    return statistics[i];
}

// ==== kernels/apply.wgsl

struct Params {
    blocks: u32,
    steps: u32, // of a block
    packs: u32, // of a step
    splits: u32, // lanes that share the steps of a block
    first_row: u32, // row of the lookups of the first block
    block_rows: u32, // rows of the lookups from one block to the next
    step_rows: u32, // and from one step to the next
    column_step: u32, // columns of the lookups from one step to the next
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` and of `coefficients` to the next
    stat_rows: u32, // see RowIndex
    stat_quotient: u32,
    stat_remainder: u32,
    stat_run: u32, // packs that share a statistic
    affine_rows: u32,
    affine_quotient: u32,
    affine_remainder: u32,
    affine_run: u32, // packs that share a weight
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let lane = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    // Neighbouring lanes have neighbouring packs, of one row or of rows that follow each other.
    let column = lane % params.packs;
    let split = lane / params.packs % params.splits;
    let block = lane / params.packs / params.splits;
    if block >= params.blocks {
        return;
    }

    let row = params.first_row + block * params.block_rows + split * params.step_rows;
    var stat_row = row_index(row, params.stat_rows);
    var affine_row = row_index(row, params.affine_rows);
    let stat_step = row_index(params.splits * params.step_rows, params.stat_rows);
    let affine_step = row_index(params.splits * params.step_rows, params.affine_rows);
    let fixed_table = table_at(stat_index(stat_row, column + split * params.column_step));
    let fixed_affine = affine_at(affine_index(affine_row, column + split * params.column_step));

    for (var first_step = split; first_step < params.steps; first_step += params.splits * BLOCK) {
        let step_0 = first_step + 0u * params.splits;
        let live_0 = step_0 < params.steps;
        let safe_0 = select(first_step, step_0, live_0);
        let at_0 = step_at(block, safe_0, column);
        let step_column_0 = column + safe_0 * params.column_step;
        var table_0 = fixed_table;
        if !STATS_FIXED {
            table_0 = table_at(select(StatAt(0u), stat_index(stat_row, step_column_0), live_0));
            stat_row = advance(stat_row, stat_step, params.stat_rows);
        }
        var affine_0 = fixed_affine;
        if !AFFINE_FIXED {
            affine_0 = affine_at(select(AffineAt(0u), affine_index(affine_row, step_column_0), live_0));
            affine_row = advance(affine_row, affine_step, params.affine_rows);
        }
        let element_0 = load_element(at_0, table_0, affine_0);
        let step_1 = first_step + 1u * params.splits;
        let live_1 = step_1 < params.steps;
        let safe_1 = select(first_step, step_1, live_1);
        let at_1 = step_at(block, safe_1, column);
        let step_column_1 = column + safe_1 * params.column_step;
        var table_1 = fixed_table;
        if !STATS_FIXED {
            table_1 = table_at(select(StatAt(0u), stat_index(stat_row, step_column_1), live_1));
            stat_row = advance(stat_row, stat_step, params.stat_rows);
        }
        var affine_1 = fixed_affine;
        if !AFFINE_FIXED {
            affine_1 = affine_at(select(AffineAt(0u), affine_index(affine_row, step_column_1), live_1));
            affine_row = advance(affine_row, affine_step, params.affine_rows);
        }
        let element_1 = load_element(at_1, table_1, affine_1);
        let step_2 = first_step + 2u * params.splits;
        let live_2 = step_2 < params.steps;
        let safe_2 = select(first_step, step_2, live_2);
        let at_2 = step_at(block, safe_2, column);
        let step_column_2 = column + safe_2 * params.column_step;
        var table_2 = fixed_table;
        if !STATS_FIXED {
            table_2 = table_at(select(StatAt(0u), stat_index(stat_row, step_column_2), live_2));
            stat_row = advance(stat_row, stat_step, params.stat_rows);
        }
        var affine_2 = fixed_affine;
        if !AFFINE_FIXED {
            affine_2 = affine_at(select(AffineAt(0u), affine_index(affine_row, step_column_2), live_2));
            affine_row = advance(affine_row, affine_step, params.affine_rows);
        }
        let element_2 = load_element(at_2, table_2, affine_2);
        let step_3 = first_step + 3u * params.splits;
        let live_3 = step_3 < params.steps;
        let safe_3 = select(first_step, step_3, live_3);
        let at_3 = step_at(block, safe_3, column);
        let step_column_3 = column + safe_3 * params.column_step;
        var table_3 = fixed_table;
        if !STATS_FIXED {
            table_3 = table_at(select(StatAt(0u), stat_index(stat_row, step_column_3), live_3));
            stat_row = advance(stat_row, stat_step, params.stat_rows);
        }
        var affine_3 = fixed_affine;
        if !AFFINE_FIXED {
            affine_3 = affine_at(select(AffineAt(0u), affine_index(affine_row, step_column_3), live_3));
            affine_row = advance(affine_row, affine_step, params.affine_rows);
        }
        let element_3 = load_element(at_3, table_3, affine_3);
        if live_0 {
            store_element(element_0, at_0, table_0, affine_0);
        }
        if live_1 {
            store_element(element_1, at_1, table_1, affine_1);
        }
        if live_2 {
            store_element(element_2, at_2, table_2, affine_2);
        }
        if live_3 {
            store_element(element_3, at_3, table_3, affine_3);
        }
    }
}
