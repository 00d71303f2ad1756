// Merged sums of a norm go to the pass that divides by it, as a scale and a factor for what was multiplied by that:
// either may be more than f32 holds of both.
// Provides put_merged. Requires scale, save, params.members, params.stats_stride.

// The sums at three scales, and their count.
fn put_merged(group: u32, first_two: Pair, third: f32, count: f32) {
    let sums = vec3<f32>(first_two.hi, first_two.lo, third);
    let scale = scale_of(sums);
    let factor = rstd_of(at_scale(sums, scale) / count, count, scale);
    for (var i = group * params.members; i < (group + 1u) * params.members; i += 1u) {
        store_statistics(i, scale);
        store_statistics(params.stats_stride + i, 0.0);
        store_statistics(2u * params.stats_stride + i, factor);
    }
    save(group, 0.0, 0.0, factor * scale);
}
