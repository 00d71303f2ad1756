// The weight and the bias of a pack, loaded together so that a kernel can keep them.
// Provides Affine, affine_at. Requires weight_at, bias_at.

struct Affine {
    weight: Param,
    bias: Param,
}

fn affine_at(i: u32) -> Affine {
    return Affine(weight_at(i), bias_at(i));
}
