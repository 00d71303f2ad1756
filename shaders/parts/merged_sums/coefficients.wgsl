// What the gradient of the input loses through the statistics of a group: the mean of g, and its share along y. Two regions.
// Provides put_merged_sums. Requires scale, params.copies, params.stats_stride, params.count.

fn put_merged_sums(group: u32, sums: GroupSums) {
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
