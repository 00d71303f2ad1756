// Merged statistics go to the caller, as those of a part of a batch.
// Provides put_merged.

fn put_merged(group: u32, mean: Pair, m2: f32, count: f32) {
    moments[group] = vec4<f32>(mean.hi, mean.lo, m2, count);
}
