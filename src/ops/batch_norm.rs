use super::{Norm, check_eps, check_zero_centered, sealed};
use crate::{
    error::{Error, Result},
    kernel::key::{Affine, Saved},
    lower::{Caps, Lowered, Params, Problem, Running, Statistics, Strategy},
    reference,
    tensor::{Access, Outputs, Slot, TensorSpec, Tensors, element_count, show},
};

/// Batch normalization of `[N, C]`, `[N, C, L]`, `[N, C, H, W]` or `[N, C, D, H, W]`.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// Inference takes mean and var of each channel from the running statistics. Training takes the mean and the biased
/// variance of the batch, over all axes but the channels, and may update the running statistics, on the GPU.
///
/// # Shapes
/// `shape` is the input's and the output's. An empty batch (N = 0) is a no-op: nothing is read or written.
///
/// # Tensors
/// | slot | shape | inference | training |
/// |---|---|---|---|
/// | `input` | `shape` | read | read |
/// | `weight` | `[C]` | read, if [`weight`](Self::weight) | the same |
/// | `bias` | `[C]` | read, if [`bias`](Self::bias) | the same |
/// | `output` | `shape` | written | written |
/// | `mean`, `rstd` | `[C]` | | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
/// | `running_mean`, `running_var` | `[C]` | read | updated, if there are [`running_stats`](Self::running_stats) |
/// | `num_batches_tracked` | `[1]`, u32 | | incremented, for a cumulative average |
///
/// # Running statistics
/// See [`RunningStats`]. Without them training uses the statistics of the batch and tracks nothing.
///
/// # Types
/// f32 storage, f32 arithmetic: corrected two-pass on shifted data, merged by Chan's formula, see `docs/numerics.md`.
///
/// # In place
/// No: input and output are different buffers.
///
/// # Errors
/// - [`Error::InvalidArgument`]: a rank other than 2 to 5; an empty axis after N; `eps` negative or not finite; a momentum
///   that is not finite; `running_stats` or `save_stats` in inference; training with one value per channel, whose variance says nothing.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{BatchNorm, Norm, RunningStats, Tensors};
///
/// let op = BatchNorm::training(&[2, 1]).weight(false).bias(false).running_stats(RunningStats::PYTORCH);
/// let truth = op.reference(&Tensors::new(&[1., 3.]).running(&[0.], &[1.]))?;
/// assert!((truth.output[0] + 1.).abs() < 1e-5);
/// let running_mean = truth.running_mean.ok_or("tracked")?;
/// assert!((running_mean[0] - 0.2).abs() < 1e-6); // 0.9 * 0 + 0.1 * 2
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// Ioffe, Szegedy, Batch Normalization, 2015 (arXiv 1502.03167). PyTorch: `torch.nn.BatchNorm1d`, `2d`, `3d`,
/// `native_batch_norm`. ONNX: `BatchNormalization` (15).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchNorm {
    /// The input's shape, channels second.
    pub shape: Vec<usize>,
    /// Added to the variance, inside the root. Any finite value that is not negative; 1e-5 by default.
    pub eps: f32,
    /// Whether there is a weight; true by default.
    pub weight: bool,
    /// Whether the gain is `1 + weight`, as some models store it; false by default.
    pub zero_centered: bool,
    /// Whether there is a bias; true by default.
    pub bias: bool,
    /// Statistics of the batch, and not the running ones.
    pub training: bool,
    /// How training updates the running statistics; `None`, the default, tracks nothing.
    pub running_stats: Option<RunningStats>,
    /// Whether training writes mean and rstd, for a backward pass; false by default.
    pub save_stats: bool,
}

/// How training updates the running statistics. The momentum means different things in different frameworks, and so does
/// the variance that is kept.
///
/// | | running = | default momentum | running_var keeps |
/// |---|---|---|---|
/// | PyTorch | `(1 - momentum) * running + momentum * batch` | 0.1 | the unbiased variance |
/// | ONNX | `momentum * running + (1 - momentum) * batch` | 0.9 | the population variance |
/// | Keras | `momentum * running + (1 - momentum) * batch` | 0.99 | the population variance |
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunningStats {
    /// As PyTorch does.
    PyTorch {
        /// The weight of the new value, any finite number. `None`: the average over all batches, counted in
        /// `num_batches_tracked`.
        momentum: Option<f32>,
    },
    /// As ONNX's `BatchNormalization` does.
    Onnx {
        /// The weight of the old value, any finite number.
        momentum: f32,
    },
    /// As Keras does.
    Keras {
        /// The weight of the old value, any finite number.
        momentum: f32,
    },
}

impl RunningStats {
    /// PyTorch's convention with its default momentum.
    pub const PYTORCH: Self = Self::PyTorch { momentum: Some(0.1) };
    /// PyTorch's cumulative average (`momentum=None`).
    pub const CUMULATIVE: Self = Self::PyTorch { momentum: None };
    /// ONNX's convention with its default momentum.
    pub const ONNX: Self = Self::Onnx { momentum: 0.9 };
    /// Keras's convention with its default momentum.
    pub const KERAS: Self = Self::Keras { momentum: 0.99 };

    /// The weights of the old and the new value; `None` for a cumulative average, where they depend on the count.
    pub(crate) fn weights(self) -> Option<(f64, f64)> {
        match self {
            Self::PyTorch { momentum } => momentum.map(|m| (1.0 - f64::from(m), f64::from(m))),
            Self::Onnx { momentum } | Self::Keras { momentum } => {
                Some((f64::from(momentum), 1.0 - f64::from(momentum)))
            }
        }
    }

    /// What the biased variance of `count` values is multiplied by to get the one that is kept.
    pub(crate) fn var_scale(self, count: f64) -> f64 {
        match self {
            Self::PyTorch { .. } => count / (count - 1.0),
            Self::Onnx { .. } | Self::Keras { .. } => 1.0,
        }
    }

    fn momentum(self) -> Option<f32> {
        match self {
            Self::PyTorch { momentum } => momentum,
            Self::Onnx { momentum } | Self::Keras { momentum } => Some(momentum),
        }
    }
}

impl BatchNorm {
    /// Batch norm with running statistics.
    #[must_use]
    pub fn inference(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            eps: 1e-5,
            weight: true,
            zero_centered: false,
            bias: true,
            training: false,
            running_stats: None,
            save_stats: false,
        }
    }

    /// Batch norm with the statistics of the batch.
    #[must_use]
    pub fn training(shape: &[usize]) -> Self {
        Self { training: true, ..Self::inference(shape) }
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

    /// Sets how training updates the running statistics.
    #[must_use]
    pub fn running_stats(mut self, convention: RunningStats) -> Self {
        self.running_stats = Some(convention);
        self
    }

    /// Sets whether training writes mean and rstd.
    #[must_use]
    pub fn save_stats(mut self, save_stats: bool) -> Self {
        self.save_stats = save_stats;
        self
    }

    pub(crate) fn channels(&self) -> usize {
        self.shape[1]
    }

    /// Elements of a channel in one sample.
    pub(crate) fn spatial(&self) -> usize {
        self.shape[2..].iter().product()
    }

    /// Values per channel.
    pub(crate) fn count(&self) -> f64 {
        self.shape[0] as f64 * self.spatial() as f64
    }

    fn validate(&self) -> Result<()> {
        check_eps(self.eps)?;
        check_zero_centered(self.zero_centered, self.weight)?;
        let argument = |argument, value: String, expected: &str| {
            Err(Error::InvalidArgument { argument, value, expected: expected.into() })
        };
        let shape = |expected| argument("shape", show(&self.shape), expected);
        if !(2..=5).contains(&self.shape.len()) {
            return shape("[N, C], [N, C, L], [N, C, H, W] or [N, C, D, H, W]");
        }
        if self.shape[1..].contains(&0) {
            return shape("no empty axis but the batch");
        }
        element_count(&self.shape)?;
        if !self.training {
            if let Some(convention) = self.running_stats {
                return argument("running_stats", format!("{convention:?}"), "None: inference updates nothing");
            }
            if self.save_stats {
                return argument("save_stats", "true".into(), "false: inference has no batch statistics");
            }
        }
        if self.training && self.shape[0] == 1 && self.spatial() == 1 {
            return shape("more than one value per channel in training");
        }
        match self.running_stats.and_then(RunningStats::momentum) {
            Some(momentum) if !momentum.is_finite() => argument("momentum", momentum.to_string(), "a finite number"),
            _ => Ok(()),
        }
    }
}

impl Norm for BatchNorm {
    fn name(&self) -> &'static str {
        if self.training { "batch_norm_training" } else { "batch_norm_inference" }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        self.validate()?;
        let channels = [self.channels()];
        let mut tensors = vec![TensorSpec::new(Slot::Input, &self.shape, Access::Read)];
        let mut add = |slot, access| tensors.push(TensorSpec::new(slot, &channels, access));
        if self.weight {
            add(Slot::Weight, Access::Read);
        }
        if self.bias {
            add(Slot::Bias, Access::Read);
        }
        if self.save_stats {
            add(Slot::Mean, Access::Write);
            add(Slot::Rstd, Access::Write);
        }
        if self.running_stats.is_some() || !self.training {
            let access = if self.training { Access::ReadWrite } else { Access::Read };
            add(Slot::RunningMean, access);
            add(Slot::RunningVar, access);
        }
        if self.running_stats == Some(RunningStats::CUMULATIVE) {
            tensors.push(TensorSpec::new(Slot::NumBatchesTracked, &[1], Access::ReadWrite));
        }
        tensors.push(TensorSpec::new(Slot::Output, &self.shape, Access::Write));
        Ok(tensors)
    }

    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>> {
        tensors.check(&self.tensors()?)?;
        Ok(reference::batch_norm(self, tensors))
    }
}

impl sealed::Op for BatchNorm {
    fn lower(&self, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
        let tensors = self.tensors()?;
        if self.shape[0] == 0 {
            return Ok(Lowered::nothing(tensors));
        }
        let running = self.running_stats.map_or(Running::None, |convention| {
            let var_scale = convention.var_scale(self.count()) as f32;
            convention.weights().map_or(Running::Cumulative { var_scale }, |(old, new)| Running::Fixed {
                old_weight: old as f32,
                new_weight: new as f32,
                var_scale,
            })
        });
        let saved = if self.save_stats { Saved::MeanRstd } else { Saved::None };
        let statistics = if self.training { Statistics::Taken { saved, running } } else { Statistics::Given };
        let (groups, len) = (element_count(&self.shape[1..2])?, element_count(&self.shape[2..])?);
        let problem = Problem {
            slices: element_count(&self.shape[..1])?,
            groups,
            len,
            eps: self.eps,
            centered: true,
            affine: Affine { weight: self.weight, bias: self.bias },
            zero_centered: self.zero_centered,
            params: Params::Channels { tables: groups, channels: 1, spatial: len },
            statistics,
        };
        Lowered::new(&problem, tensors, caps, strategy)
    }
}
