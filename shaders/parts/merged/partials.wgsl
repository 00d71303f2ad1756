// Merged statistics are partial statistics for the next pass, in the place of the first of those that they were merged of.
// Provides put_merged.

fn put_merged(group: u32, mean: Pair, m2: f32, count: f32) {
    partials[group] = vec4<f32>(mean.hi, mean.lo, m2, count);
}
