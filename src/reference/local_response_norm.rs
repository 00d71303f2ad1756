//! Local response norm, which has windows where the other ops have groups.

use super::values;
use crate::{
    definition::Window,
    slot::Slot,
    tensor::{Outputs, Tensors},
};

/// The window of an element: the elements of channels at most `before` lower and at most `after` higher.
fn neighbours(op: &Window, at: usize, [before, after]: [usize; 2]) -> impl Iterator<Item = usize> {
    let [channels, stride] = op.channels;
    let channel = at / stride % channels;
    let window = channel.saturating_sub(before)..=channel.saturating_add(after).min(channels - 1);
    window.map(move |other| at - channel * stride + other * stride)
}

/// The base of the power, for each element.
fn divisors(op: &Window, x: &[f64]) -> Vec<f64> {
    let alpha = f64::from(op.alpha) / op.size as f64;
    let divisor = |at| f64::from(op.k) + alpha * neighbours(op, at, op.reach).map(|i| x[i] * x[i]).sum::<f64>();
    (0..x.len()).map(divisor).collect()
}

/// A power of a divisor. A negative divisor gives NaN, for an integer exponent too.
fn power(divisor: f64, exponent: f64) -> f64 {
    if divisor < 0.0 { f64::NAN } else { divisor.powf(exponent) }
}

pub(super) fn forward(op: &Window, tensors: &Tensors<'_>) -> Outputs<f64> {
    let x = values(tensors, Slot::Input, op.types.input()).unwrap_or_default();
    let beta = f64::from(op.beta);
    let output = x.iter().zip(divisors(op, &x)).map(|(x, d)| x / power(d, beta)).collect();
    let mut outputs = Outputs::default();
    outputs.set(Slot::Output, output);
    outputs
}

pub(super) fn backward(op: &Window, tensors: &Tensors<'_>) -> Outputs<f64> {
    let x = values(tensors, Slot::Input, op.types.input()).unwrap_or_default();
    let g = values(tensors, Slot::GradOutput, op.types.output()).unwrap_or_default();
    let (alpha, beta) = (f64::from(op.alpha) / op.size as f64, f64::from(op.beta));
    let d = divisors(op, &x);
    // The elements whose windows contain this one: its window, mirrored.
    let [before, after] = op.reach;
    let grad_input = |i: usize| {
        let term = |j: usize| g[j] * x[j] * power(d[j], -beta - 1.0);
        let sum: f64 = neighbours(op, i, [after, before]).map(term).sum();
        g[i] * power(d[i], -beta) - 2.0 * alpha * beta * x[i] * sum
    };
    let grad_input = (0..x.len()).map(grad_input).collect();
    let mut outputs = Outputs::default();
    outputs.set(Slot::GradInput, grad_input);
    outputs.set_scale(Slot::GradInput, g.iter().zip(&d).map(|(g, &d)| g * power(d, -beta)));
    outputs
}
