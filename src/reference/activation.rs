//! Activations and their derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::types::{Activation, GateFunction};

fn sigmoid(u: f64) -> f64 {
    1.0 / (1.0 + (-u).exp())
}

/// The normal distribution function.
fn phi(u: f64) -> f64 {
    0.5 * libm::erfc(-u * FRAC_1_SQRT_2)
}

/// The argument of gelu's tanh, and its derivative.
fn gelu_tanh_inner(u: f64) -> (f64, f64) {
    let scale = (2.0 / PI).sqrt();
    (scale * (u + 0.044_715 * u.powi(3)), scale * (1.0 + 3.0 * 0.044_715 * u * u))
}

/// The factor of the argument of `quick_gelu`.
const QUICK_GELU: f64 = 1.702;

/// The derivative of `leaky_relu` below 0.
const LEAK: f64 = 0.01;

/// softplus is its argument above this, as in PyTorch. There it is larger than its argument by 2e-9.
const SOFTPLUS_THRESHOLD: f64 = 20.0;

pub(super) fn apply(activation: Activation, u: f64) -> f64 {
    match activation {
        Activation::None => u,
        Activation::Relu => {
            if u < 0.0 {
                0.0
            } else {
                u
            }
        }
        Activation::Gelu => u * phi(u),
        Activation::GeluTanh => 0.5 * u * (1.0 + gelu_tanh_inner(u).0.tanh()),
        Activation::Silu => u * sigmoid(u),
        Activation::Sigmoid => sigmoid(u),
        Activation::Tanh => u.tanh(),
        Activation::QuickGelu => u * sigmoid(QUICK_GELU * u),
        Activation::LeakyRelu => {
            if u < 0.0 {
                LEAK * u
            } else {
                u
            }
        }
        Activation::Relu6 => u.clamp(0.0, 6.0),
        Activation::HardSwish => u * ((u + 3.0).clamp(0.0, 6.0) / 6.0),
        Activation::Softplus => {
            if u > SOFTPLUS_THRESHOLD {
                u
            } else {
                u.exp().ln_1p()
            }
        }
    }
}

/// The derivative of the sigmoid. `s * (1 - s)` would lose all digits at large u.
fn sigmoid_derivative(u: f64) -> f64 {
    let e = (-u.abs()).exp();
    e / (1.0 + e).powi(2)
}

pub(super) fn derivative(activation: Activation, u: f64) -> f64 {
    match activation {
        Activation::None => 1.0,
        Activation::Relu => {
            if u <= 0.0 {
                0.0
            } else {
                1.0
            }
        }
        Activation::Gelu => phi(u) + u * (-0.5 * u * u).exp() / (2.0 * PI).sqrt(),
        // (1 + tanh(v)) / 2 is the sigmoid of 2 v.
        Activation::GeluTanh => {
            let (inner, inner_derivative) = gelu_tanh_inner(u);
            sigmoid(2.0 * inner) + u * 2.0 * inner_derivative * sigmoid_derivative(2.0 * inner)
        }
        Activation::Silu => sigmoid(u) + u * sigmoid_derivative(u),
        Activation::Sigmoid => sigmoid_derivative(u),
        Activation::Tanh => 4.0 * sigmoid_derivative(2.0 * u),
        Activation::QuickGelu => sigmoid(QUICK_GELU * u) + QUICK_GELU * u * sigmoid_derivative(QUICK_GELU * u),
        Activation::LeakyRelu => {
            if u <= 0.0 {
                LEAK
            } else {
                1.0
            }
        }
        Activation::Relu6 => {
            if u <= 0.0 || u >= 6.0 {
                0.0
            } else {
                1.0
            }
        }
        Activation::HardSwish => {
            if u <= -3.0 {
                0.0
            } else if u >= 3.0 {
                1.0
            } else {
                u / 3.0 + 0.5
            }
        }
        Activation::Softplus => {
            if u > SOFTPLUS_THRESHOLD {
                1.0
            } else {
                sigmoid(u)
            }
        }
    }
}

/// The scale of a derivative's error: its magnitude, or its curvature times the magnitudes of the argument's terms.
pub(super) fn derivative_scale(activation: Activation, terms: &[f64; 3]) -> f64 {
    const STEP: f64 = 1e-3;
    /// Exponentials in f32 end at e^-87, and a derivative is at most 600 times one. A derivative below 1e-35 may be
    /// zero. Its error is then 2e-5 of this scale.
    const SMALLEST: f64 = 5e-31;
    let u: f64 = terms.iter().sum();
    let magnitude = derivative(activation, u).abs();
    let size = terms.iter().map(|term| term.abs()).sum::<f64>().max(1.0);
    match activation {
        // These derivatives are constant but for jumps.
        Activation::None | Activation::Relu | Activation::LeakyRelu | Activation::Relu6 => magnitude,
        // A difference across a jump of its derivative is no curvature.
        Activation::HardSwish => {
            let curvature = if u.abs() < 3.0 { 1.0 / 3.0 } else { 0.0 };
            magnitude.max(curvature * size)
        }
        f => {
            let curvature = (derivative(f, u + STEP) - derivative(f, u - STEP)).abs() / (2.0 * STEP);
            magnitude.max(curvature * size).max(SMALLEST)
        }
    }
}

/// The factor that a gate gives, and its derivative.
pub(super) fn gate(function: GateFunction, gate: f64) -> [f64; 2] {
    let of = |f| [apply(f, gate), derivative(f, gate)];
    match function {
        GateFunction::Identity => [gate, 1.0],
        GateFunction::OnePlus => [1.0 + gate, 1.0],
        GateFunction::Silu => of(Activation::Silu),
        GateFunction::Sigmoid => of(Activation::Sigmoid),
        GateFunction::Tanh => of(Activation::Tanh),
    }
}
