// Sums of gradients: exact products added up as hi + lo, by lanes, teams and columns, and their merge.

// ---- exact_sums
// Sums of g and of g * y of a lane's elements, y the normalized x, by arithmetic of 48 digits: elements that share
// their statistics, and values that repeat, have rounding errors that are alike, and would add up.

// With STATS_FIXED they lack what all elements share: y is x - mean_hi.
struct Sums {
    g: Pair,
    gy: Pair,
    y: Pair,
}

fn with_element(sums: Sums, g: Pack, x: Pack, statistics: Statistics, counts: bool) -> Sums {
    var to = sums;
    let own = select(Pack(0.0), g, counts);
    to.g = add_pairs(sums.g, Pair(own, Pack(0.0)));
    let d = two_sum(scaled_input(x, statistics), Pack(-mean_hi(statistics)));
    if STATS_FIXED {
        let term = product(own, d.hi);
        to.gy = add_pairs(sums.gy, Pair(term.hi, term.lo + own * d.lo));
    } else {
        let factor = own * statistics.rstd;
        let term = product(factor, d.hi);
        to.gy = add_pairs(sums.gy, Pair(term.hi, term.lo + factor * (d.lo - mean_lo(statistics))));
    }
    if ZERO_MEAN {
        to.y = add_pairs(sums.y, Pair(select(Pack(0.0), d.hi, counts), select(Pack(0.0), d.lo, counts)));
    }
    return to;
}

// With what `count` elements share.
fn scaled(sums: Sums, statistics: Statistics, count: u32) -> Sums {
    var to = sums;
    let lo = Pack(-mean_lo(statistics));
    let rstd = Pack(statistics.rstd);
    if STATS_FIXED {
        to.gy = times(add_pairs(sums.gy, times(sums.g, lo)), rstd);
    }
    if ZERO_MEAN {
        to.y = times(add_pairs(sums.y, product(Pack(f32(count)), lo)), rstd * params.mean_share);
    }
    return to;
}

// ---- group_sums
// What is summed up of a group, or of a part of it: g, and g * y with the normalized y, as hi and lo; and the mean of
// y, to which a part has its share. Of a group that is normalized as a whole that mean is zero, but for the digits of
// the mean of x that f32 has no room for.

struct GroupSums {
    g: vec2<f32>,
    gy: vec2<f32>,
    y: vec2<f32>,
}

// Takes the mean of y out of the sums of a whole group. A larger one than rounding leaves is that of statistics of
// something else, which a caller may have given.
fn whole_or_part(sums: GroupSums) -> GroupSums {
    if params.whole == 0u {
        return sums;
    }
    let mean = sums.y.x + sums.y.y;
    let lost = (sums.g.x + sums.g.y) * select(0.0, mean, abs(mean) < 2e-5);
    return GroupSums(sums.g, vec2<f32>(sums.gy.x, sums.gy.y - lost), vec2<f32>());
}

// ---- team_sums
// Adds up the sums of a team's lanes, as hi + lo: what team_sum adds up has so few digits that nothing is rounded, and
// the rest is small.
// Uniformity: as team_sum.

// 1.5 times a power of two, of which v + it - it is a multiple of a digit so coarse that f32 holds any sum of those v.
// Where it would be an infinity, zero, which leaves all of v.
fn grid_of(sum_of_magnitudes: f32) -> f32 {
    let power = (bitcast<u32>(sum_of_magnitudes) & 0x7f800000u) + 0x01000000u;
    return select(1.5 * bitcast<f32>(power), 0.0, !(sum_of_magnitudes < 1e37));
}

fn team_sums(sums: Sums, team: Team) -> GroupSums {
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

// ---- partial_column_sums
// The sums of a pack of columns are left for the pass that merges them.

// Those of a row of columns begin at `first`.
fn put_column_sums__partial_column_sums(first: u32, column: u32, sums: Sums) {
    for (var i = 0u; i < PACK; i += 1u) {
        let g = vec2<f32>(pack_component(sums.g.hi, i), pack_component(sums.g.lo, i));
        let gy = vec2<f32>(pack_component(sums.gy.hi, i), pack_component(sums.gy.lo, i));
        let y = vec2<f32>(pack_component(sums.y.hi, i), pack_component(sums.y.lo, i));
        partial_sums[first + column * PACK + i] = whole_or_part(GroupSums(g, gy, y));
    }
}

// ---- column_gradients
// The sums of all of a column are the gradients of its weight and bias.

// Those of a row of columns begin at `first`.
fn put_column_sums__column_gradients(first: u32, column: u32, sums: Sums) {
    put_grad_bias(first / PACK + column, sums.g.hi + sums.g.lo);
    put_grad_weight(first / PACK + column, sums.gy.hi + sums.gy.lo);
}

// ---- from_hi_lo
// Partial sums that are kept as hi and lo.

// Whether they have it.
const MEAN_OF_Y__from_hi_lo: bool = true;

fn partial_at__from_hi_lo(i: u32) -> GroupSums {
    return partial_sums[i];
}

fn put_partial__from_hi_lo(i: u32, sums: GroupSums) {
    partial_sums[i] = sums;
}

// ---- from_numbers
// Partial sums of g and g * y that are f32, of rows with statistics of their own: their y has a mean of zero in no
// column.

// Whether they have it.
const MEAN_OF_Y__from_numbers: bool = false;

fn partial_at__from_numbers(i: u32) -> GroupSums {
    let sums = partial_sums[i];
    return GroupSums(vec2<f32>(sums.x, 0.0), vec2<f32>(sums.y, 0.0), vec2<f32>());
}

fn put_partial__from_numbers(i: u32, sums: GroupSums) {
    partial_sums[i] = vec2<f32>(sums.g.x + sums.g.y, sums.gy.x + sums.gy.y);
}

// ---- to_nothing
// Only the gradients of weight and bias are asked for.

fn put_merged_sums__to_nothing(group: u32, sums: GroupSums) {
}

// ---- to_partial_sums
// Merged sums are partial sums for the next pass, in the place of the first of those that they were merged of.

fn put_merged_sums__to_partial_sums(group: u32, sums: GroupSums) {
    put_partial(group, sums);
}

// ---- to_coefficients
// What the gradient of the input loses through the statistics of a group: the mean of g, and its share along y. Two
// regions.

fn put_merged_sums__to_coefficients(group: u32, sums: GroupSums) {
    let first = group * params.copies;
    let rstd = load_statistics(2u * params.stats_stride + first);
    // Where norms are scaled, this is their scale.
    let scale = select(1.0, load_statistics(first), SCALED);
    let g_mean = select(0.0, (sums.g.x + sums.g.y) / params.count, CENTERED);
    let gy = (sums.gy.x + sums.gy.y) * pull(params.count, rstd, scale);
    // Its end depends on the invocation, as that of the loop in the kernel does.
    for (var i = first; i < first + params.copies; i += 1u) {
        store_coefficients(i, g_mean);
        store_coefficients(params.stats_stride + i, gy);
    }
}
