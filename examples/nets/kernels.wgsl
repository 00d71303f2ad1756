// What a network needs besides its norms. Matrices are of f32, row by row.

struct State {
    // The step of this pass over the data, and how many steps were before the pass.
    step: u32,
    before: u32,
    // Sums over the cases of this pass.
    loss: f32,
    hits: u32,
}

@group(0) @binding(1) var<storage> left: array<f32>;
@group(0) @binding(2) var<storage> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: State;
// Cases of `case_len` numbers, the last of which is the target.
@group(0) @binding(6) var<storage> data: array<f32>;
// The cases of this pass, in their order.
@group(0) @binding(7) var<storage> order: array<u32>;

// result = left * right, or result += left * right. An element lies at row * rows.. + column * columns.., so that a
// matrix is transposed by its strides.
struct Product {
    rows: u32,
    inner: u32,
    columns: u32,
    accumulate: u32,
    left_row: u32,
    left_inner: u32,
    right_inner: u32,
    right_column: u32,
}
@group(0) @binding(0) var<uniform> product_sizes: Product;

// A tile of 8 rows and 32 columns for each workgroup, of 4 and 4 for each invocation, in registers.
@compute @workgroup_size(8, 2)
fn product(@builtin(global_invocation_id) id: vec3<u32>) {
    let sizes = product_sizes;
    let first_row = id.y * 4u;
    let first_column = id.x * 4u;
    // Past the end: what is there twice is computed twice, and not stored.
    let rows = min(first_row + vec4(0u, 1u, 2u, 3u), vec4(sizes.rows - 1u)) * sizes.left_row;
    let columns = min(first_column + vec4(0u, 1u, 2u, 3u), vec4(sizes.columns - 1u)) * sizes.right_column;
    var sums = mat4x4<f32>();
    for (var i = 0u; i < sizes.inner; i++) {
        let l = rows + i * sizes.left_inner;
        let r = columns + i * sizes.right_inner;
        let of_rows = vec4(left[l.x], left[l.y], left[l.z], left[l.w]);
        let of_columns = vec4(right[r.x], right[r.y], right[r.z], right[r.w]);
        sums += mat4x4(of_columns * of_rows.x, of_columns * of_rows.y, of_columns * of_rows.z, of_columns * of_rows.w);
    }
    store(first_row, first_column, sums[0]);
    store(first_row + 1u, first_column, sums[1]);
    store(first_row + 2u, first_column, sums[2]);
    store(first_row + 3u, first_column, sums[3]);
}

fn store(row: u32, first_column: u32, sums: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        let column = first_column + i;
        if row < product_sizes.rows && column < product_sizes.columns {
            let at = row * product_sizes.columns + column;
            result[at] = select(sums[i], sums[i] + result[at], product_sizes.accumulate != 0u);
        }
    }
}

// The cases of this step: result[time][case][input].
struct Gather {
    cases: u32,
    times: u32,
    inputs: u32,
    unused: u32,
}
@group(0) @binding(0) var<uniform> gather_sizes: Gather;

@compute @workgroup_size(64)
fn gather(@builtin(global_invocation_id) id: vec3<u32>) {
    let sizes = gather_sizes;
    if id.x >= sizes.times * sizes.cases * sizes.inputs { return; }
    let input = id.x % sizes.inputs;
    let case_ = id.x / sizes.inputs % sizes.cases;
    let time = id.x / sizes.inputs / sizes.cases;
    let case_len = sizes.times * sizes.inputs + 1u;
    result[id.x] = data[order[state.step * sizes.cases + case_] * case_len + time * sizes.inputs + input];
}

// The mean loss of a batch and its gradient. left: what the last layer gives, right: its bias, result: the gradient.
// One workgroup; it ends the step.
struct Loss {
    cases: u32,
    outputs: u32,
    case_len: u32,
    unused: u32,
}
@group(0) @binding(0) var<uniform> loss_sizes: Loss;

const LANES = 64u;
var<workgroup> losses: array<f32, LANES>;
var<workgroup> hits: array<u32, LANES>;

// Softmax and cross entropy. A hit: the largest output is the target's.
@compute @workgroup_size(LANES)
fn cross_entropy(@builtin(local_invocation_index) lane: u32) {
    let sizes = loss_sizes;
    for (var row = lane; row < sizes.cases; row += LANES) {
        let label = u32(target_of(row));
        let begin = row * sizes.outputs;
        var top = left[begin] + right[0];
        var best = 0u;
        for (var i = 1u; i < sizes.outputs; i++) {
            let u = left[begin + i] + right[i];
            if u > top {
                top = u;
                best = i;
            }
        }
        var sum = 0.0;
        for (var i = 0u; i < sizes.outputs; i++) { sum += exp(left[begin + i] + right[i] - top); }
        for (var i = 0u; i < sizes.outputs; i++) {
            let probability = exp(left[begin + i] + right[i] - top) / sum;
            result[begin + i] = (probability - f32(i == label)) / f32(sizes.cases);
        }
        losses[lane] += top + log(sum) - left[begin + label] - right[label];
        hits[lane] += u32(best == label);
    }
    end_step(lane);
}

// Squares of one output. A hit: it is off by less than 0.04, as the adding problem counts.
@compute @workgroup_size(LANES)
fn squared_error(@builtin(local_invocation_index) lane: u32) {
    let sizes = loss_sizes;
    for (var row = lane; row < sizes.cases; row += LANES) {
        let error = left[row] + right[0] - target_of(row);
        result[row] = 2.0 * error / f32(sizes.cases);
        losses[lane] += error * error;
        hits[lane] += u32(abs(error) < 0.04);
    }
    end_step(lane);
}

fn target_of(row: u32) -> f32 {
    return data[(order[state.step * loss_sizes.cases + row] + 1u) * loss_sizes.case_len - 1u];
}

fn end_step(lane: u32) {
    workgroupBarrier();
    if lane == 0u {
        for (var i = 0u; i < LANES; i++) {
            state.loss += losses[i];
            state.hits += hits[i];
        }
        state.step += 1u;
    }
}

// result: the sum of the rows of left. An invocation for each column.
struct Rows {
    elements: u32,
    columns: u32,
}
@group(0) @binding(0) var<uniform> rows_sizes: Rows;

@compute @workgroup_size(64)
fn column_sums(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= rows_sizes.columns { return; }
    var sum = 0.0;
    for (var i = id.x; i < rows_sizes.elements; i += rows_sizes.columns) { sum += left[i]; }
    result[id.x] = sum;
}

// Adam (Kingma, Ba 2014). left: the gradients, result: the parameters, second: both moments of each.
struct Adam {
    rate: f32,
    parameters: u32,
}
@group(0) @binding(0) var<uniform> adam_sizes: Adam;

@compute @workgroup_size(64)
fn adam(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= adam_sizes.parameters { return; }
    // The loss has counted this step.
    let step = f32(state.before + state.step);
    let gradient = left[i];
    let mean = mix(gradient, second[2u * i], 0.9);
    let square = mix(gradient * gradient, second[2u * i + 1u], 0.999);
    second[2u * i] = mean;
    second[2u * i + 1u] = square;
    result[i] -= adam_sizes.rate * (mean / (1.0 - pow(0.9, step))) / (sqrt(square / (1.0 - pow(0.999, step))) + 1e-8);
}
