// Rows: what the kernels of rows have in common, by direction and by layout.

// ---- uniform
//
// The uniform of the kernels over rows, and the lookup of weight and bias.
//
// The weights of `row` begin at row / rows * quotient + row % rows * remainder, with rows, quotient and remainder from
// params.

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

// ---- first row
//
// The first row of a team that has so many. As many neighbouring teams as a step has rows share a run of rows, and take
// these in turns.

fn first_row_of(team: Team, rows_of_team: u32) -> u32 {
    return team.index / params.row_step * (params.row_step * rows_of_team) + team.index % params.row_step;
}

// ---- row of: in_order_of_memory
//
// Teams take rows as they lie in memory.

fn row_of__in_order_of_memory(i: u32) -> u32 {
    return i;
}

// ---- row of: in_order_of_samples
//
// Teams take the first row of each sample, then the second ones, and so on. So rows that are as many apart as there are
// samples have the same weights.

fn row_of__in_order_of_samples(i: u32) -> u32 {
    let samples = max(params.rows / params.affine_rows, 1u);
    return i % samples * params.affine_rows + i / samples;
}

// ---- early sum: late_sum
//
// x is loaded as often as it is needed.

const EARLY_SUM__late_sum: bool = false;

fn store_sum_early__late_sum(at: At, x: Pack) {
}

fn load_x_again__late_sum(at: At) -> Pack {
    return load_x(at);
}

// ---- early sum: early_sum
//
// The sum of input and residual is written with the first sums of a row. Then it is one tensor to load, in f32.

const EARLY_SUM__early_sum: bool = true;

fn store_sum_early__early_sum(at: At, x: Pack) {
    store_sum(at, x);
}

fn load_x_again__early_sum(at: At) -> Pack {
    return load_sum(at);
}

// ---- early output: late_output
//
// The output is computed again for a second norm.

const EARLY_OUTPUT__late_output: bool = false;

fn store_result_early__late_output(at: At, output: Pack) {
}

fn output_again__late_output(y: Pack, affine: Affine, at: At) -> Pack {
    return output_of(y, affine, at);
}

// ---- early output: early_output
//
// The output is written with the sums of a second norm, and loaded for its result, in f32.

const EARLY_OUTPUT__early_output: bool = true;

fn store_result_early__early_output(at: At, output: Pack) {
    store_result(at, output);
}

fn output_again__early_output(y: Pack, affine: Affine, at: At) -> Pack {
    return load_result(at);
}

// ---- row: forward
//
// The output of a row.

const BACKWARD__forward: bool = false;

const BACKWARD_NEEDS_Y__forward: bool = false;

fn row_gradient__forward(y: Pack, affine: Affine, at: At) -> Pack {
    return Pack(0.0);
}

fn output_of__forward(y: Pack, affine: Affine, at: At) -> Pack {
    return activate(apply_after(apply_bias(apply_weight(y, affine.weight), affine.bias), at));
}

fn finish__forward(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    if !EARLY_SUM {
        store_sum(at, x);
    }
    store_result(at, output_of(y, affine, at));
}

// ---- row: backward
//
// The gradient of a row.

const BACKWARD__backward: bool = true;

const BACKWARD_NEEDS_Y__backward: bool = GRADIENT_NEEDS_Y;

fn row_gradient__backward(y: Pack, affine: Affine, at: At) -> Pack {
    return gradient(y, affine, at);
}

fn output_of__backward(y: Pack, affine: Affine, at: At) -> Pack {
    return y;
}

fn finish__backward(at: At, affine: Affine, x: Pack, y: Pack, grad_input: Pack) {
    put_grad_gate_after(at, affine, y);
    put_grad_input(at, grad_input);
}

// ---- next: no_next
//
// The output is not normalized again.

const NEXT__no_next: bool = false;

alias NextWeight__no_next = u32;

fn next_weight_at__no_next(i: AffineAt) -> NextWeight__no_next {
    return 0u;
}

fn finish_both__no_next(at: At, x: Pack, output: Pack, y: Pack, weight: NextWeight__no_next) {
}

// ---- both
//
// The sum and the output beside a second norm, unless they were written before.

fn store_both(at: At, x: Pack, output: Pack) {
    if !EARLY_SUM {
        store_sum(at, x);
    }
    if !EARLY_OUTPUT {
        store_result(at, output);
    }
}

// ---- next: next
//
// The output of a second norm, which has a weight.

const NEXT__next: bool = true;

alias NextWeight__next = AffineValue;

fn next_weight_at__next(i: AffineAt) -> NextWeight__next {
    return load_next_weight(i) + params.weight_offset;
}

fn finish_both__next(at: At, x: Pack, output: Pack, y: Pack, weight: NextWeight__next) {
    store_both(at, x, output);
    store_next_output(at, y * weight);
}

// ---- next: next_without_weight
//
// The output of a second norm.

const NEXT__next_without_weight: bool = true;

alias NextWeight__next_without_weight = u32;

fn next_weight_at__next_without_weight(i: AffineAt) -> NextWeight__next_without_weight {
    return 0u;
}

fn finish_both__next_without_weight(
    at: At,
    x: Pack,
    output: Pack,
    y: Pack,
    weight: NextWeight__next_without_weight,
) {
    store_both(at, x, output);
    store_next_output(at, y);
}

// ---- direction: along
//
// A row lies along its packs, and a team adds them: the sums of a row are numbers.

alias Sum__along = f32;

struct Sums__along {
    a: Sum__along,
    b: Sum__along,
}

fn first_of_rows__along(v: Pack) -> Sum__along {
    return pack_first(v);
}

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

fn scales_of__along(down: Sum__along, unit: Sum__along, up: Sum__along) -> Sum__along {
    return scale_of(vec3<f32>(down, unit, up));
}

fn at_scales__along(down: Sum__along, unit: Sum__along, up: Sum__along, scale: Sum__along) -> Sum__along {
    return at_scale(vec3<f32>(down, unit, up), scale);
}

fn rstds_of__along(power: Sum__along, count: f32, scale: Sum__along) -> Sum__along {
    return rstd_of(power, count, scale);
}

fn product_shares__along(count: f32, rstd: Sum__along, scale: Sum__along) -> Sum__along {
    return product_share(count, rstd, scale);
}

fn peak_of_output__along(peak: i32, rstd: Sum__along) -> i32 {
    return bitcast<i32>(bitcast<f32>(peak) * rstd);
}

fn save_rows__along(row: u32, hi: Sum__along, lo: Sum__along, rstd: Sum__along, scale: Sum__along) {
    save(params.first + row, hi, lo, rstd, scale);
}

// ---- direction: perpendicular
//
// Packs across rows: a pack has an element of each of four rows, and the next pack of these rows is params.stride
// further. A lane has whole rows, so that their sums are a pack.

alias Sum__perpendicular = Pack;

struct Sums__perpendicular {
    a: Sum__perpendicular,
    b: Sum__perpendicular,
}

fn first_of_rows__perpendicular(v: Pack) -> Sum__perpendicular {
    return v;
}

fn sum_of__perpendicular(v: Pack) -> Sum__perpendicular {
    return v;
}

fn row_sum__perpendicular(v: Sum__perpendicular, team: Team) -> Sum__perpendicular {
    return v;
}

fn row_sums__perpendicular(v: Sums__perpendicular, team: Team) -> Sums__perpendicular {
    return v;
}

fn scales_of__perpendicular(
    down: Sum__perpendicular,
    unit: Sum__perpendicular,
    up: Sum__perpendicular,
) -> Sum__perpendicular {
    let x = scale_of(vec3<f32>(down.x, unit.x, up.x));
    let y = scale_of(vec3<f32>(down.y, unit.y, up.y));
    let z = scale_of(vec3<f32>(down.z, unit.z, up.z));
    return Sum__perpendicular(x, y, z, scale_of(vec3<f32>(down.w, unit.w, up.w)));
}

fn at_scales__perpendicular(
    down: Sum__perpendicular,
    unit: Sum__perpendicular,
    up: Sum__perpendicular,
    scale: Sum__perpendicular,
) -> Sum__perpendicular {
    let x = at_scale(vec3<f32>(down.x, unit.x, up.x), scale.x);
    let y = at_scale(vec3<f32>(down.y, unit.y, up.y), scale.y);
    let z = at_scale(vec3<f32>(down.z, unit.z, up.z), scale.z);
    return Sum__perpendicular(x, y, z, at_scale(vec3<f32>(down.w, unit.w, up.w), scale.w));
}

fn rstds_of__perpendicular(power: Sum__perpendicular, count: f32, scale: Sum__perpendicular) -> Sum__perpendicular {
    let first = vec2<f32>(rstd_of(power.x, count, scale.x), rstd_of(power.y, count, scale.y));
    return Sum__perpendicular(first, rstd_of(power.z, count, scale.z), rstd_of(power.w, count, scale.w));
}

fn product_shares__perpendicular(
    count: f32,
    rstd: Sum__perpendicular,
    scale: Sum__perpendicular,
) -> Sum__perpendicular {
    let first = vec2<f32>(product_share(count, rstd.x, scale.x), product_share(count, rstd.y, scale.y));
    return Sum__perpendicular(first, product_share(count, rstd.z, scale.z), product_share(count, rstd.w, scale.w));
}

fn peak_of_output__perpendicular(peak: i32, rstd: Sum__perpendicular) -> i32 {
    return peak;
}

fn save_rows__perpendicular(
    row: u32,
    hi: Sum__perpendicular,
    lo: Sum__perpendicular,
    rstd: Sum__perpendicular,
    scale: Sum__perpendicular,
) {
    for (var i = 0u; i < PACK; i += 1u) {
        save(params.first + row * PACK + i, hi[i], lo[i], rstd[i], scale[i]);
    }
}

// ---- partial sums: no_partial_sums
//
// No sums of columns are asked for.

const SUMS__no_partial_sums: bool = false;

fn put_partial_sums__no_partial_sums(first: u32, column: Column, g: Pack, gy: Pack) {
}

fn add_partial_sums__no_partial_sums(first: u32, column: Column, g: Pack, gy: Pack, fresh: bool) {
}

// ---- partial sums: write_partial_sums
//
// Sums of g and g * y of a pack of columns.

const SUMS__write_partial_sums: bool = true;

fn put_partial_sums__write_partial_sums(first: u32, column: Column, g: Pack, gy: Pack) {
    for (var i = 0u; i < PACK; i += 1u) {
        if has_element(column, i) {
            partial_sums[first + element_of(column, i)] = vec2<f32>(pack_component(g, i), pack_component(gy, i));
        }
    }
}

// ---- partial sums: add_partial_sums
//
// Sums of g and g * y of a pack of columns, to which a team adds its further rows.

const SUMS__add_partial_sums: bool = true;

// No branch around the load: Microsoft's FXC takes it for a branch around the barriers later in the loop.
fn add_partial_sums__add_partial_sums(first: u32, column: Column, g: Pack, gy: Pack, fresh: bool) {
    for (var i = 0u; i < PACK; i += 1u) {
        let to = first + element_of(column, i);
        let before = select(partial_sums[to], vec2<f32>(), fresh);
        partial_sums[to] = before + vec2<f32>(pack_component(g, i), pack_component(gy, i));
    }
}

// ---- partial sums: add_partial_sums_perpendicular
//
// Sums of g and g * y of a column, to which a team adds its further rows. A pack has elements of four rows.

const SUMS__add_partial_sums_perpendicular: bool = true;

fn add_partial_sums__add_partial_sums_perpendicular(first: u32, column: Column, g: Pack, gy: Pack, fresh: bool) {
    let before = select(partial_sums[first + column], vec2<f32>(), fresh);
    partial_sums[first + column] = before + vec2<f32>(pack_sum(g), pack_sum(gy));
}
