// weight, stored as f32: a pack a position, or one value a channel, as Param says.
// Provides apply_weight. Requires Pack, Param, params.weight_offset (1 for a zero-centred weight, else 0).

@group(0) @binding(2) var<storage, read> weight: array<Param>;

fn apply_weight(y: Pack, i: u32) -> Pack {
    return y * (weight[i] + params.weight_offset);
}
