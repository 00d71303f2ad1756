// The weight and the bias of a pack, loaded together so that a kernel can keep them.
// Provides Affine, affine_at. Requires weight_at, bias_at, ParamAt.

struct Affine {
    weight: Param,
    bias: Param,
}

fn affine_at(i: ParamAt) -> Affine {
    return Affine(weight_at(i), bias_at(i));
}
