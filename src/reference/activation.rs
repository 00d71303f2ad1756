//! Activations and their derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::ops::Activation;

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
    }
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
        Activation::GeluTanh => {
            let (inner, slope) = gelu_tanh_inner(u);
            let t = inner.tanh();
            0.5 * (1.0 + t) + 0.5 * u * (1.0 - t * t) * slope
        }
        Activation::Silu => {
            let s = sigmoid(u);
            s * (1.0 + u * (1.0 - s))
        }
        Activation::Sigmoid => {
            let s = sigmoid(u);
            s * (1.0 - s)
        }
        Activation::Tanh => 1.0 - u.tanh().powi(2),
    }
}
