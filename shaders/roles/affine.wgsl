// Affine: weight, bias, and the residual or the gate after them.

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
// Nothing follows weight and bias.

fn apply_after__no_after(u: Pack, at: At) -> Pack {
    return u;
}

// ---- after: residual_after
//
// The residual is added behind weight and bias.

fn apply_after__residual_after(u: Pack, at: At) -> Pack {
    return u + load_residual(at);
}

// ---- after: gate_after
//
// The gate's factor comes behind weight and bias.

fn apply_after__gate_after(u: Pack, at: At) -> Pack {
    return u * gate_factor(load_gate(at));
}

// ---- after: gate_and_residual_after
//
// The gate's factor comes behind weight and bias, and then the residual.

fn apply_after__gate_and_residual_after(u: Pack, at: At) -> Pack {
    return u * gate_factor(load_gate(at)) + load_residual(at);
}

// ---- gate: gate_identity
//
// The gate is its own factor.

fn gate_factor__gate_identity(gate: Pack) -> Pack {
    return gate;
}

fn gate_derivative__gate_identity(gate: Pack) -> Pack {
    return Pack(1.0);
}

// ---- gate: gate_one_plus
//
// The gate's factor is 1 + gate.

fn gate_factor__gate_one_plus(gate: Pack) -> Pack {
    return 1.0 + gate;
}

fn gate_derivative__gate_one_plus(gate: Pack) -> Pack {
    return Pack(1.0);
}

// ---- gate: gate_silu
//
// The gate's factor is gate * sigmoid(gate).

fn gate_factor__gate_silu(gate: Pack) -> Pack {
    return gate * sigmoid(gate);
}

fn gate_derivative__gate_silu(gate: Pack) -> Pack {
    return sigmoid(gate) + gate * sigmoid_derivative(gate);
}

// ---- gate: gate_sigmoid
//
// The gate's factor is sigmoid(gate).

fn gate_factor__gate_sigmoid(gate: Pack) -> Pack {
    return sigmoid(gate);
}

fn gate_derivative__gate_sigmoid(gate: Pack) -> Pack {
    return sigmoid_derivative(gate);
}

// ---- gate: gate_tanh
//
// The gate's factor is tanh(gate).

fn gate_factor__gate_tanh(gate: Pack) -> Pack {
    return hyperbolic_tangent(gate);
}

fn gate_derivative__gate_tanh(gate: Pack) -> Pack {
    return hyperbolic_tangent_derivative(gate);
}
