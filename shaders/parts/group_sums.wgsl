// What is summed up of a group, or of a part of it: g, and g * y with the normalized y, as hi and lo; and the mean of
// y, to which a part has its share. Of a group that is normalized as a whole that mean is zero, but for the digits of
// the mean of x that f32 has no room for.
// Provides GroupSums, whole_or_part. Requires params.whole: 1 where sums are those of a whole group.

struct GroupSums {
    g: vec2<f32>,
    gy: vec2<f32>,
    y: vec2<f32>,
}

// Takes the mean of y out of the sums of a whole group. A larger one than rounding leaves is that of statistics of
// something else, which a caller may have given.
fn whole_or_part(sums: GroupSums) -> GroupSums {
    if params.whole == 0u {
        return sums;
    }
    let mean = sums.y.x + sums.y.y;
    let lost = (sums.g.x + sums.g.y) * select(0.0, mean, abs(mean) < 2e-5);
    return GroupSums(sums.g, vec2<f32>(sums.gy.x, sums.gy.y - lost), vec2<f32>());
}
