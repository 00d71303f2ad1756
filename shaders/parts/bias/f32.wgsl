// bias, stored as f32: a pack a position, or one value a channel, as Param says.
// Provides apply_bias. Requires Pack, Param.

@group(0) @binding(3) var<storage, read> bias: array<Param>;

fn apply_bias(y: Pack, i: u32) -> Pack {
    return y + bias[i];
}
