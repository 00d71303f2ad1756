// A bias: a pack for each position, or one value for a row or channel, as load_bias says.
// Provides bias_at, apply_bias. Requires Param.

fn bias_at(i: u32) -> Param {
    return load_bias(i);
}

fn apply_bias(y: Pack, bias: Param) -> Pack {
    return y + bias;
}
