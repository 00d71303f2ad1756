// A bias: a pack for each position, or one value for a row or channel, as load_bias says.
// Provides bias_at, apply_bias. Requires Param, ParamAt.

fn bias_at(i: ParamAt) -> Param {
    return load_bias(i);
}

fn apply_bias(y: Pack, bias: Param) -> Pack {
    return y + bias;
}
