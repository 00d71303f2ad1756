// A weight: a pack for each position, or one value for a row or channel, as load_weight says.
// Provides weight_at, apply_weight. Requires Param, params.weight_offset (1 for a zero-centred weight, else 0).

fn weight_at(i: u32) -> Param {
    return load_weight(i) + params.weight_offset;
}

fn apply_weight(y: Pack, weight: Param) -> Pack {
    return y * weight;
}
