// No weight.
// Provides apply_weight. Requires Pack.

fn apply_weight(y: Pack, i: u32) -> Pack {
    return y;
}
