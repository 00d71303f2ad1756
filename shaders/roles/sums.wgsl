// Sums of gradients: exact products added up as hi + lo, by lanes, teams and columns, and their merge.

// ---- exact sums
//
// Sums of g and g * y over the elements of a lane, in double-float arithmetic of 48 bits. Elements that share
// statistics, and values that repeat, have similar rounding errors, which would add up.

// With STATS_FIXED they lack the factors that all elements share: y is x - mean_hi.
struct ExactSums {
    g: Pair,
    gy: Pair,
    y: Pair,
}

fn with_element(sums: ExactSums, g: Pack, x: Pack, statistics: Statistics, counts: bool) -> ExactSums {
    var to = sums;
    let own = select(Pack(0.0), g, counts);
    to.g = add(sums.g, Pair(own, Pack(0.0)));
    let d = two_sum(scaled_input(x, statistics), Pack(-mean_hi(statistics)));
    if STATS_FIXED {
        let term = product(own, d.hi);
        to.gy = add(sums.gy, Pair(term.hi, term.lo + own * d.lo));
    } else {
        let factor = own * statistics.rstd;
        let term = product(factor, d.hi);
        to.gy = add(sums.gy, Pair(term.hi, term.lo + factor * (d.lo - mean_lo(statistics))));
    }
    if ZERO_MEAN {
        to.y = add(sums.y, Pair(select(Pack(0.0), d.hi, counts), select(Pack(0.0), d.lo, counts)));
    }
    return to;
}

fn scaled(sums: ExactSums, statistics: Statistics, count: u32) -> ExactSums {
    var to = sums;
    let lo = Pack(-mean_lo(statistics));
    let rstd = Pack(statistics.rstd);
    if STATS_FIXED {
        to.gy = times(add(sums.gy, times(sums.g, lo)), rstd);
    }
    if ZERO_MEAN {
        to.y = times(add(sums.y, product(Pack(f32(count)), lo)), rstd * params.mean_share);
    }
    return to;
}

// ---- group sums
//
// Sums over a group or a part of it, as hi and lo: of g, of g * y, and the part's share of the mean of y.
//
// Over a whole group of the statistics, the mean of y is zero, apart from digits of the mean of x that f32 cannot hold.

struct GroupSums {
    g: vec2<f32>,
    gy: vec2<f32>,
    y: vec2<f32>,
}

// Subtracts the mean of y from the sums of a whole group. A mean above rounding errors stays: the caller gave the
// statistics of other data.
fn whole_or_part(sums: GroupSums) -> GroupSums {
    if params.whole == 0u {
        return sums;
    }
    let mean = sums.y.x + sums.y.y;
    let coefficients = (sums.g.x + sums.g.y) * select(0.0, mean, abs(mean) < 2e-5);
    return GroupSums(sums.g, vec2<f32>(sums.gy.x, sums.gy.y - coefficients), vec2<f32>());
}

// ---- team sums
//
// Adds the sums of a team's lanes, as hi + lo. The terms of hi are cut to so few digits that team_sum adds them without
// rounding, and the rest is small.
//
// Uniformity: as team_sum.

// 1.5 times a power of two. v + grid - grid is v with so few bits that f32 holds any sum of such v. If the grid would
// be infinite, it is zero, which leaves all of v.
fn grid_of(sum_of_magnitudes: f32) -> f32 {
    let power = (bitcast<u32>(sum_of_magnitudes) & 0x7f800000u) + 0x01000000u;
    return select(1.5 * bitcast<f32>(power), 0.0, !(sum_of_magnitudes < 1e37));
}

fn team_sums(sums: ExactSums, team: Team) -> GroupSums {
    let magnitudes = vec4<f32>(pack_sum(abs(sums.g.hi)), pack_sum(abs(sums.gy.hi)), pack_sum(abs(sums.y.hi)), 0.0);
    let all = team_sum4(magnitudes, team);
    let grid = vec3<f32>(grid_of(all.x), grid_of(all.y), grid_of(all.z));
    let g = opaque(sums.g.hi + grid.x) - grid.x;
    let gy = opaque(sums.gy.hi + grid.y) - grid.y;
    let y = opaque(sums.y.hi + grid.z) - grid.z;
    let hi = team_sum4(vec4<f32>(pack_sum(g), pack_sum(gy), pack_sum(y), 0.0), team);
    let rest_g = pack_sum((sums.g.hi - g) + sums.g.lo);
    let rest_gy = pack_sum((sums.gy.hi - gy) + sums.gy.lo);
    let rest_y = pack_sum((sums.y.hi - y) + sums.y.lo);
    let lo = team_sum4(vec4<f32>(rest_g, rest_gy, rest_y, 0.0), team);
    return GroupSums(vec2<f32>(hi.x, lo.x), vec2<f32>(hi.y, lo.y), vec2<f32>(hi.z, lo.z));
}

// ---- column sums: partial_column_sums
//
// The sums of a pack of columns go to the pass that merges them.

fn put_column_sums__partial_column_sums(first: u32, column: u32, sums: ExactSums) {
    for (var i = 0u; i < PACK; i += 1u) {
        let g = vec2<f32>(pack_component(sums.g.hi, i), pack_component(sums.g.lo, i));
        let gy = vec2<f32>(pack_component(sums.gy.hi, i), pack_component(sums.gy.lo, i));
        let y = vec2<f32>(pack_component(sums.y.hi, i), pack_component(sums.y.lo, i));
        partial_sums[first + column * PACK + i] = whole_or_part(GroupSums(g, gy, y));
    }
}

// ---- column sums: column_gradients
//
// The sums over a whole column are the gradients of its weight and bias.

fn put_column_sums__column_gradients(first: u32, column: u32, sums: ExactSums) {
    put_grad_bias(first / PACK + column, sums.g.hi + sums.g.lo);
    put_grad_weight(first / PACK + column, sums.gy.hi + sums.gy.lo);
}

// ---- merged from: from_hi_lo
//
// Partial sums as hi and lo.

const MEAN_OF_Y__from_hi_lo: bool = true;

fn sums_at__from_hi_lo(i: u32) -> GroupSums {
    return partial_sums[i];
}

fn put_sums__from_hi_lo(i: u32, sums: GroupSums) {
    partial_sums[i] = sums;
}

// ---- merged from: from_numbers
//
// Partial sums of g and g * y as one f32 each. Their rows have statistics of their own, so that y has the mean zero in
// no column.

const MEAN_OF_Y__from_numbers: bool = false;

fn sums_at__from_numbers(i: u32) -> GroupSums {
    let sums = partial_sums[i];
    return GroupSums(vec2<f32>(sums.x, 0.0), vec2<f32>(sums.y, 0.0), vec2<f32>());
}

fn put_sums__from_numbers(i: u32, sums: GroupSums) {
    partial_sums[i] = vec2<f32>(sums.g.x + sums.g.y, sums.gy.x + sums.gy.y);
}

// ---- merged from: from_parts
//
// Sums of the parts of a batch, from the caller: of g, of g * y, and their number, which takes the place of y.

const MEAN_OF_Y__from_parts: bool = true;

fn sums_at__from_parts(i: u32) -> GroupSums {
    let sums = grad_sums[i];
    return GroupSums(vec2<f32>(sums.x, 0.0), vec2<f32>(sums.y, 0.0), vec2<f32>(sums.z, 0.0));
}

// ---- merged sums: to_nothing
//
// Only the gradients of weight and bias are asked for.

fn put_merged_sums__to_nothing(group: u32, sums: GroupSums) {
}

// ---- merged sums: to_partial_sums
//
// Merged sums become partial sums for the next pass, over the first of those that were merged.

fn put_merged_sums__to_partial_sums(group: u32, sums: GroupSums) {
    put_sums(group, sums);
}

// ---- merged sums: to_coefficients
//
// The two coefficients of the gradient through the statistics of a group: the mean of g, and the factor of the
// derivative of the measure. Each has a region.

fn put_merged_sums__to_coefficients(group: u32, sums: GroupSums) {
    let first = group * params.copies;
    let rstd = load_statistics(2u * params.stats_stride + first);
    // Norms keep their scale here.
    let scale = select(1.0, load_statistics(first), SCALED);
    let g_mean = select(0.0, (sums.g.x + sums.g.y) / params.count, CENTERED);
    let gy = (sums.gy.x + sums.gy.y) * product_share(params.count, rstd, scale);
    // The loop's end depends on the invocation, for the reason that kernels/merge_sums.wgsl gives.
    for (var i = first; i < first + params.copies; i += 1u) {
        store_coefficients(i, g_mean);
        store_coefficients(params.stats_stride + i, gy);
    }
}

// ---- merged sums: to_grad_sums
//
// The sums of a part of a batch go to the caller, with the number of values that they are of.

fn put_merged_sums__to_grad_sums(group: u32, sums: GroupSums) {
    grad_sums[group] = vec4<f32>(sums.g.x + sums.g.y, sums.gy.x + sums.gy.y, params.count, 0.0);
}

// ---- merged sums: to_coefficients_of_parts
//
// The two coefficients, from sums that have their number in the place of y.

fn put_merged_sums__to_coefficients_of_parts(group: u32, sums: GroupSums) {
    let count = sums.y.x + sums.y.y;
    store_coefficients(group, (sums.g.x + sums.g.y) / count);
    store_coefficients(params.stats_stride + group, (sums.gy.x + sums.gy.y) / count);
}
