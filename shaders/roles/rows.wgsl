// Rows: what the kernels of rows have in common, by direction and by layout.

// ---- rows
// The uniform of the kernels that go through rows, and where the weights of a row are: those of `row` begin at row /
// rows * quotient + row % rows * remainder, with the numbers of params.

struct Params__rows {
    rows: u32, // or fours of them, which lie across a pack
    first: u32, // row of these in the whole tensor, where it is bound in parts
    packs: u32, // in a row
    stride: u32, // from one row to the next, in what an index of a tensor counts: packs, pairs of them, or elements. Across, from one pack to the next
    input_stride: u32, // the same of the input
    rounds: u32, // rows of a team, or blocks of rows, at most
    teams: u32, // that have rows
    elements: u32, // in a row
    eps: f32,
    weight_offset: f32, // added to the weight
    stats_stride: u32, // from one region of `statistics` to the next
    first_partial: u32, // of these rows in `partial_sums`
    param_rows: u32,
    param_quotient: u32,
    param_remainder: u32,
    param_run: u32, // that share a weight, in what an index of a table counts
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params__rows: Params__rows;

fn param_index__rows(row: u32, column: At) -> ParamAt {
    let first = row / params__rows.param_rows * params__rows.param_quotient + row % params__rows.param_rows * params__rows.param_remainder;
    return first + param_column(column);
}

// ---- row_forward
// A row is normalized.

const BACKWARD__row_forward: bool = false;

const BACKWARD_NEEDS_Y__row_forward: bool = false;

fn row_gradient__row_forward(y: Pack, affine: Affine, at: At) -> Pack {
    return Pack(0.0);
}

fn finish__row_forward(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    store_sum(at, x);
    store_result(at, activate(add_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at)));
}

// ---- row_backward
// The gradient of a row is computed.

const BACKWARD__row_backward: bool = true;

const BACKWARD_NEEDS_Y__row_backward: bool = GRADIENT_NEEDS_Y;

// The gradient that reaches what weight and bias are applied to; of y and the weights only what BACKWARD_NEEDS_Y says.
fn row_gradient__row_backward(y: Pack, affine: Affine, at: At) -> Pack {
    return gradient(y, affine, at);
}

fn finish__row_backward(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    put_grad_input(at, grad_input);
}

// ---- along
// A row lies along its packs, and a team adds them up: the sums of a row are numbers.

alias Sum__along = f32;

struct Sums__along {
    a: Sum__along,
    b: Sum__along,
}

// The first element of a row, from its first pack.
fn first_of_rows__along(v: Pack) -> Sum__along {
    return pack_first(v);
}

// What a pack adds to the sum of its row.
fn sum_of__along(v: Pack) -> Sum__along {
    return pack_sum(v);
}

fn row_sum__along(v: Sum__along, team: Team) -> Sum__along {
    return team_sum(v, team);
}

fn row_sums__along(v: Sums__along, team: Team) -> Sums__along {
    let sums = team_sum2(vec2<f32>(v.a, v.b), team);
    return Sums__along(sums.x, sums.y);
}

// Of the sums at three scales.
fn scales_of__along(down: Sum__along, unit: Sum__along, up: Sum__along) -> Sum__along {
    return scale_of(vec3<f32>(down, unit, up));
}

fn at_scales__along(down: Sum__along, unit: Sum__along, up: Sum__along, scale: Sum__along) -> Sum__along {
    return at_scale(vec3<f32>(down, unit, up), scale);
}

fn rstds_of__along(power: Sum__along, count: f32, scale: Sum__along) -> Sum__along {
    return rstd_of(power, count, scale);
}

fn pulls__along(count: f32, rstd: Sum__along, scale: Sum__along) -> Sum__along {
    return pull(count, rstd, scale);
}

fn save_rows__along(row: u32, hi: Sum__along, lo: Sum__along, rstd: Sum__along) {
    save(params.first + row, hi, lo, rstd);
}

// ---- across
// Four rows lie across a pack, which has an element of each, and the next pack of them is params.stride further. Their
// sums are a pack, and a lane has all of them.

alias Sum__across = vec4<f32>;

struct Sums__across {
    a: Sum__across,
    b: Sum__across,
}

// The first element of each row, from their first pack.
fn first_of_rows__across(v: Pack) -> Sum__across {
    return v;
}

// What a pack adds to the sums of its rows.
fn sum_of__across(v: Pack) -> Sum__across {
    return v;
}

fn row_sum__across(v: Sum__across, team: Team) -> Sum__across {
    return v;
}

fn row_sums__across(v: Sums__across, team: Team) -> Sums__across {
    return v;
}

// Of the sums at three scales.
fn scales_of__across(down: Sum__across, unit: Sum__across, up: Sum__across) -> Sum__across {
    let x = scale_of(vec3<f32>(down.x, unit.x, up.x));
    let y = scale_of(vec3<f32>(down.y, unit.y, up.y));
    let z = scale_of(vec3<f32>(down.z, unit.z, up.z));
    return Sum__across(x, y, z, scale_of(vec3<f32>(down.w, unit.w, up.w)));
}

fn at_scales__across(down: Sum__across, unit: Sum__across, up: Sum__across, scale: Sum__across) -> Sum__across {
    let x = at_scale(vec3<f32>(down.x, unit.x, up.x), scale.x);
    let y = at_scale(vec3<f32>(down.y, unit.y, up.y), scale.y);
    let z = at_scale(vec3<f32>(down.z, unit.z, up.z), scale.z);
    return Sum__across(x, y, z, at_scale(vec3<f32>(down.w, unit.w, up.w), scale.w));
}

fn rstds_of__across(power: Sum__across, count: f32, scale: Sum__across) -> Sum__across {
    let first = vec2<f32>(rstd_of(power.x, count, scale.x), rstd_of(power.y, count, scale.y));
    return Sum__across(first, rstd_of(power.z, count, scale.z), rstd_of(power.w, count, scale.w));
}

fn pulls__across(count: f32, rstd: Sum__across, scale: Sum__across) -> Sum__across {
    let first = vec2<f32>(pull(count, rstd.x, scale.x), pull(count, rstd.y, scale.y));
    return Sum__across(first, pull(count, rstd.z, scale.z), pull(count, rstd.w, scale.w));
}

fn save_rows__across(row: u32, hi: Sum__across, lo: Sum__across, rstd: Sum__across) {
    for (var i = 0u; i < PACK; i += 1u) {
        save(params.first + row * PACK + i, hi[i], lo[i], rstd[i]);
    }
}

// ---- no_partial_sums
// No sums of columns are taken.

const SUMS__no_partial_sums: bool = false;

fn put_partial_sums__no_partial_sums(first: u32, column: At, g: Pack, gy: Pack) {
}

fn add_partial_sums__no_partial_sums(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
}

// ---- write_partial_sums
// Partial sums of g and of g * y of a pack of columns.

const SUMS__write_partial_sums: bool = true;

// Those of a row of columns begin at `first`.
fn put_partial_sums__write_partial_sums(first: u32, column: At, g: Pack, gy: Pack) {
    for (var i = 0u; i < PACK; i += 1u) {
        if has_element(column, i) {
            partial_sums[first + element_of(column, i)] = vec2<f32>(pack_component(g, i), pack_component(gy, i));
        }
    }
}

// ---- add_partial_sums
// Partial sums of g and of g * y of a pack of columns, to which more rows are added.

const SUMS__add_partial_sums: bool = true;

// Those of a row of columns begin at `first`. The `fresh` ones are what the others are added to. No branch around the load: Microsoft's FXC takes
// it for one around the barriers that come later in the loop.
fn add_partial_sums__add_partial_sums(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
    for (var i = 0u; i < PACK; i += 1u) {
        let to = first + element_of(column, i);
        let before = select(partial_sums[to], vec2<f32>(), fresh);
        partial_sums[to] = before + vec2<f32>(pack_component(g, i), pack_component(gy, i));
    }
}

// ---- add_partial_sums_across
// Partial sums of g and of g * y of a column, to which more rows are added; four of them lie across a pack.

const SUMS__add_partial_sums_across: bool = true;

// Those of a row of columns begin at `first`. The `fresh` ones are what the others are added to.
fn add_partial_sums__add_partial_sums_across(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
    let before = select(partial_sums[first + column], vec2<f32>(), fresh);
    partial_sums[first + column] = before + vec2<f32>(pack_sum(g), pack_sum(gy));
}
