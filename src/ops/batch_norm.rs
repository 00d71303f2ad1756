use super::{
    Backward,
    channels::ChannelShape,
    op::{Internal, Norm, with_first},
    setters::setters,
};
use crate::{
    definition::{Definition, Gradients, Operation, Source, Tracked},
    error::{Error, Result},
    options::{Layout, Options},
    running_stats::RunningStats,
    tensor::element_count,
    types::Scale,
};

/// Batch normalization of `[N, C]`, `[N, C, L]`, `[N, C, H, W]` or `[N, C, D, H, W]`.
///
/// ```text
/// output = f((input - mean) / sqrt(var + eps) * weight + bias + residual)
/// ```
///
/// Inference takes the mean and variance of each channel from the running statistics. Training takes the mean and the
/// biased variance of the batch, over all axes but the channels. It may update the running statistics, on the GPU.
///
/// # Shapes
/// `shape` is the shape of input and output. The channels are the second axis or, with [`layout`](Self::layout), the
/// last. An empty batch (N = 0) is a no-op: the op reads and writes nothing. But an empty part of a batch has
/// [statistics](#a-batch-on-several-devices) to write.
///
/// # Tensors
/// | slot | shape | inference | training |
/// |---|---|---|---|
/// | `input` | `shape` | read | read |
/// | `weight` | `[C]` | read, if [`weight`](Self::weight); true by default | the same |
/// | `bias` | `[C]` | read, if [`bias`](Self::bias); true by default | the same |
/// | `residual` | `shape` | read and added before the activation, if [`residual`](Self::residual) | the same |
/// | `output` | `shape` | written | written |
/// | `mean`, `rstd` | `[C]` | | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
/// | `statistics` | `[3, C]`, f32 | | written, if [`save_for_backward`](Self::save_for_backward) |
/// | `running_mean`, `running_var` | `[C]` | read | updated, if there are [`running_stats`](Self::running_stats) |
/// | `running_low` | `[2, C]` | | updated, if [`running_low`](Self::running_low): their lo parts, zeros at first |
/// | `num_batches_tracked` | `[1]`, u32 | | incremented, for a cumulative average |
/// | `moments` | `[parts, C, 4]` | | read, with [`merge`](Self::merge) |
/// | `epilogue_a`, `epilogue_b` | f32 | read, if the [`epilogue`](Self::epilogue) has buffers | the same |
///
/// `eps` is 1e-5 by default. f is the [`activation`](Self::activation), none by default.
///
/// # Running statistics
/// See [`RunningStats`]. Without them, training uses the statistics of the batch and tracks nothing.
///
/// # A batch on several devices
/// Each device computes the [`BatchMoments`](crate::BatchMoments) of its part. The caller exchanges them between the
/// devices. With [`merge`](Self::merge), each device then normalizes its part with the statistics of the whole batch.
/// An empty part takes part too: its device saves and tracks the same statistics as all others.
///
/// The backward pass needs [`save_for_backward`](Self::save_for_backward), and runs in two, with one exchange between
/// them. g is the gradient of the activation's argument, y the normalized input, n the number of values of all parts.
///
/// | [`coefficients`](Backward::coefficients) | reads | writes |
/// |---|---|---|
/// | `Written` | `input`, `grad_output`, `statistics` | `grad_sums`, `[C, 4]`, f32; `grad_weight`, `grad_bias` |
/// | `Given` | these, `weight`, and `grad_sums`, `[parts, C, 4]` | `grad_input`, `grad_residual` |
///
/// `grad_sums` has for each channel `sum(g)` and `sum(g * y)` over the part, the number of its values, and 0. An empty
/// part writes zeros. The gradients of weight and bias are those of the part. The second pass merges the parts in a
/// fixed order, so that all devices of a kind have the same bits. With the sums over all parts
/// ```text
/// grad_input = rstd * weight * (g - (sum(g) + y * sum(g * y)) / n)
/// ```
/// An activation needs weight, bias and residual in both passes. [Over several machines](crate::guide::distributed) has
/// the exchanges and their cost.
///
/// ```
/// use wgpu_norm::{BatchMoments, BatchNorm, Coefficients, Norm, Tensors};
///
/// // Two devices with one and two of three samples, of one channel.
/// let op = |n| BatchNorm::training(&[n, 1]).weight(false).bias(false).save_for_backward(true).merge(2);
/// let (x, grad) = ([&[1.][..], &[2., 4.]], [&[1.][..], &[0., 0.]]);
/// let moments = x.map(|x| BatchMoments::new(&[x.len(), 1]).reference(&Tensors::new(x)).map(|m| m.to_f32()));
/// let [left, right] = moments;
/// let moments = [left?.moments(), right?.moments()].concat();
/// let statistics = op(1).reference(&Tensors::new(x[0]).moments(&moments))?.to_f32();
/// let tensors = |i: usize| Tensors::new(x[i]).grad_output(grad[i]).statistics(statistics.statistics());
/// let first = |i: usize| op(x[i].len()).backward().coefficients(Coefficients::Written).reference(&tensors(i));
/// let sums = [first(0)?.to_f32().grad_sums(), first(1)?.to_f32().grad_sums()].concat();
/// let second = op(1).backward().coefficients(Coefficients::Given).reference(&tensors(0).grad_sums(&sums))?;
/// // As one device with all three samples.
/// let all = BatchNorm::training(&[3, 1]).weight(false).bias(false).backward();
/// let truth = all.reference(&Tensors::new(&[1., 2., 4.]).grad_output(&[1., 0., 0.]))?;
/// assert!((second.grad_input()[0] - truth.grad_input()[0]).abs() < 1e-6);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Types
/// The storage type of each tensor is f32, f16 or bf16, see [`dtype`](Self::dtype). Statistics and arithmetic are f32:
/// corrected two-pass on shifted data, merged by Chan's formula, see [numerics](crate::guide::numerics).
///
/// # In place
/// With [`in_place`](Self::in_place) the op writes the result over `input`. Otherwise input and output need different
/// buffers.
///
/// # Backward
/// [`backward`](Self::backward) makes the descriptor of the gradients: [`Backward`](crate::Backward).
///
/// # Errors
/// - [`Error::InvalidArgument`]: a rank other than 2 to 5; an empty axis after N; `eps` negative or not finite; a
///   momentum that is not finite; an option without the option that it needs; training with one value per channel,
///   which has no variance; `running_stats`, `save_stats`, `save_for_backward` or `merge` in inference; the backward
///   pass of merged statistics without `save_for_backward`, or without its two passes.
/// - [`Error::Unsupported`]: more than 29,999 parts.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{BatchNorm, Norm, RunningStats, Tensors};
///
/// let op = BatchNorm::training(&[2, 1]).weight(false).bias(false).running_stats(RunningStats::PYTORCH);
/// let truth = op.reference(&Tensors::new(&[1., 3.]).running(&[0.], &[1.]))?;
/// assert!((truth.output()[0] + 1.).abs() < 1e-5);
/// assert!((truth.running_mean()[0] - 0.2).abs() < 1e-6); // 0.9 * 0 + 0.1 * 2
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device, in training:
/// ```
/// use wgpu_norm::{Bindings, BatchNorm, Planner, RunningStats};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(8 * 64 * 14 * 14));
/// # let [weight, bias, running_mean, running_var] = [(); 4].map(|()| buffer(64));
/// # let statistics = buffer(3 * 64);
/// let op = BatchNorm::training(&[8, 64, 14, 14]).running_stats(RunningStats::PYTORCH).save_for_backward(true);
/// let bindings = Bindings::new()
///     .input(&input).output(&output)                         // [8, 64, 14, 14]
///     .weight(&weight).bias(&bias)                           // [64]
///     .running_mean(&running_mean).running_var(&running_var) // [64], updated
///     .statistics(&statistics);                              // [3, 64]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Ioffe, Szegedy, Batch Normalization, 2015 (arXiv 1502.03167). PyTorch: `torch.nn.BatchNorm1d`, `2d`, `3d`,
/// `native_batch_norm`, `batch_norm_gather_stats_with_counts`. ONNX: `BatchNormalization` (15).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BatchNorm {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// Whether the op uses the statistics of the batch, not running statistics.
    pub training: bool,
    /// How training updates the running statistics.
    pub running_stats: Option<RunningStats>,
    /// Whether a tensor has the lo parts of the running statistics.
    pub running_low: bool,
    /// The number of parts whose moments the op merges.
    pub parts: Option<usize>,
    /// The position of the channel axis.
    pub layout: Layout,
    /// The options that all ops share.
    pub options: Options,
}

impl BatchNorm {
    /// Batch norm with running statistics.
    #[must_use]
    pub fn inference(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            training: false,
            running_stats: None,
            running_low: false,
            parts: None,
            layout: Layout::ChannelsFirst,
            options: Options::new(1e-5, true, true),
        }
    }

    /// Batch norm with the statistics of the batch.
    #[must_use]
    pub fn training(shape: &[usize]) -> Self {
        Self { training: true, ..Self::inference(shape) }
    }

    /// Sets how training updates the running statistics. By default it tracks none.
    #[must_use]
    pub fn running_stats(mut self, convention: RunningStats) -> Self {
        self.running_stats = Some(convention);
        self
    }

    /// Sets whether `running_low` has the lo parts of the running statistics; false by default. Without them, small
    /// momenta and the cumulative average stall.
    #[must_use]
    pub fn running_low(mut self, on: bool) -> Self {
        self.running_low = on;
        self
    }

    /// Takes the statistics of the batch from the moments of this many parts, not from the input.
    #[must_use]
    pub fn merge(mut self, parts: usize) -> Self {
        self.parts = Some(parts);
        self
    }

    /// The op's backward pass, with all gradients.
    #[must_use]
    pub fn backward(&self) -> Backward<Self> {
        Backward::new(self.clone(), Gradients::all(&self.options, self.options.has_own_grad_residual(true)))
    }

    fn channels(&self) -> Result<ChannelShape> {
        let expected = "[N, C], [N, C, L], [N, C, H, W] or [N, C, D, H, W]";
        ChannelShape::new(&self.shape, self.layout, 2..=5, expected)
    }
}

setters!(BatchNorm:
    eps weight zero_centered bias save_stats save_for_backward own_residual activation epilogue in_place dtype
    affine_dtype layout strides);

impl BatchNorm {
    pub(super) fn definition(&self) -> Result<Definition> {
        self.options.validate(true, &self.shape)?;
        self.options.without_row_options()?;
        let channels = self.channels()?;
        let refuse = |argument, value: String, expected: &str| {
            Err(Error::InvalidArgument { argument, value, expected: expected.into() })
        };
        if !self.training {
            if let Some(convention) = self.running_stats {
                return refuse("running_stats", convention.show(), "none: inference updates nothing");
            }
            if self.options.save_stats {
                return refuse("save_stats", "true".into(), "false: inference has no batch statistics");
            }
            if self.options.save_for_backward {
                return refuse("save_for_backward", "true".into(), "false: inference has no batch statistics");
            }
            if let Some(parts) = self.parts {
                return refuse("merge", parts.to_string(), "no parts: inference has no batch statistics");
            }
        }
        if self.parts == Some(0) {
            return refuse("merge", "0".into(), "one part or more");
        }
        if self.training && self.parts.is_none() && channels.samples == 1 && channels.spatial == 1 {
            let shape = crate::tensor::show(&self.shape);
            return refuse("shape", shape, "more than one value per channel in training");
        }
        if let Some(parts) = self.parts {
            // Indices into the moments and the sums of all parts are u32.
            element_count(&[parts, channels.channels, 4])?;
        }
        let tracked = Tracked::new(self.running_stats, self.running_low)?;
        let reduction = channels.affine(false);
        Ok(Definition {
            shape: self.shape.clone(),
            stats_shape: vec![channels.channels],
            affine_shape: vec![channels.channels],
            stats: reduction,
            affine: reduction,
            scale: Scale::Variance,
            source: if self.training { Source::Batch { parts: self.parts, tracked } } else { Source::Running },
            residual_after: true,
        })
    }
}

impl Norm for BatchNorm {
    fn name(&self) -> &'static str {
        if self.training { "batch_norm_training" } else { "batch_norm_inference" }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        if self.training { "batch_norm_training_backward" } else { "batch_norm_inference_backward" }
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        Ok(Operation::Forward(self.definition()?, self.options.clone()))
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        let (_, channel) = ChannelShape::of(&self.shape, self.layout).place(index);
        [channel, channel]
    }
}
