// Takes from the gradient what the statistics lose, by two coefficients that an earlier pass merged.
// Provides Lost, lost_at, through_statistics. Requires Stat, StatAt, slope, params.stats_stride.

struct Lost {
    mean: Stat, // of g
    along: Stat, // its share along y
}

fn lost_at(i: StatAt) -> Lost {
    return Lost(load_coefficients(i), load_coefficients(params.stats_stride + i));
}

fn through_statistics(g: Pack, y: Pack, lost: Lost) -> Pack {
    return g - lost.mean - slope(y) * lost.along;
}
