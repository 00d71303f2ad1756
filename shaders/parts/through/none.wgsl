// The statistics are given: the gradient does not go through them.
// Provides Lost, lost_at, through_statistics. Requires Stat, StatAt.

struct Lost {
    mean: Stat,
}

fn lost_at(i: StatAt) -> Lost {
    return Lost(Stat(0.0));
}

fn through_statistics(g: Pack, y: Pack, lost: Lost) -> Pack {
    return g;
}
