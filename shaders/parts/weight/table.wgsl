// A weight: a pack for each position, or one value for a row or channel, as load_weight says.
// Provides weight_at, apply_weight. Requires Param, ParamAt, params.weight_offset (1 for a zero-centred weight, else 0).

fn weight_at(i: ParamAt) -> Param {
    return load_weight(i) + params.weight_offset;
}

fn apply_weight(y: Pack, weight: Param) -> Pack {
    return y * weight;
}
