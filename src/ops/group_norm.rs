use super::{Norm, check_eps, check_zero_centered, sealed};
use crate::{
    error::{Error, Result},
    kernel::key::{Affine, Saved},
    lower::{Caps, Lowered, Params, Problem, Running, Statistics, Strategy},
    reference,
    tensor::{Access, Outputs, Slot, TensorSpec, Tensors, element_count, show},
};

/// Group normalization of `[N, C]` or `[N, C, ..]`: each sample's channels, in groups of neighbours.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// with the mean and the biased variance of each group of `C / groups` channels of a sample, over all of their elements. One group is
/// layer norm over all but the batch, with a weight for each channel; `C` groups are [`InstanceNorm`](crate::InstanceNorm).
///
/// # Shapes
/// `shape` is the input's and the output's, of two axes or more. An empty batch (N = 0) is a no-op: nothing is read or written.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight` | `[C]` | read, if [`weight`](Self::weight) |
/// | `bias` | `[C]` | read, if [`bias`](Self::bias) |
/// | `output` | `shape` | written |
/// | `mean`, `rstd` | `[N, groups]` | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
///
/// # Types
/// f32 storage, f32 arithmetic: corrected two-pass on shifted data, see `docs/numerics.md`.
///
/// # In place
/// No: input and output are different buffers.
///
/// # Errors
/// - [`Error::InvalidArgument`]: fewer than two axes; an empty axis after N; `groups` is zero or does not divide the channels; `eps`
///   is negative or not finite.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{GroupNorm, Norm, Tensors};
///
/// // One sample of 4 channels in 2 groups: 1, 3 and 10, 30.
/// let op = GroupNorm::new(&[1, 4], 2).weight(false).bias(false);
/// let truth = op.reference(&Tensors::new(&[1., 3., 10., 30.]))?;
/// assert!((truth.output[0] + 1.).abs() < 1e-4 && (truth.output[3] - 1.).abs() < 1e-4);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Wu, He, Group Normalization, 2018 (arXiv 1803.08494). PyTorch: `torch.nn.GroupNorm`, `native_group_norm`.
/// ONNX: `GroupNormalization` (21).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupNorm {
    /// The input's shape, channels second.
    pub shape: Vec<usize>,
    /// Into how many groups the channels are divided.
    pub groups: usize,
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

impl GroupNorm {
    /// Group norm of a tensor of this shape in this many groups.
    #[must_use]
    pub fn new(shape: &[usize], groups: usize) -> Self {
        Self {
            shape: shape.to_vec(),
            groups,
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

    pub(crate) fn channels_per_group(&self) -> usize {
        self.shape[1] / self.groups
    }

    /// Elements of a channel in one sample.
    pub(crate) fn spatial(&self) -> usize {
        self.shape[2..].iter().product()
    }

    fn validate(&self) -> Result<()> {
        check_eps(self.eps)?;
        check_zero_centered(self.zero_centered, self.weight)?;
        let argument =
            |argument, value: String, expected: String| Err(Error::InvalidArgument { argument, value, expected });
        if self.shape.len() < 2 {
            return argument("shape", show(&self.shape), "[N, C] or [N, C, ..]".into());
        }
        if self.shape[1..].contains(&0) {
            return argument("shape", show(&self.shape), "no empty axis but the batch".into());
        }
        if self.groups == 0 || !self.shape[1].is_multiple_of(self.groups) {
            return argument("groups", self.groups.to_string(), format!("a divisor of the {} channels", self.shape[1]));
        }
        element_count(&self.shape).map(|_| ())
    }
}

impl Norm for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        self.validate()?;
        let channels = &self.shape[1..2];
        let mut tensors = vec![TensorSpec::new(Slot::Input, &self.shape, Access::Read)];
        if self.weight {
            tensors.push(TensorSpec::new(Slot::Weight, channels, Access::Read));
        }
        if self.bias {
            tensors.push(TensorSpec::new(Slot::Bias, channels, Access::Read));
        }
        tensors.push(TensorSpec::new(Slot::Output, &self.shape, Access::Write));
        if self.save_stats {
            let statistics = [self.shape[0], self.groups];
            tensors.push(TensorSpec::new(Slot::Mean, &statistics, Access::Write));
            tensors.push(TensorSpec::new(Slot::Rstd, &statistics, Access::Write));
        }
        Ok(tensors)
    }

    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>> {
        tensors.check(&self.tensors()?)?;
        Ok(reference::group_norm(self, tensors))
    }
}

impl sealed::Op for GroupNorm {
    fn lower(&self, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
        let tensors = self.tensors()?;
        if self.shape[0] == 0 {
            return Ok(Lowered::nothing(tensors));
        }
        let (tables, channels) = (element_count(&[self.groups])?, element_count(&[self.channels_per_group()])?);
        let spatial = element_count(&self.shape[2..])?;
        let problem = Problem {
            slices: 1,
            groups: element_count(&[self.shape[0], self.groups])?,
            len: channels * spatial,
            eps: self.eps,
            centered: true,
            affine: Affine { weight: self.weight, bias: self.bias },
            zero_centered: self.zero_centered,
            params: if spatial == 1 {
                Params::Positions { tables }
            } else {
                Params::Channels { tables, channels, spatial }
            },
            statistics: Statistics::Taken {
                saved: if self.save_stats { Saved::MeanRstd } else { Saved::None },
                running: Running::None,
            },
        };
        Lowered::new(&problem, tensors, caps, strategy)
    }
}
