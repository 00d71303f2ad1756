//! Rotary position embedding behind a norm of rows: the descriptor, its checks and its table.

use std::ops::Range;

use crate::{
    error::{Error, Result},
    options::Options,
    slot::Slot,
    tensor::{Access, DType, TensorSpec, element_count, show},
    types::Activation,
};

/// Which two elements of a row a rotary embedding rotates together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pairs {
    /// `(i, i + len / 2)`: those of Hugging Face's `rotate_half`, in Llama, Qwen and Gemma.
    Halves,
    /// `(2 i, 2 i + 1)`: those of the paper, in GPT-J.
    Neighbours,
}

/// Rotary position embedding, which a norm of heads applies to its result:
/// [`RmsNorm::rotary`](crate::RmsNorm::rotary), [`LayerNorm::rotary`](crate::LayerNorm::rotary).
///
/// With u as the normalized row after weight and bias, p as the position of its token, and (a, b) as pair number i:
///
/// ```text
/// output[a] = u[a] * cos(p * f[i]) - u[b] * sin(p * f[i])
/// output[b] = u[b] * cos(p * f[i]) + u[a] * sin(p * f[i])
/// ```
///
/// for the first `len` elements of a row. The other ones are those of u. [`table`](Self::table) has the frequencies
/// `f[i] = base^(-2 i / len)`. Cosines and sines come from a table, since those of WGSL are too coarse.
///
/// # Shapes
/// The op normalizes over the last axes of a tensor: a row. The axis before them has the heads of a token, and the axes
/// before that one have the tokens. The heads of a token share its position.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `positions` | the axes before the heads, u32 | read: the row of `rotary_table` for each token |
/// | `rotary_table` | `[positions, len / 2, 2]`, f32 | read: cosine and sine of each pair, as [`table`](Self::table) |
///
/// A position past the table reads the table's last row. A program that generates text writes the positions of a step,
/// and its plans stay. Both tensors begin where the device binds, also with
/// [`Planner::any_offset`](crate::Planner::any_offset).
///
/// # In place
/// Queries and keys that lie side by side in packed rows are heads of one tensor with
/// [strides](crate::RmsNorm::strides), which the op rotates in place. With
/// [`affine_axes`](crate::RmsNorm::affine_axes) each head has a weight, as the two have different ones.
///
/// # Backward
/// None: the op is for inference only.
///
/// # Errors
/// All are those of the op:
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): normalized axes that are not the last ones, or without
///   an axis of heads before them; rows or `len` that are no multiple of 4; `len` of 0 or longer than a row; no
///   positions; an activation, an epilogue, a residual, a gate, a second norm, saved or given statistics.
/// - [`Error::Unsupported`](crate::Error::Unsupported): rows so long that several teams share one, from `plan`.
/// - [`Error::Limit`](crate::Error::Limit): a table of more than 2^31 elements, or larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{Norm, Pairs, RmsNorm, Rotary, Slot, Tensors};
///
/// // Two tokens of one head of 4, in rows of 8 elements.
/// let rotary = Rotary::new(Pairs::Halves, 4, 100);
/// let op = RmsNorm::new(&[2, 1, 4], 2..).weight(false).eps(0.).rotary(rotary);
/// let op = op.strides(Slot::Input, &[8, 4, 1]).in_place(true);
/// let table = rotary.table(10_000.);
/// let qkv = [2., 0., 0., 0., 9., 9., 9., 9., 2., 0., 0., 0.];
/// let truth = op.reference(&Tensors::new(&qkv).positions(&[0, 3]).rotary_table(&table))?;
/// let normalized = truth.get(Slot::Input).expect("it is in place");
/// // Position 0 rotates nothing. At position 3 the first pair turns by 3 radians.
/// assert_eq!(normalized[..4], [2., 0., 0., 0.]);
/// assert!((normalized[8] - 2. * 3_f64.cos()).abs() < 1e-6 && (normalized[10] - 2. * 3_f64.sin()).abs() < 1e-6);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device: 8 heads of queries and 2 of keys in rows of 12 heads, in place.
/// ```
/// use wgpu_norm::{Bindings, Pairs, Planner, RmsNorm, Rotary, Slot};
///
#[doc = crate::example::noop!()]
/// # let (qkv, weights, positions) = (buffer(5 * 768), buffer(10 * 64), buffer(5));
/// # let table = buffer(4096 * 32 * 2);
/// let rotary = Rotary::new(Pairs::Halves, 64, 4096);
/// let op = RmsNorm::new(&[5, 10, 64], 2..).affine_axes(1..).rotary(rotary);
/// let op = op.strides(Slot::Input, &[768, 64, 1]).in_place(true);
/// let bindings = Bindings::new()
///     .input(&qkv)           // [5, 12, 64], of which the op updates [5, 10, 64]
///     .weight(&weights)      // [10, 64]
///     .positions(&positions) // [5], u32
///     .rotary_table(&table); // [4096, 32, 2], as `rotary.table(10_000.)`
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Su, Lu, Pan, Murtadha, Wen, Liu, `RoFormer`: Enhanced Transformer with Rotary Position Embedding, 2021 (arXiv
/// 2104.09864). ONNX: `RotaryEmbedding` (23), whose `interleaved` are the pairs [`Neighbours`](Pairs::Neighbours).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rotary {
    /// Which elements are a pair.
    pub pairs: Pairs,
    /// The elements of a row that are rotated, the first ones.
    pub len: usize,
    /// The rows of the table.
    pub positions: usize,
}

impl Rotary {
    /// A rotation of the first `len` elements of each row, with a table of so many positions.
    #[must_use]
    pub fn new(pairs: Pairs, len: usize, positions: usize) -> Self {
        Self { pairs, len, positions }
    }

    /// The values of `rotary_table` for the frequencies `base^(-2 i / len)`. Llama 2 has a base of 10,000.
    #[must_use]
    pub fn table(&self, base: f64) -> Vec<f32> {
        let frequency = |i: usize| libm::pow(base, -2.0 * i as f64 / self.len as f64);
        self.values(&(0..self.len / 2).map(frequency).collect::<Vec<_>>(), 1.0)
    }

    /// The values of `rotary_table` for other frequencies, one for each pair, with cosine and sine multiplied by
    /// `factor`: those that `YaRN`, Llama 3 and others scale for long contexts.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for another number of frequencies than `len / 2`.
    pub fn table_of(&self, frequencies: &[f64], factor: f64) -> Result<Vec<f32>> {
        if frequencies.len() != self.len / 2 {
            let value = format!("{} frequencies", frequencies.len());
            return Err(refuse("rotary", value, format!("{}: one for each pair of {}", self.len / 2, self.len)));
        }
        Ok(self.values(frequencies, factor))
    }

    /// Computed in f64, so that an angle of many turns is exact.
    fn values(&self, frequencies: &[f64], factor: f64) -> Vec<f32> {
        let values = (0..self.positions).flat_map(|position| {
            frequencies.iter().flat_map(move |frequency| {
                let (sin, cos) = libm::sincos(position as f64 * frequency);
                [(cos * factor) as f32, (sin * factor) as f32]
            })
        });
        values.collect()
    }

    /// Checks the rotation behind a norm over these axes, with the other options of the op.
    pub(crate) fn validate(
        &self,
        shape: &[usize],
        axes: &Range<usize>,
        given: Option<usize>,
        options: &Options,
    ) -> Result<()> {
        let Self { len, positions, .. } = *self;
        let row: usize = shape[axes.clone()].iter().product();
        let shown = || format!("{self:?}");
        if axes.end != shape.len() || axes.start == 0 {
            let expected = "none where the normalized axes are not the last ones, behind an axis of heads";
            return Err(refuse("rotary", format!("{self:?} over the axes {axes:?} of {}", show(shape)), expected));
        }
        if !row.is_multiple_of(4) {
            return Err(refuse("rotary", format!("{self:?} of rows of {row} elements"), "rows of a multiple of 4"));
        }
        if len == 0 || !len.is_multiple_of(4) || len > row {
            return Err(refuse("rotary", shown(), format!("a multiple of 4 as len, at most {row}, the row")));
        }
        if positions == 0 {
            return Err(refuse("rotary", shown(), "one position or more"));
        }
        element_count(&self.table_shape())?;
        let others = [
            ("activation", options.activation != Activation::None),
            ("epilogue", options.epilogue.is_some()),
            ("residual", options.residual),
            ("gate", options.gate.is_some()),
            ("quantized", options.quantized.is_some()),
            ("next_norm", options.next_norm),
            ("save_stats", options.save_stats),
            ("given_statistics", given.is_some()),
        ];
        match others.into_iter().find(|(_, on)| *on) {
            Some((argument, _)) => Err(refuse(argument, "set".into(), "none beside rotary")),
            None => Ok(()),
        }
    }

    fn table_shape(&self) -> [usize; 3] {
        [self.positions, self.len / 2, 2]
    }

    /// The tensors of a rotation. `rows`: the axes before a row, the last of which are the heads.
    pub(crate) fn tensors(&self, rows: &[usize]) -> [TensorSpec; 2] {
        let tokens = &rows[..rows.len().saturating_sub(1)];
        [
            TensorSpec::new(Slot::Positions, tokens, DType::U32, Access::Read),
            TensorSpec::new(Slot::RotaryTable, &self.table_shape(), DType::F32, Access::Read),
        ]
    }
}

fn refuse(argument: &'static str, value: String, expected: impl Into<String>) -> Error {
    Error::InvalidArgument { argument, value, expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_cosine_and_sine_of_each_pair_at_each_position() {
        let rotary = Rotary::new(Pairs::Halves, 4, 3);
        let near = |value: f32, expected: f64| assert!((f64::from(value) - expected).abs() < 1e-7, "{value}");
        let table = rotary.table(10_000.0);
        assert_eq!(table.len(), 12);
        assert_eq!(table[..4], [1.0, 0.0, 1.0, 0.0]);
        // Pair 1 has the frequency 10000^(-2/4) = 0.01.
        for (i, angle) in [(4, 1.0_f64), (6, 0.01), (8, 2.0), (10, 0.02)] {
            near(table[i], angle.cos());
            near(table[i + 1], angle.sin());
        }
        let scaled = rotary.table_of(&[0.5, 0.25], 2.0).expect("two pairs");
        near(scaled[8], 2.0 * 1.0_f64.cos());
        near(scaled[11], 2.0 * 0.5_f64.sin());
        let error = rotary.table_of(&[0.5], 1.0).unwrap_err().to_string();
        assert_eq!(error, "rotary is 1 frequencies, expected 2: one for each pair of 4");
    }
}
