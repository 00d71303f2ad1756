// Merged sums are partial sums for the next pass, in the place of the first of those that they were merged of.
// Provides put_merged_sums.

fn put_merged_sums(group: u32, g_sum: f32, gy_sum: f32) {
    partial_sums[group] = vec2<f32>(g_sum, gy_sum);
}
