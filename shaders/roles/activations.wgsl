// Activations: functions of each element of the result, and their derivatives.

// ---- exponential
//
// Exponentials of numbers that are not positive, and functions of them that keep their digits at either end.

// 0 below 1.7e-38, since devices treat subnormal numbers differently.
fn exp_minus(a: Pack) -> Pack {
    let ends = a > Pack(87.0);
    return select(exp(-select(a, Pack(87.0), ends)), Pack(0.0), ends);
}

fn sigmoid(u: Pack) -> Pack {
    let e = exp_minus(abs(u));
    return pack_nan_of(u, select(Pack(1.0), e, u < Pack(0.0)) / (1.0 + e));
}

// s * (1 - s), where 1 - s would lose all digits at large u.
fn sigmoid_derivative(u: Pack) -> Pack {
    let e = exp_minus(abs(u));
    return pack_nan_of(u, e / ((1.0 + e) * (1.0 + e)));
}

// ---- activation: identity
//
// No activation.

fn activate__identity(u: Pack) -> Pack {
    return u;
}

// ---- activation: relu
//
// relu: max(u, 0), but a NaN stays. Its derivative at 0 is 0.

fn activate__relu(u: Pack) -> Pack {
    return pack_nan_of(u, select(u, Pack(0.0), u < Pack(0.0)));
}

fn activation_derivative__relu(u: Pack) -> Pack {
    return select(Pack(1.0), Pack(0.0), u <= Pack(0.0));
}

// ---- activation: gelu
//
// gelu: u * Phi(u). The normal distribution function is a Chebyshev fit of erfc with a relative error below 1.2e-7
// (Press et al., Numerical Recipes, 6.2: erfcc).

// Beyond 14 standard deviations nothing is left in f32, and squares stay finite.
fn bounded__gelu(u: Pack) -> Pack {
    return clamp(u, Pack(-14.0), Pack(14.0));
}

fn normal_distribution(u: Pack) -> Pack {
    let z = abs(bounded__gelu(u)) * 0.70710678;
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
        + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    let tail = 0.5 * t * exp_minus(z * z - p);
    return pack_nan_of(u, select(1.0 - tail, tail, u < Pack(0.0)));
}

fn activate__gelu(u: Pack) -> Pack {
    return u * normal_distribution(u);
}

fn activation_derivative__gelu(u: Pack) -> Pack {
    let c = bounded__gelu(u);
    return normal_distribution(u) + c * (0.3989423 * exp_minus(0.5 * c * c));
}

// ---- activation: gelu_tanh
//
// gelu by tanh: u / 2 * (1 + tanh(v / 2)) with v = 2 sqrt(2 / pi) * (u + 0.044715 u^3), which is u * sigmoid(v).

// Beyond 20 the sigmoid is 0 or 1; u^3 stays finite.
fn bounded__gelu_tanh(u: Pack) -> Pack {
    return pack_nan_of(u, clamp(u, Pack(-20.0), Pack(20.0)));
}

fn argument(c: Pack) -> Pack {
    return 1.5957691 * (c + 0.044715 * c * c * c);
}

fn activate__gelu_tanh(u: Pack) -> Pack {
    return u * sigmoid(argument(bounded__gelu_tanh(u)));
}

fn activation_derivative__gelu_tanh(u: Pack) -> Pack {
    let c = bounded__gelu_tanh(u);
    let v = argument(c);
    return sigmoid(v) + c * 1.5957691 * (1.0 + 0.134145 * c * c) * sigmoid_derivative(v);
}

// ---- activation: silu
//
// silu: u * sigmoid(u).

fn activate__silu(u: Pack) -> Pack {
    return u * sigmoid(u);
}

fn activation_derivative__silu(u: Pack) -> Pack {
    return sigmoid(u) + u * sigmoid_derivative(u);
}

// ---- activation: sigmoid
//
// sigmoid: 1 / (1 + exp(-u)).

fn activate__sigmoid(u: Pack) -> Pack {
    return sigmoid(u);
}

fn activation_derivative__sigmoid(u: Pack) -> Pack {
    return sigmoid_derivative(u);
}

// ---- activation: tanh
//
// tanh.

// Near 0, where 1 - exp cancels, the odd Taylor polynomial.
fn hyperbolic_tangent(u: Pack) -> Pack {
    let a = abs(u);
    let e = exp_minus(2.0 * a);
    let s = u * u;
    let small = u * (1.0 + s * (-0.33333334 + s * (0.13333334 - s * 0.053968254)));
    return pack_nan_of(u, select(sign(u) * ((1.0 - e) / (1.0 + e)), small, a < Pack(0.25)));
}

// 1 - tanh(u)^2 without its cancellation.
fn hyperbolic_tangent_derivative(u: Pack) -> Pack {
    return 4.0 * sigmoid_derivative(2.0 * u);
}

fn activate__tanh(u: Pack) -> Pack {
    return hyperbolic_tangent(u);
}

fn activation_derivative__tanh(u: Pack) -> Pack {
    return hyperbolic_tangent_derivative(u);
}

// ---- activation: quick_gelu
//
// quick_gelu: u * sigmoid(1.702 u).

// Beyond 60 the sigmoid is 0 or 1; its argument stays finite.
fn bounded__quick_gelu(u: Pack) -> Pack {
    return pack_nan_of(u, clamp(u, Pack(-60.0), Pack(60.0)));
}

fn activate__quick_gelu(u: Pack) -> Pack {
    return u * sigmoid(1.702 * bounded__quick_gelu(u));
}

fn activation_derivative__quick_gelu(u: Pack) -> Pack {
    let v = 1.702 * bounded__quick_gelu(u);
    return sigmoid(v) + v * sigmoid_derivative(v);
}

// ---- activation: leaky_relu
//
// leaky_relu: u, and u / 100 below 0. Its derivative at 0 is 0.01.

// Either side has a NaN of u.
fn activate__leaky_relu(u: Pack) -> Pack {
    return select(u, 0.01 * u, u < Pack(0.0));
}

fn activation_derivative__leaky_relu(u: Pack) -> Pack {
    return select(Pack(1.0), Pack(0.01), u <= Pack(0.0));
}

// ---- activation: relu6
//
// relu6: u between 0 and 6, but a NaN stays. Its derivative at 0 and 6 is 0.

fn activate__relu6(u: Pack) -> Pack {
    return pack_nan_of(u, clamp(u, Pack(0.0), Pack(6.0)));
}

fn activation_derivative__relu6(u: Pack) -> Pack {
    return select(Pack(1.0), Pack(0.0), (u <= Pack(0.0)) | (u >= Pack(6.0)));
}

// ---- activation: hard_swish
//
// hard_swish: u * relu6(u + 3) / 6. Its derivative is 0 at -3, and 1 at 3.

// The factor is 1 in f32 above 3. The product of u and 6 could overflow.
fn activate__hard_swish(u: Pack) -> Pack {
    return u * (0.16666667 * clamp(u + 3.0, Pack(0.0), Pack(6.0)));
}

fn activation_derivative__hard_swish(u: Pack) -> Pack {
    let inside = 0.33333334 * u + 0.5;
    return select(select(inside, Pack(1.0), u >= Pack(3.0)), Pack(0.0), u <= Pack(-3.0));
}

// ---- activation: softplus
//
// softplus: log(1 + exp(u)), which is max(u, 0) + log(1 + exp(-|u|)). Above 20 that is u: the rest is below an ulp.

// log(1 + e) for e in [0, 1], as 2 artanh(e / (2 + e)) by its Taylor polynomial. 1 + e would lose the digits of e, and
// the logarithm of WGSL may be off by 2^-21 near 1.
fn log_1_plus(e: Pack) -> Pack {
    let t = e / (2.0 + e);
    let s = t * t;
    let series = 1.0 + s * (0.33333334 + s * (0.2 + s * (0.14285715 + s * (0.11111111
        + s * (0.09090909 + s * 0.07692308)))));
    return 2.0 * t * series;
}

fn activate__softplus(u: Pack) -> Pack {
    let tail = log_1_plus(exp_minus(abs(u)));
    return pack_nan_of(u, select(u, Pack(0.0), u < Pack(0.0)) + tail);
}

fn activation_derivative__softplus(u: Pack) -> Pack {
    return sigmoid(u);
}
