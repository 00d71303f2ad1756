// Sums of g and of g * y of a lane's elements, y the normalized x, by arithmetic of 48 digits: elements that share
// their statistics, and values that repeat, have rounding errors that are alike, and would add up.
//
// Provides Sums, with_element, scaled. Requires pack, real as wide as pack, two_sum, pairs, statistics,
// params.mean_share.
// STATS_FIXED: the elements share their statistics. ZERO_MEAN: groups are what those were taken of.

// With STATS_FIXED they lack what all elements share: y is x - mean_hi.
struct Sums {
    g: Pair,
    gy: Pair,
    y: Pair,
}

fn with_element(sums: Sums, g: Pack, x: Pack, statistics: Statistics, counts: bool) -> Sums {
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

// With what `count` elements share.
fn scaled(sums: Sums, statistics: Statistics, count: u32) -> Sums {
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
