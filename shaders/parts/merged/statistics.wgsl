// Merged statistics go to the pass that applies them.
// Provides put_merged. Requires scale, save, params.members, params.stats_stride.

fn put_merged(group: u32, mean: Pair, m2: f32, count: f32) {
    let variance = m2 / count;
    let whole = mean.hi + mean.lo;
    let rstd = rstd_of(power(whole, variance), count);
    let hi = select(0.0, mean.hi, CENTERED);
    let lo = select(0.0, mean.lo, CENTERED);
    for (var member = 0u; member < params.members; member += 1u) {
        let i = group * params.members + member;
        store_statistics(i, hi);
        store_statistics(params.stats_stride + i, lo);
        store_statistics(2u * params.stats_stride + i, rstd);
    }
    save(group, mean.hi, mean.lo, rstd);
}
