// What the gradient of the input loses through the statistics of a group: the mean of g, and its share along y. Two regions.
// Provides put_merged_sums. Requires scale, weight, params.members, params.stats_stride, params.count.

fn put_merged_sums(group: u32, g_sum: f32, gy_sum: f32) {
    let weight = weight_at(group);
    let rstd = load_statistics(2u * params.stats_stride + group * params.members);
    let g_mean = select(0.0, apply_weight(g_sum, weight) / params.count, CENTERED);
    let gy = apply_weight(gy_sum, weight) * pull(params.count, rstd);
    for (var member = 0u; member < params.members; member += 1u) {
        store_coefficients(group * params.members + member, g_mean);
        store_coefficients(params.stats_stride + group * params.members + member, gy);
    }
}
