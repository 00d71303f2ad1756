// No bias.
// Provides bias_at, apply_bias. Requires Param, ParamAt.

fn bias_at(i: ParamAt) -> Param {
    return Param();
}

fn apply_bias(y: Pack, bias: Param) -> Pack {
    return y;
}
