// Affine: weight, bias and the residual after them.

// ---- weight: no_weight
//
// No weight.

fn weight_at__no_weight(i: AffineAt) -> AffineValue {
    return AffineValue(0.0);
}

fn apply_weight__no_weight(y: Pack, weight: AffineValue) -> Pack {
    return y;
}

// ---- weight: weight
//
// A weight: one for each position, or one for a row or channel, as load_weight says.

fn weight_at__weight(i: AffineAt) -> AffineValue {
    return load_weight(i) + params.weight_offset;
}

fn apply_weight__weight(y: Pack, weight: AffineValue) -> Pack {
    return y * weight;
}

// ---- bias: no_bias
//
// No bias.

fn bias_at__no_bias(i: AffineAt) -> AffineValue {
    return AffineValue(0.0);
}

fn apply_bias__no_bias(y: Pack, bias: AffineValue) -> Pack {
    return y;
}

// ---- bias: bias
//
// A bias: one for each position, or one for a row or channel, as load_bias says.

fn bias_at__bias(i: AffineAt) -> AffineValue {
    return load_bias(i);
}

fn apply_bias__bias(y: Pack, bias: AffineValue) -> Pack {
    return y + bias;
}

// ---- affine
//
// The weight and the bias of a pack, loaded together so that a kernel can hold them.

struct Affine {
    weight: AffineValue,
    bias: AffineValue,
}

fn affine_at(i: AffineAt) -> Affine {
    return Affine(weight_at(i), bias_at(i));
}

// ---- after: no_after
//
// No residual is added behind weight and bias.

fn add_after__no_after(u: Pack, at: At) -> Pack {
    return u;
}

// ---- after: after
//
// The residual is added behind weight and bias: batch norm.

fn add_after__after(u: Pack, at: At) -> Pack {
    return u + load_residual(at);
}
