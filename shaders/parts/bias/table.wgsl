// A bias: a pack for each position, or one value for a row or channel, as load_bias says.
// Provides apply_bias.

fn apply_bias(y: Pack, i: u32) -> Pack {
    return y + load_bias(i);
}
