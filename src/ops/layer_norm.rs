use std::ops::{Range, RangeBounds};

use super::{Norm, check_eps, check_trailing_axes, check_zero_centered, resolve, sealed};
use crate::{
    error::Result,
    kernel::key::{Affine, Saved},
    lower::{Caps, Lowered, Params, Problem, Running, Statistics, Strategy},
    reference,
    tensor::{Access, Outputs, Slot, TensorSpec, Tensors, element_count},
};

/// Layer normalization over the trailing axes of a tensor.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// with the mean and the biased variance of each row: the elements that share an index in the leading axes.
///
/// # Shapes
/// `shape` is the input's and the output's, of any rank. `axes` are the axes that are normalized over: one or more, the last
/// among them. None of them may be empty; an empty leading axis makes an empty batch, and the op does nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight` | `shape[axes]` | read, if [`weight`](Self::weight) |
/// | `bias` | `shape[axes]` | read, if [`bias`](Self::bias) |
/// | `output` | `shape` | written |
/// | `mean`, `rstd` | the leading axes | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
///
/// # Types
/// f32 storage, f32 arithmetic: corrected two-pass on shifted data, see `docs/numerics.md`.
///
/// # In place
/// No: input and output are different buffers.
///
/// # Errors
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): `axes` is empty, out of range or has an empty axis; `eps` is negative or not finite.
/// - [`Error::Unsupported`](crate::Error::Unsupported): `axes` does not end at the last axis.
/// - [`Error::Limit`](crate::Error::Limit): more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Tensors};
///
/// // 2 rows of 4: normalize over axis 1.
/// let op = LayerNorm::new(&[2, 4], 1..).weight(false).bias(false);
/// let truth = op.reference(&Tensors::new(&[1., 2., 3., 4., 5., 5., 5., 5.]))?;
/// assert!((truth.output[3] - 1.3416).abs() < 1e-4);
/// assert_eq!(truth.output[4..], [0.; 4]);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Ba, Kiros, Hinton, Layer Normalization, 2016 (arXiv 1607.06450). PyTorch: `torch.nn.LayerNorm`, `native_layer_norm`.
/// ONNX: `LayerNormalization` (17).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerNorm {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The axes that are normalized over.
    pub axes: Range<usize>,
    /// Added to the variance, inside the root. Any finite value that is not negative; 1e-5 by default.
    pub eps: f32,
    /// Whether there is a weight; true by default.
    pub weight: bool,
    /// Whether the gain is `1 + weight`, as some models store it; false by default.
    pub zero_centered: bool,
    /// Whether there is a bias; true by default.
    pub bias: bool,
    /// Whether mean and rstd are written; false by default.
    pub save_stats: bool,
}

impl LayerNorm {
    /// Layer norm of a tensor of this shape over these axes: `LayerNorm::new(&[64, 384], 1..)`.
    #[must_use]
    pub fn new(shape: &[usize], axes: impl RangeBounds<usize>) -> Self {
        Self {
            shape: shape.to_vec(),
            axes: resolve(axes, shape.len()),
            eps: 1e-5,
            weight: true,
            zero_centered: false,
            bias: true,
            save_stats: false,
        }
    }

    /// Sets [`eps`](Self::eps).
    #[must_use]
    pub fn eps(mut self, eps: f32) -> Self {
        self.eps = eps;
        self
    }

    /// Sets whether there is a weight.
    #[must_use]
    pub fn weight(mut self, weight: bool) -> Self {
        self.weight = weight;
        self
    }

    /// Sets whether the gain is `1 + weight`.
    #[must_use]
    pub fn zero_centered(mut self, zero_centered: bool) -> Self {
        self.zero_centered = zero_centered;
        self
    }

    /// Sets whether there is a bias.
    #[must_use]
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Sets whether mean and rstd are written.
    #[must_use]
    pub fn save_stats(mut self, save_stats: bool) -> Self {
        self.save_stats = save_stats;
        self
    }

    /// The axes before the normalized ones: a row for each of their indices.
    pub(crate) fn leading(&self) -> &[usize] {
        &self.shape[..self.axes.start]
    }

    /// The normalized axes.
    pub(crate) fn normalized(&self) -> &[usize] {
        &self.shape[self.axes.clone()]
    }

    fn validate(&self) -> Result<()> {
        check_eps(self.eps)?;
        check_zero_centered(self.zero_centered, self.weight)?;
        check_trailing_axes("layer norm", &self.shape, &self.axes)
    }
}

impl Norm for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        self.validate()?;
        let mut tensors = vec![TensorSpec::new(Slot::Input, &self.shape, Access::Read)];
        if self.weight {
            tensors.push(TensorSpec::new(Slot::Weight, self.normalized(), Access::Read));
        }
        if self.bias {
            tensors.push(TensorSpec::new(Slot::Bias, self.normalized(), Access::Read));
        }
        tensors.push(TensorSpec::new(Slot::Output, &self.shape, Access::Write));
        if self.save_stats {
            tensors.push(TensorSpec::new(Slot::Mean, self.leading(), Access::Write));
            tensors.push(TensorSpec::new(Slot::Rstd, self.leading(), Access::Write));
        }
        Ok(tensors)
    }

    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>> {
        tensors.check(&self.tensors()?)?;
        Ok(reference::layer_norm(self, tensors))
    }
}

impl sealed::Op for LayerNorm {
    fn lower(&self, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
        let tensors = self.tensors()?;
        if self.leading().contains(&0) {
            return Ok(Lowered::nothing(tensors));
        }
        let saved = if self.save_stats { Saved::MeanRstd } else { Saved::None };
        let problem = Problem {
            slices: 1,
            groups: element_count(self.leading())?,
            len: element_count(self.normalized())?,
            eps: self.eps,
            centered: true,
            affine: Affine { weight: self.weight, bias: self.bias },
            zero_centered: self.zero_centered,
            params: Params::Positions { tables: 1 },
            statistics: Statistics::Taken { saved, running: Running::None },
        };
        Lowered::new(&problem, tensors, caps, strategy)
    }
}
