// Partial sums of g and g * y that are f32, of rows with statistics of their own: their y has a mean of zero in no
// column.
// Provides MEAN_OF_Y, partial_at, put_partial. Requires group_sums.

// Whether they have it.
const MEAN_OF_Y: bool = false;

fn partial_at(i: u32) -> GroupSums {
    let sums = partial_sums[i];
    return GroupSums(vec2<f32>(sums.x, 0.0), vec2<f32>(sums.y, 0.0), vec2<f32>());
}

fn put_partial(i: u32, sums: GroupSums) {
    partial_sums[i] = vec2<f32>(sums.g.x + sums.g.y, sums.gy.x + sums.gy.y);
}
