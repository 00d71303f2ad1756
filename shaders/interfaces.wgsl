// Stubs of the names that a shader file uses and does not declare, with what each of them promises.
//
// A role's variants have the names of its stubs with a suffix. With this file beside it, each kernel and variant is
// valid WGSL: src/wgsl/interfaces.rs validates them, and compares the signature of each variant with that of its stub.
// A type that variants choose, such as Pack, is one of their choices here. The test knows the others.
//
// x is what an op normalizes, y the normalized x. g is the gradient with respect to y, before the gradient through the
// statistics comes off. A pack is what a lane loads at once, a column the index of a pack in its row.

// == constants: made by src/wgsl and src/kernels

const WORKGROUP_SIZE: u32 = 64u; // invocations of a workgroup
const SUBGROUP_SIZE: u32 = 0u; // lanes of a subgroup, or 0 if subgroups may differ
const CLUSTER: u32 = 4u; // lanes of a team that is a part of a subgroup
// Iterations of a loop that is marked `// unroll`. The composer repeats the body, with scalars in place of marked
// arrays: some Vulkan drivers keep a local array in memory, not in registers, if a loop indexes it.
const BLOCK: u32 = 4u;
const FULL: u32 = 1u; // packs of each lane that are in the row for certain, the first ones
const WHOLE: bool = false; // every block has BLOCK rows
const EARLY_PEAK: bool = false; // the peak of a row is that of its deviations times weights, times a factor
const SHARED: bool = false; // a team loads weight and bias once, for all of its rows
const HALF_PRECISION: bool = false; // x is f16 or bf16, whose numbers have at most 11 significant bits
const STATS_FIXED: bool = false; // all elements of a lane have the same statistics
const AFFINE_FIXED: bool = false; // all elements of a lane have the same weight and bias
const WEIGHTED: bool = false; // sums have the weight as a factor
const ZERO_MEAN: bool = false; // sums are over the groups of the statistics, where y has the mean 0
const BEFORE: u32 = 1u; // channels of a window before its own
const AFTER: u32 = 2u; // channels of a window after its own
const SPLIT_PACKS: u32 = 1u; // packs of a row whose second half is half of the rotated elements further
const ROTARY_PACKS: u32 = 1u; // packs of a row that are rotated
const ROTARY_HEADS: u32 = 1u; // rows of a token
const ROTARY_POSITIONS: u32 = 1u; // rows of rotary_table

// == backward: declared by the variants of rows, and for windows that registers hold by their key

const BACKWARD: bool = false; // the kernel computes gradients

// == params: declared by each kernel or by rows, with the members that its roles use

struct AnyParams {
    zero: u32, // always 0, which the compiler does not know
    eps: f32,
    weight_offset: f32, // 1 for a zero-centred weight, else 0
    stats_stride: u32, // from one region of `statistics` or `coefficients` to the next, in what StatAt counts
    rows: u32, // of the binding, or fours of them if packs are across rows
    first: u32, // row of the whole tensor at which the binding begins
    packs: u32, // of a row
    stride: u32, // from one row, channel, or pack across rows to the next
    rows_per_team: u32, // rows of a team, or blocks of rows, at most
    teams: u32, // that have rows, and others up to a multiple of row_step
    row_step: u32, // from a row of a team to its next one
    elements: u32, // of a row
    first_partial: u32, // of these rows in `partial_sums`
    groups: u32, // of one outer index
    members: u32, // columns of a group that have partial statistics of their own
    copies: u32, // entries of a group in `statistics` and `coefficients`
    count: f32, // elements of a group
    whole: u32, // 1 if sums are over a whole group, else 0
    mean_share: f32, // 1 / elements of a group
    old_weight: f32, // running = old_weight * running + new_weight * batch
    new_weight: f32,
    correction: f32, // 1 for the unbiased variance, else 0
    steps: u32, // of a block of apply
    block_rows: u32, // from one block to the next, and from one step to the next
    step_rows: u32,
    column_step: u32, // columns from one step to the next
    stat_quotient: u32, // see RowIndex
    stat_remainder: u32,
    affine_rows: u32,
    affine_quotient: u32,
    affine_remainder: u32,
    stat_run: u32, // packs, or elements, that share a value
    affine_run: u32,
    before: u32, // channels of a window before its own
    after: u32, // channels of a window after its own
    alpha: f32, // over the size of the window
    beta: f32,
    k: f32,
    first_row: u32, // row of the lookups of the first block
}

@group(0) @binding(0) var<uniform> params: AnyParams;

// == places: where tensors are in their bindings; the variable is declared by src/wgsl, for shaders that use it

struct Places { // and the tables
    rows: u32, // of an index of the outer level, at least 1
    inverse: u32, // of rows, by which `outer_of` divides
    shift: u32,
    input: vec4<u32>, // the offset, and the strides of outer and inner rows
    residual: vec4<u32>,
    residual_output: vec4<u32>,
    output: vec4<u32>,
    grad_output: vec4<u32>,
    grad_residual_output: vec4<u32>,
    grad_input: vec4<u32>,
    grad_residual: vec4<u32>,
    input_bias: vec4<u32>,
    gate: vec4<u32>,
    grad_gate: vec4<u32>,
    next_output: vec4<u32>,
    quantized_output: vec4<u32>,
    quantized_scale: vec4<u32>,
}

@group(0) @binding(1) var<uniform> places: Places;

// == tensors: made by src/wgsl and src/kernels, for the tensors that a kernel binds. They convert to f32 and from f32

fn load_input(at: At) -> Pack { return Pack(); }
fn load_residual(at: At) -> Pack { return Pack(); }
fn load_residual_output(at: At) -> Pack { return Pack(); }
fn load_output(at: At) -> Pack { return Pack(); }
fn load_grad_output(at: At) -> Pack { return Pack(); }
fn load_grad_residual_output(at: At) -> Pack { return Pack(); }
fn load_input_bias(at: At) -> Pack { return Pack(); }
fn load_gate(at: At) -> Pack { return Pack(); }
fn store_input(at: At, v: Pack) {}
fn store_output(at: At, v: Pack) {}
fn store_residual(at: At, v: Pack) {}
fn store_residual_output(at: At, v: Pack) {}
fn store_grad_input(at: At, v: Pack) {}
fn store_grad_residual(at: At, v: Pack) {}
fn store_grad_gate(at: At, v: Pack) {}
fn store_next_output(at: At, v: Pack) {}
fn store_quantized_output(i: u32, v: QuantizedWord) {}
fn store_quantized_scale(i: u32, v: f32) {}

fn load_weight(i: AffineAt) -> AffineValue { return AffineValue(); }
fn load_bias(i: AffineAt) -> AffineValue { return AffineValue(); }
fn load_next_weight(i: AffineAt) -> AffineValue { return AffineValue(); }
fn load_grad_weight(i: u32) -> Pack { return Pack(); }
fn load_grad_bias(i: u32) -> Pack { return Pack(); }
fn store_grad_weight(i: u32, v: Pack) {}
fn store_grad_bias(i: u32, v: Pack) {}

fn load_statistics(i: StatAt) -> Stat { return Stat(); }
fn load_coefficients(i: StatAt) -> Stat { return Stat(); }
fn load_running_mean(i: StatAt) -> Stat { return Stat(); }
fn load_running_var(i: StatAt) -> Stat { return Stat(); }
fn load_running_low(i: u32) -> f32 { return 0.0; }
fn store_statistics(i: u32, v: f32) {}
fn store_coefficients(i: u32, v: f32) {}
fn store_running_mean(i: u32, v: f32) {}
fn store_running_var(i: u32, v: f32) {}
fn store_running_low(i: u32, v: f32) {}
fn store_mean(i: u32, v: f32) {}
fn store_rstd(i: u32, v: f32) {}

fn load_moments(i: u32) -> vec4<f32> { return vec4<f32>(); } // partial statistics, as in `partials`
fn store_moments(i: u32, v: vec4<f32>) {}
fn load_num_batches_tracked(i: u32) -> u32 { return 0u; }
fn store_num_batches_tracked(i: u32, v: u32) {}

// == buffers: made by src/wgsl and src/kernels, arrays that kernels index themselves

// Partial statistics: the mean's hi and lo, the sum of squared deviations, the count. Of norms: sums at the scales
// DOWN, 1 and UP, and the count.
@group(0) @binding(2) var<storage, read_write> partials: array<vec4<f32>>;

@group(0) @binding(4) var<storage, read_write> partial_sums: array<vec2<f32>>;

// Sums of parts of a batch: of g, of g * y, their number, and 0.
@group(0) @binding(9) var<storage, read_write> grad_sums: array<vec4<f32>>;

// == stat: made by src/wgsl and src/kernels, the lookup of statistics

// What the column adds to the index of the statistics.
fn stat_column(column: Column) -> StatAt { return StatAt(); }

alias Stat = f32;
alias StatAt = u32;

// == param: made by src/wgsl and src/kernels, the lookup of weight and bias

// What the column adds to the index of weight and bias.
fn affine_column(column: Column) -> AffineAt { return AffineAt(); }

alias AffineValue = f32;
alias AffineAt = u32;

// == storage: half precision in words of two elements, the first one in the lower half; tensors.wgsl calls these

// Four elements, each in the lower half of a word.
fn values_f16(half: vec4<u32>) -> vec4<f32> { return vec4<f32>(); }
fn values_bf16(half: vec4<u32>) -> vec4<f32> { return vec4<f32>(); }
// Element i, of the word that holds it.
fn decode1_f16(word: u32, i: u32) -> f32 { return 0.0; }
fn decode1_bf16(word: u32, i: u32) -> f32 { return 0.0; }
fn decode4_f16(words: vec2<u32>) -> vec4<f32> { return vec4<f32>(); }
fn decode4_bf16(words: vec2<u32>) -> vec4<f32> { return vec4<f32>(); }
// Rounded to nearest, ties to even, in the lower half of a word.
fn encode1_f16(v: f32) -> u32 { return 0u; }
fn encode1_bf16(v: f32) -> u32 { return 0u; }
fn encode4_f16(v: vec4<f32>) -> vec2<u32> { return vec2<u32>(); }
fn encode4_bf16(v: vec4<f32>) -> vec2<u32> { return vec2<u32>(); }

// == kernel: the work of one team

// Uniformity: every invocation of the dispatch calls it once.
fn run(team: Team) {}

// == team: lanes that reduce together. Its variants have the entry point `main`, which calls `run`

struct Team {
    index: u32, // of this team in the dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // of a team
}

// Sums over the lanes of a team, with the same bits in every lane.
// Uniformity: all invocations of the workgroup call them together.
fn team_sum(v: f32, team: Team) -> f32 { return v; }
fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> { return v; }
fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> { return v; }
// The largest of QUANTIZED_LANES neighbouring lanes of a team, or of all of its lanes. Uniformity: as the sums.
fn team_peak(v: i32, team: Team) -> i32 { return v; }

// == pack: the elements that a lane loads at once

fn pack_first(v: Pack) -> f32 { return 0.0; } // element 0
fn pack_sum(v: Pack) -> f32 { return 0.0; } // of its elements
fn pack_component(v: Pack, i: u32) -> f32 { return 0.0; } // element i
// The bits of the largest magnitude of its elements. A NaN is larger than all numbers.
fn pack_peak(v: Pack) -> i32 { return 0; }
// v, but u where u is a NaN.
fn pack_nan_of(u: Pack, v: Pack) -> Pack { return v; }

alias Pack = f32;
alias PackBool = bool; // one for each element
const PACK: u32 = 1u; // elements of a pack

// == at: packs in the tensors

// Where a row begins. Rows of dense tensors are `stride` apart.
fn first_of(row: u32, stride: u32) -> First { return First(); }
// A column of the row that begins at `first`.
fn at_of(first: First, column: Column) -> At { return At(); }

alias First = u32;
alias At = u32;

// == index: the outer index of a row in the input and in the output, from its own

@group(0) @binding(7) var<storage, read_write> input_index: array<u32>;

@group(0) @binding(8) var<storage, read_write> output_index: array<u32>;

fn input_outer(outer: u32) -> u32 { return outer; }
fn output_outer(outer: u32) -> u32 { return outer; }

// == step at: the pack of a step of apply

fn step_at(block: u32, step: u32, column: u32) -> At { return At(); }

// == column: packs in a row

// Column of pack number `pack` of a row.
fn column_at(pack: u32) -> Column { return Column(); }
// Number of that pack.
fn number_of(column: Column) -> u32 { return 0u; }
// Elements of a row in `packs` packs.
fn elements_of(packs: u32) -> f32 { return 0.0; }
// Number of the pack k of a lane, among `lanes` lanes.
fn pack_of(k: u32, lane: u32, lanes: u32) -> u32 { return 0u; }
// Column of that pack; if not `is_there`, a column that may be loaded. `row` tells the alignment phase. `middle`: the
// pack is neither the first nor the last of its row.
fn column_of_lane(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> Column { return Column(); }
// The first element of the row, from the row's first pack and its column.
fn first_inside(v: Pack, column: Column) -> f32 { return 0.0; }
// Index in the row of element i of a pack.
fn element_of(column: Column, i: u32) -> u32 { return 0u; }
// The same of all four elements; of an element outside the row, that of a neighbour inside.
fn indices_of(column: Column) -> vec4<u32> { return vec4<u32>(); }

alias Column = u32;

// == mask: the elements of a pack that count

// Those inside the row, if `counts`, else none.
fn mask_of(column: Column, counts: bool) -> Mask { return Mask(); }
// v, with 0 for the elements that do not count.
fn masked(v: Pack, mask: Mask) -> Pack { return v; }
// Whether element i is inside the row.
fn has_element(column: Column, i: u32) -> bool { return true; }

alias Mask = bool;

// == finite

// Whether an element is neither infinite nor NaN.
fn is_finite(v: Pack) -> PackBool { return PackBool(); }

// == real: numbers of the arithmetic without rounding errors

fn bits_of(v: Real) -> Bits { return Bits(); }
fn real_of(bits: Bits) -> Real { return Real(); }
// v, by an operation that the compiler cannot see through: it merges no arithmetic before it with that after it.
fn opaque(v: Real) -> Real { return v; }

alias Real = f32;
alias Bits = u32;

// == two_sum: double-float numbers

struct Pair {
    hi: Real,
    lo: Real,
}

// a + b without a rounding error: hi is the rounded sum.
fn two_sum(a: Real, b: Real) -> Pair { return Pair(); }

// == total

// hi + lo. An infinite hi stays, though its lo is a NaN.
fn total_of(sum: Pair) -> Real { return sum.hi; }

// == double: arithmetic with 48 significant bits

fn add(sum: Pair, v: Pair) -> Pair { return sum; } // sum + v
fn product(a: Real, b: Real) -> Pair { return Pair(); } // a * b
fn times(v: Pair, factor: Real) -> Pair { return v; } // v * factor

// == x: what the op normalizes

fn load_x(at: At) -> Pack { return Pack(); }

// == weight

fn weight_at(i: AffineAt) -> AffineValue { return AffineValue(); }
fn apply_weight(y: Pack, weight: AffineValue) -> Pack { return y; } // y * weight

// == bias

fn bias_at(i: AffineAt) -> AffineValue { return AffineValue(); }
fn apply_bias(y: Pack, bias: AffineValue) -> Pack { return y; } // y + bias

// == affine: weight and bias, loaded together

struct Affine {
    weight: AffineValue,
    bias: AffineValue,
}

fn affine_at(i: AffineAt) -> Affine { return Affine(); }

// == gate: a tensor of which a function is a factor

fn gate_factor(gate: Pack) -> Pack { return gate; }
fn gate_derivative(gate: Pack) -> Pack { return gate; } // the derivative of gate_factor

// == after: the residual or the gate behind weight and bias

fn apply_after(u: Pack, at: At) -> Pack { return u; } // u * gate_factor + residual

// == exponential

fn exp_minus(a: Pack) -> Pack { return a; } // exp(-a), for a >= 0
fn sigmoid(u: Pack) -> Pack { return u; } // 1 / (1 + exp(-u))
fn sigmoid_derivative(u: Pack) -> Pack { return u; } // the derivative of sigmoid

// == hyperbolic tangent

fn hyperbolic_tangent(u: Pack) -> Pack { return u; }
fn hyperbolic_tangent_derivative(u: Pack) -> Pack { return u; }

// == activation

fn activate(u: Pack) -> Pack { return u; }
fn activation_derivative(u: Pack) -> Pack { return u; } // the derivative of activate

// == sum: the sum of input and residual

fn store_sum(at: At, x: Pack) {}
fn load_sum(at: At) -> Pack { return Pack(); } // what was stored, where the sum is f32 and the kernel streams

// == result: the output of the op

fn store_result(at: At, y: Pack) {}
fn load_result(at: At) -> Pack { return Pack(); } // what was stored, as with load_sum

// == epilogue: the caller's function, in shaders that have one

fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> { return v; }
fn with_epilogue(y: Pack) -> Pack { return y; } // what it returns for each element
// Says where the next result lies: row and column of a kernel of rows, block, step and column of apply.
fn place_in_row(row: u32, column: Column) {}
fn place_step(block: u32, step: u32, column: u32) {}

// == rotary: pairs of elements are rotated, in shaders of a rotary embedding

@group(0) @binding(5) var<storage, read_write> positions: array<u32>; // of tokens

@group(0) @binding(6) var<storage, read_write> rotary_table: array<vec4<f32>>; // cos and sin of the pairs of a pack

fn rotated(u: Pack) -> Pack { return u; }

// == gradient: the gradient with respect to the argument of weight and bias

const GRADIENT_NEEDS_Y: bool = false; // gradient depends on y and affine

fn gradient(y: Pack, affine: Affine, at: At) -> Pack { return y; }

// == row: one direction of a kernel that has a whole row

const BACKWARD_NEEDS_Y: bool = false; // row_gradient depends on y and affine

// The gradient before it is multiplied by the weight.
fn row_gradient(y: Pack, affine: Affine, at: At) -> Pack { return y; }
// Stores the results of a pack. `grad_input` is the gradient of x.
fn finish(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {}
// The output of a pack.
fn output_of(y: Pack, affine: Affine, at: At) -> Pack { return y; }

// == early sum: what a kernel that streams stores early, to load it again

const EARLY_SUM: bool = false; // the sum of input and residual

fn store_sum_early(at: At, x: Pack) {}
// x, after the first sums of a row.
fn load_x_again(at: At) -> Pack { return load_x(at); }

// == early output: the same with the output, where a second norm follows

const EARLY_OUTPUT: bool = false;

fn store_result_early(at: At, output: Pack) {}
// The output, after its own sums.
fn output_again(y: Pack, affine: Affine, at: At) -> Pack { return y; }

// == next: a second norm, of the output

const NEXT: bool = false; // there is one

fn next_weight_at(i: AffineAt) -> NextWeight { return NextWeight(); }
// Stores the results of a pack: the output, and y, the output with the factor of the second norm.
fn finish_both(at: At, x: Pack, output: Pack, y: Pack, weight: NextWeight) {}

alias NextWeight = u32;

// == first_row_of

// The first row of a team that has so many, in the order of `row_of`.
fn first_row_of(team: Team, rows_of_team: u32) -> u32 { return 0u; }

// == row_of

// Row number i of those that teams take, in their order. Any i below params.rows gives a row below it.
fn row_of(i: u32) -> u32 { return i; }

// == quantized: int8 in place of the output

const QUANTIZED: bool = false; // there is one
const QUANTIZED_BLOCK: u32 = 32u; // elements that share a scale
const QUANTIZED_PACKS: u32 = 1u; // packs of a lane that share a scale, or more than the lane has
const QUANTIZED_STEP: u32 = 64u; // packs that a team streams at once, or more than a row has
const QUANTIZED_LANES: u32 = 1u; // neighbouring lanes that share it, or more than the team has

// The largest peak of the lanes that share a scale. Uniformity: as team_sum.
fn peak_of_block(peak: i32, team: Team) -> i32 { return peak; }
fn quantized_factor(peak: i32) -> f32 { return 1.0; } // 1 / scale
// Writes elements times their factor. `row` counts rows of the whole tensor, `k` the packs that a lane
// holds: a kernel that streams gives 0.
fn put_quantized(row: u32, column: Column, k: u32, u: Pack, factor: f32) {}
// Writes the scale of the block that begins at a column, if the lane is the first of those that share it.
fn put_quantized_scale(row: u32, column: Column, lane: u32, peak: i32) {}

// Stores the sum of input and residual of a pack.
fn put_sum(at: At, x: Pack) {}

alias QuantizedWord = u32; // of four elements, or four words, or a mask of bits and these bits

// == row_param: weight and bias of a row

fn row_affine_index(row: u32, column: Column) -> AffineAt { return AffineAt(); }

// == saved: statistics for the backward pass

// The mean is hi + lo. Elements times `scale` have the factor `rstd_value`.
fn save(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {}

// == scale: from the power of some elements to the factor rstd, y = (x - mean) * rstd

const CENTERED: bool = false; // the op subtracts the mean

// The factor of elements times `scale`. `power` is the mean of their squares or magnitudes.
fn rstd_of(power: f32, count: f32, scale: f32) -> f32 { return 1.0; }
// The factor of sum(g * y) in the gradient through rstd: 1 / count, or 0 or 1 for norms.
fn product_share(count: f32, rstd: f32, scale: f32) -> f32 { return 1.0; }

// == power_of_moments: the power, from moments

fn power(mean: f32, variance: f32) -> f32 { return variance; }

// == scales: powers of two that keep squares inside f32's range

const SCALED: bool = false; // sums are taken at three scales
const DOWN: f32 = 1.0;
const UP: f32 = 1.0;

// DOWN, 1 or UP: the scale at which f32 holds the sum, of the sums at the three scales in this order.
fn scale_of(sums: vec3<f32>) -> f32 { return 1.0; }
// The sum at that scale.
fn at_scale(sums: vec3<f32>, scale: f32) -> f32 { return 0.0; }

// == measure: what the power is a mean of

fn measure(d: Pack) -> Pack { return d; } // squares or magnitudes
// The derivative of the measure, over that of squares: y or sign(y).
fn measure_derivative(y: Pack) -> Pack { return y; }

// == direction: how rows lie in packs

struct Sums {
    a: Sum,
    b: Sum,
}

fn first_of_rows(v: Pack) -> Sum { return Sum(); } // the first elements, from the first pack
fn sum_of(v: Pack) -> Sum { return Sum(); } // of the elements of each row
// Uniformity: as team_sum.
fn row_sum(v: Sum, team: Team) -> Sum { return v; }
fn row_sums(v: Sums, team: Team) -> Sums { return v; }
// For each row: scale_of, at_scale, rstd_of and product_share.
fn scales_of(down: Sum, unit: Sum, up: Sum) -> Sum { return unit; }
fn at_scales(down: Sum, unit: Sum, up: Sum, scale: Sum) -> Sum { return unit; }
fn rstds_of(power: Sum, count: f32, scale: Sum) -> Sum { return power; }
fn product_shares(count: f32, rstd: Sum, scale: Sum) -> Sum { return rstd; }
// The largest magnitude of rows times rstd, from that of the rows. Rows across packs have no int8.
fn peak_of_output(peak: i32, rstd: Sum) -> i32 { return peak; }
fn save_rows(row: u32, hi: Sum, lo: Sum, rstd: Sum, scale: Sum) {}

alias Sum = f32;

// == partial_sums: sums of g and g * y over the rows of a team, for each column

const SUMS: bool = false; // the kernel takes them

// Writes the sums of a pack. Those of the team begin at `first`.
fn put_partial_sums(first: u32, column: Column, g: Pack, gy: Pack) {}
// Adds to them; the `fresh` ones overwrite what is there.
fn add_partial_sums(first: u32, column: Column, g: Pack, gy: Pack, fresh: bool) {}

// == row index: the lookup of a row's statistics, weight and bias

// row / rows and row % rows, which `advance` adds without a division.
struct RowIndex {
    quotient: u32,
    remainder: u32,
}

fn row_index(row: u32, rows: u32) -> RowIndex { return RowIndex(); }
fn advance(row: RowIndex, by: RowIndex, rows: u32) -> RowIndex { return row; }
fn stat_index(row: RowIndex, column: Column) -> StatAt { return StatAt(); }
fn affine_index(row: RowIndex, column: Column) -> AffineAt { return AffineAt(); }

// == statistics: statistics from an earlier pass

struct Statistics { // and members that differ
    rstd: Stat,
}

fn statistics_at(i: StatAt) -> Statistics { return Statistics(); }
fn scaled_input(x: Pack, statistics: Statistics) -> Pack { return x; } // x times its scale
fn mean_hi(statistics: Statistics) -> Stat { return Stat(); }
fn mean_lo(statistics: Statistics) -> Stat { return Stat(); } // the mean is hi + lo
fn normalize(x: Pack, statistics: Statistics) -> Pack { return x; } // y
fn by_rstd(v: Pack, statistics: Statistics) -> Pack { return v; } // v * rstd, times the scale

// == through: the gradient through the statistics

struct Coefficients { // and members that differ
    mean: Stat, // of g
}

fn coefficients_at(i: StatAt) -> Coefficients { return Coefficients(); }
fn less_statistics_gradient(g: Pack, y: Pack, coefficients: Coefficients) -> Pack { return g; } // g less that gradient

// == element: one direction of an element whose statistics are there

struct Table { // and members that differ
    statistics: Statistics,
}

struct Element { // and members that differ
    y: Pack,
}

fn table_at(i: StatAt) -> Table { return Table(); }
fn load_element(at: At, table: Table, affine: Affine) -> Element { return Element(); }
fn store_element(element: Element, at: At, table: Table, affine: Affine) {}

// == grad_input

fn put_grad_input(at: At, v: Pack) {}

// == grad_residual

fn put_grad_residual(at: At, v: Pack) {}

// == grad_sum: the gradient of the sum of input and residual from its other uses

fn add_grad_sum(at: At, v: Pack) -> Pack { return v; }

// == grad_addend: the gradient of a residual that was added to a product

fn put_grad_addend(at: At, v: Pack) {}

// == grad_gate

fn put_grad_gate_before(at: At, v: Pack) {} // v is the gradient of input * gate_factor
fn put_grad_gate_after(at: At, affine: Affine, y: Pack) {}

// == grad_weight

fn put_grad_weight(i: u32, v: Pack) {}

// == grad_bias

fn put_grad_bias(i: u32, v: Pack) {}

// == exact_sums: sums over the elements of a lane, as hi and lo

struct ExactSums {
    g: Pair,
    gy: Pair,
    y: Pair, // for the mean of y, if ZERO_MEAN
}

// The sums with one more element, if it `counts`.
fn with_element(sums: ExactSums, g: Pack, x: Pack, statistics: Statistics, counts: bool) -> ExactSums { return sums; }
// The sums with the factors that `count` elements share.
fn scaled(sums: ExactSums, statistics: Statistics, count: u32) -> ExactSums { return sums; }

// == group_sums: sums of a group or of a part of it, each as hi and lo

struct GroupSums {
    g: vec2<f32>,
    gy: vec2<f32>,
    y: vec2<f32>, // the part's share of the mean of y, or the number of values
}

// Sums of a part as they are; those of a whole group without the mean of y, which is a rounding error.
fn whole_or_part(sums: GroupSums) -> GroupSums { return sums; }

// == team_sums

// The sums over the lanes of a team. Uniformity: as team_sum.
fn team_sums(sums: ExactSums, team: Team) -> GroupSums { return GroupSums(); }

// == column_sums

// Hands on the sums of a pack of columns. Those of the row of columns begin at `first`.
fn put_column_sums(first: u32, column: u32, sums: ExactSums) {}

// == merge

// Merges two partial results; order matters in the last bits.
fn merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> { return a; }

// == groups: declared by kernels that merge

const GROUPS: u32 = 2u; // groups of a workgroup

// == merging: lanes that merge the partial results of a group

const LANES: u32 = 32u; // of a group

// What the lanes of a group merged, for its first lane. Uniformity: all invocations of the workgroup call it.
fn merged(own: vec4<f32>, index: u32) -> vec4<f32> { return own; }

// == partials: partial statistics that finalize merges

fn partial_at(i: u32) -> vec4<f32> { return vec4<f32>(); }

// == merged: where finalize writes

// Of norms, the arguments are sums at the scales DOWN, 1 and UP, and the count.
fn put_merged(group: u32, mean: Pair, m2: f32, count: f32) {}

// == merged_from: partial sums that merge_sums merges

const MEAN_OF_Y: bool = false; // they have the sum of y

fn sums_at(i: u32) -> GroupSums { return GroupSums(); }
fn put_sums(i: u32, sums: GroupSums) {}

// == merged_sums: where merge_sums writes, apart from the gradients of weight and bias

fn put_merged_sums(group: u32, sums: GroupSums) {}

// == running: running statistics

fn track(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {}

// == running_weights

fn weights() -> vec2<f32> { return vec2<f32>(); } // of the old value and of the batch; their sum is 1

// == running_state

fn running_mean_of(channel: u32) -> Pair { return Pair(); }
fn running_var_of(channel: u32) -> Pair { return Pair(); }
fn put_running_mean(channel: u32, v: Pair) {}
fn put_running_var(channel: u32, v: Pair) {}

// == power: the divisor of local response norm

struct Power {
    base: Pack, // k + alpha * squares
    inverse: Pack, // base^-beta
}

fn power_of_squares(squares: Pack) -> Power { return Power(); }

// == window_sums: declared by window, for windows of any size

// The first and the last channel of a window.
fn window(channel: u32, before: u32, after: u32) -> vec2<u32> { return vec2<u32>(); }
fn add_pack(sum: Pair, v: Pack) -> Pair { return sum; } // sum + v
fn total(sum: Pair) -> Pack { return Pack(); } // hi + lo, or an infinite hi
// The power of a channel. `first` is the index of channel 0 at the same position.
fn power_of(first: u32, channel: u32) -> Power { return Power(); }

// == window

fn write_element(at: u32, first: u32, channel: u32) {}

// == slide

fn load_gradient(at: u32) -> Pack { return Pack(); }
fn write_value(at: u32, v: Pack) {}
