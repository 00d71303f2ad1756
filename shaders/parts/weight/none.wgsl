// No weight.
// Provides weight_at, apply_weight. Requires Param, ParamAt.

fn weight_at(i: ParamAt) -> Param {
    return Param(0.0);
}

fn apply_weight(y: Pack, weight: Param) -> Pack {
    return y;
}
