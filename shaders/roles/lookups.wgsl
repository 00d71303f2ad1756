// Lookups: the statistics and weights of an element, where a kernel does not take them itself.

// ---- row index
//
// The lookup of a row's statistics, weight and bias.
//
// An index is row / rows * quotient + row % rows * remainder, plus what the column adds, with rows, quotient and
// remainder from params.

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

// ---- statistics: no_statistics
//
// Nothing depends on the statistics.

struct Statistics__no_statistics {
    rstd: Stat,
}

fn statistics_at__no_statistics(i: StatAt) -> Statistics__no_statistics {
    return Statistics__no_statistics(Stat(0.0));
}

fn scaled_input__no_statistics(x: Pack, statistics: Statistics__no_statistics) -> Pack {
    return x;
}

fn mean_hi__no_statistics(statistics: Statistics__no_statistics) -> Stat {
    return Stat(0.0);
}

fn mean_lo__no_statistics(statistics: Statistics__no_statistics) -> Stat {
    return Stat(0.0);
}

fn normalize__no_statistics(x: Pack, statistics: Statistics__no_statistics) -> Pack {
    return x;
}

fn by_rstd__no_statistics(v: Pack, statistics: Statistics__no_statistics) -> Pack {
    return v * statistics.rstd;
}

// ---- statistics: batch_statistics
//
// Statistics from an earlier pass, in three regions: the mean's hi, its lo, and rstd.

struct Statistics__batch_statistics {
    hi: Stat,
    lo: Stat,
    rstd: Stat,
}

fn statistics_at__batch_statistics(i: StatAt) -> Statistics__batch_statistics {
    let lo = load_statistics(params.stats_stride + i);
    return Statistics__batch_statistics(load_statistics(i), lo, load_statistics(2u * params.stats_stride + i));
}

fn scaled_input__batch_statistics(x: Pack, statistics: Statistics__batch_statistics) -> Pack {
    return x;
}

fn mean_hi__batch_statistics(statistics: Statistics__batch_statistics) -> Stat {
    return statistics.hi;
}

fn mean_lo__batch_statistics(statistics: Statistics__batch_statistics) -> Stat {
    return statistics.lo;
}

// x - hi comes first and stays on its own: f32 cannot hold hi + lo of data with a large offset.
fn normalize__batch_statistics(x: Pack, statistics: Statistics__batch_statistics) -> Pack {
    return (opaque(x - statistics.hi) - statistics.lo) * statistics.rstd;
}

fn by_rstd__batch_statistics(v: Pack, statistics: Statistics__batch_statistics) -> Pack {
    return v * statistics.rstd;
}

// ---- statistics: norm_statistics
//
// Norms from an earlier pass, in three regions: a scale, nothing, and the factor of elements times this scale.

struct Statistics__norm_statistics {
    scale: Stat,
    rstd: Stat,
}

fn statistics_at__norm_statistics(i: StatAt) -> Statistics__norm_statistics {
    return Statistics__norm_statistics(load_statistics(i), load_statistics(2u * params.stats_stride + i));
}

fn scaled_input__norm_statistics(x: Pack, statistics: Statistics__norm_statistics) -> Pack {
    return x * statistics.scale;
}

fn mean_hi__norm_statistics(statistics: Statistics__norm_statistics) -> Stat {
    return Stat(0.0);
}

fn mean_lo__norm_statistics(statistics: Statistics__norm_statistics) -> Stat {
    return Stat(0.0);
}

fn normalize__norm_statistics(x: Pack, statistics: Statistics__norm_statistics) -> Pack {
    return x * statistics.scale * statistics.rstd;
}

fn by_rstd__norm_statistics(v: Pack, statistics: Statistics__norm_statistics) -> Pack {
    return v * statistics.rstd * statistics.scale;
}

// ---- statistics: running_statistics
//
// Running statistics: batch norm inference.

struct Statistics__running_statistics {
    mean: Stat,
    rstd: Stat,
}

fn statistics_at__running_statistics(i: StatAt) -> Statistics__running_statistics {
    return Statistics__running_statistics(load_running_mean(i), inverseSqrt(load_running_var(i) + params.eps));
}

fn scaled_input__running_statistics(x: Pack, statistics: Statistics__running_statistics) -> Pack {
    return x;
}

fn mean_hi__running_statistics(statistics: Statistics__running_statistics) -> Stat {
    return statistics.mean;
}

fn mean_lo__running_statistics(statistics: Statistics__running_statistics) -> Stat {
    return Stat(0.0);
}

fn normalize__running_statistics(x: Pack, statistics: Statistics__running_statistics) -> Pack {
    return (x - statistics.mean) * statistics.rstd;
}

fn by_rstd__running_statistics(v: Pack, statistics: Statistics__running_statistics) -> Pack {
    return v * statistics.rstd;
}
