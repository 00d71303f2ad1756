use super::{GroupNorm, Norm, sealed};
use crate::{
    error::{Error, Result},
    lower::{Caps, Lowered, Strategy},
    tensor::{Outputs, TensorSpec, Tensors, show},
};

/// Instance normalization of `[N, C, L]`, `[N, C, H, W]`, ..: each channel of each sample on its own.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// with the mean and the biased variance of each channel of a sample, over its spatial axes. It is [`GroupNorm`] with a group for each
/// channel. With running statistics, at inference, it is [`BatchNorm::inference`](crate::BatchNorm::inference); updating
/// them in training is not supported.
///
/// # Shapes
/// `shape` is the input's and the output's, of three axes or more. An empty batch (N = 0) is a no-op: nothing is read or written.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight` | `[C]` | read, if [`weight`](Self::weight) |
/// | `bias` | `[C]` | read, if [`bias`](Self::bias) |
/// | `output` | `shape` | written |
/// | `mean`, `rstd` | `[N, C]` | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
///
/// # Types
/// f32 storage, f32 arithmetic: corrected two-pass on shifted data, see `docs/numerics.md`.
///
/// # In place
/// No: input and output are different buffers.
///
/// # Errors
/// - [`Error::InvalidArgument`]: fewer than three axes; an empty axis after N; one spatial element, whose variance says nothing;
///   `eps` is negative or not finite.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{InstanceNorm, Norm, Tensors};
///
/// let truth = InstanceNorm::new(&[1, 2, 2]).reference(&Tensors::new(&[1., 3., 10., 30.]))?;
/// assert!((truth.output[0] + 1.).abs() < 1e-4 && (truth.output[3] - 1.).abs() < 1e-4);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Ulyanov, Vedaldi, Lempitsky, Instance Normalization, 2016 (arXiv 1607.08022). PyTorch: `torch.nn.InstanceNorm1d`, `2d`, `3d`.
/// ONNX: `InstanceNormalization` (22).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceNorm {
    /// The input's shape, channels second.
    pub shape: Vec<usize>,
    /// Added to the variance, inside the root. Any finite value that is not negative; 1e-5 by default.
    pub eps: f32,
    /// Whether there is a weight; false by default, as in PyTorch.
    pub weight: bool,
    /// Whether the gain is `1 + weight`, as some models store it; false by default.
    pub zero_centered: bool,
    /// Whether there is a bias; false by default, as in PyTorch.
    pub bias: bool,
    /// Whether mean and rstd are written; false by default.
    pub save_stats: bool,
}

impl InstanceNorm {
    /// Instance norm of a tensor of this shape.
    #[must_use]
    pub fn new(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), eps: 1e-5, weight: false, zero_centered: false, bias: false, save_stats: false }
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

    /// The same as group norm: a group for each channel.
    fn as_group_norm(&self) -> Result<GroupNorm> {
        let shape = |expected: &str| Error::InvalidArgument {
            argument: "shape",
            value: show(&self.shape),
            expected: expected.into(),
        };
        let [_, channels, spatial @ ..] = self.shape.as_slice() else {
            return Err(shape("[N, C, L], [N, C, H, W] or more spatial axes"));
        };
        if spatial.is_empty() {
            return Err(shape("[N, C, L], [N, C, H, W] or more spatial axes"));
        }
        if spatial.iter().all(|&n| n == 1) {
            return Err(shape("more than one spatial element"));
        }
        // Without channels, group norm says that an axis is empty.
        let op = GroupNorm::new(&self.shape, (*channels).max(1));
        Ok(op
            .eps(self.eps)
            .weight(self.weight)
            .zero_centered(self.zero_centered)
            .bias(self.bias)
            .save_stats(self.save_stats))
    }
}

impl Norm for InstanceNorm {
    fn name(&self) -> &'static str {
        "instance_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        self.as_group_norm()?.tensors()
    }

    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>> {
        self.as_group_norm()?.reference(tensors)
    }
}

impl sealed::Op for InstanceNorm {
    fn lower(&self, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
        self.as_group_norm()?.lower(caps, strategy)
    }
}
