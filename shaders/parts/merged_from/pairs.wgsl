// Partial sums that are kept as hi and lo.
// Provides MEAN_OF_Y, partial_at, put_partial. Requires group_sums.

// Whether they have it.
const MEAN_OF_Y: bool = true;

fn partial_at(i: u32) -> GroupSums {
    return partial_sums[i];
}

fn put_partial(i: u32, sums: GroupSums) {
    partial_sums[i] = sums;
}
