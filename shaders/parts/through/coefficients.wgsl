// Takes from the gradient what the statistics lose, by two coefficients that an earlier pass merged.
// Provides through_statistics. Requires slope, params.stats_stride.

fn through_statistics(g: Pack, y: Pack, i: u32) -> Pack {
    return g - load_coefficients(i) - slope(y) * load_coefficients(params.stats_stride + i);
}
