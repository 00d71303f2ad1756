// A weight: a pack for each position, or one value for a row or channel, as load_weight says.
// Provides apply_weight. Requires params.weight_offset (1 for a zero-centred weight, else 0).

fn apply_weight(y: Pack, i: u32) -> Pack {
    return y * (load_weight(i) + params.weight_offset);
}
