//! Rotary position embedding in f64.

use crate::{
    definition::Definition,
    rotary::{Pairs, Rotary},
    slot::Slot,
    tensor::Tensors,
};

/// The normalized rows `u` with their pairs rotated, and the terms of each result.
pub(super) fn rotate(
    rotary: &Rotary,
    definition: &Definition,
    tensors: &Tensors<'_>,
    u: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let (mut rotated, mut terms) = (u.to_vec(), u.to_vec());
    let positions = tensors.get_indices(Slot::Positions).unwrap_or_default();
    let table = tensors.get(Slot::RotaryTable).unwrap_or_default();
    // The heads of a token are rows one after the other.
    let heads = definition.stats_shape.last().copied().unwrap_or(1);
    let rows = definition.stats_shape.iter().product::<usize>();
    let len = u.len().checked_div(rows).unwrap_or(0);
    for row in 0..rows {
        let position = (positions[row / heads] as usize).min(rotary.positions - 1);
        for pair in 0..rotary.len / 2 {
            let [a, b] = match rotary.pairs {
                Pairs::Halves => [pair, pair + rotary.len / 2],
                Pairs::Neighbours => [2 * pair, 2 * pair + 1],
            };
            let [a, b] = [row * len + a, row * len + b];
            let at = (position * (rotary.len / 2) + pair) * 2;
            let (cos, sin) = (f64::from(table[at]), f64::from(table[at + 1]));
            rotated[a] = u[a] * cos - u[b] * sin;
            rotated[b] = u[b] * cos + u[a] * sin;
            terms[a] = (u[a] * cos).abs().max((u[b] * sin).abs());
            terms[b] = (u[b] * cos).abs().max((u[a] * sin).abs());
        }
    }
    (rotated, terms)
}
