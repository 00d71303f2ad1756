// The statistics are given: the gradient does not go through them.
// Provides through_statistics.

fn through_statistics(g: Pack, y: Pack, i: u32) -> Pack {
    return g;
}
