// Merged statistics go to the pass that applies them.
// Provides put_merged. Requires scale, save, params.members, params.stats_stride.

fn put_member(i: u32, hi: f32, lo: f32, rstd: f32) {
    store_statistics(i, hi);
    store_statistics(params.stats_stride + i, lo);
    store_statistics(2u * params.stats_stride + i, rstd);
}

fn put_merged(group: u32, mean: Pair, m2: f32, count: f32) {
    let variance = m2 / count;
    let whole = mean.hi + mean.lo;
    let rstd = rstd_of(power(whole, variance), count, 1.0);
    let hi = select(0.0, mean.hi, CENTERED);
    let lo = select(0.0, mean.lo, CENTERED);
    let first = group * params.members;
    put_member(first, hi, lo, rstd);
    // Not entered for the first: where there are many groups, a loop for each is as many turns of the invocation.
    for (var i = first + 1u; i < first + params.members; i += 1u) {
        put_member(i, hi, lo, rstd);
    }
    save(group, mean.hi, mean.lo, rstd);
}
