use super::{
    channels::ChannelShape,
    op::{Internal, Norm, with_first},
    setters::setters,
};
use crate::{
    definition::{Definition, Operation, Source, Tracked},
    error::{Error, Result},
    options::{Layout, Options},
    running_stats::RunningStats,
    types::Scale,
};

/// Instance normalization of `[N, C, L]`, `[N, C, H, W]`, .., over each channel of a sample.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// with the mean and the biased variance of each channel of a sample, over its spatial axes. It may update running
/// statistics. Inference with running statistics is [`BatchNorm::inference`](crate::BatchNorm::inference).
///
/// # Shapes
/// `shape` is the shape of input and output, of three axes or more. The channels are the second axis or, with
/// [`layout`](Self::layout), the last. An empty batch (N = 0) is a no-op: the op reads and writes nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight` | `[C]`; per sample `[N, C]` | read, if [`weight`](Self::weight) |
/// | `bias` | as `weight` | read, if [`bias`](Self::bias) |
/// | `residual` | `shape` | read and added, if [`residual`](Self::residual): to `input`, or [after] the norm |
/// | `gate` | `shape` | read, if there is a [`gate`](Self::gate) |
/// | `residual_output` | `shape` | written, if [`residual_output`](Self::residual_output): the sum |
/// | `output` | `shape` | written |
/// | `mean`, `rstd` | `[N, C]` | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
/// | `running_mean`, `running_var` | `[C]` | updated, if there are [`running_stats`](Self::running_stats) |
/// | `running_low` | `[2, C]` | updated, if [`running_low`](Self::running_low): their lo parts, zeros at first |
/// | `num_batches_tracked` | `[1]`, u32 | incremented, for a cumulative average |
/// | `epilogue_a`, `epilogue_b` | their lengths, f32 | read, if the [`epilogue`](Self::epilogue) has buffers |
///
/// `eps` is 1e-5 by default. There is no weight, no bias and no running statistic by default. With
/// [`per_sample`](Self::per_sample), each sample has its own weight and bias. The op updates running statistics with
/// the average of the statistics of all samples. Each sample's variance is unbiased if the convention says so, see
/// [`RunningStats`].
///
/// [after]: Self::residual_after
///
/// # Types
/// The storage type of each tensor is f32, f16 or bf16, see [`dtype`](Self::dtype). Statistics and arithmetic are f32:
/// corrected two-pass on shifted data, see [numerics](crate::guide::numerics).
///
/// # In place
/// With [`in_place`](Self::in_place) the op writes the result over `input`. Otherwise input and output need different
/// buffers.
///
/// # Backward
/// [`backward`](Self::backward) makes the descriptor of the gradients: [`Backward`](crate::Backward).
///
/// # Errors
/// - [`Error::InvalidArgument`]: fewer than three axes; an empty axis after N; one spatial element, which has no
///   variance; `eps` negative or not finite; a momentum that is not finite; an option without the option that it needs.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{InstanceNorm, Norm, Tensors};
///
/// let truth = InstanceNorm::new(&[1, 2, 2]).reference(&Tensors::new(&[1., 3., 10., 30.]))?;
/// assert!((truth.output()[0] + 1.).abs() < 1e-4 && (truth.output()[3] - 1.).abs() < 1e-4);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device, with a style for each sample, channels last and in place:
/// ```
/// use wgpu_norm::{Bindings, InstanceNorm, Layout, Planner};
///
#[doc = crate::example::noop!()]
/// # let image = buffer(2 * 32 * 32 * 64);
/// # let [scale, shift] = [(); 2].map(|()| buffer(2 * 64));
/// let op = InstanceNorm::new(&[2, 32, 32, 64]).layout(Layout::ChannelsLast);
/// let op = op.weight(true).bias(true).per_sample(true).in_place(true);
/// let bindings = Bindings::new()
///     .input(&image)                // [2, 32, 32, 64], updated
///     .weight(&scale).bias(&shift); // [2, 64]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Ulyanov, Vedaldi, Lempitsky, Instance Normalization, 2016 (arXiv 1607.08022). PyTorch: `torch.nn.InstanceNorm1d`,
/// `2d`, `3d`. ONNX: `InstanceNormalization` (22).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct InstanceNorm {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// How the op updates running statistics.
    pub running_stats: Option<RunningStats>,
    /// Whether a tensor has the lo parts of the running statistics.
    pub running_low: bool,
    /// The position of the channel axis.
    pub layout: Layout,
    /// The options that all ops share.
    pub options: Options,
}

impl InstanceNorm {
    /// Instance norm of a tensor of this shape.
    #[must_use]
    pub fn new(shape: &[usize]) -> Self {
        let (shape, layout) = (shape.to_vec(), Layout::ChannelsFirst);
        Self { shape, running_stats: None, running_low: false, layout, options: Options::new(1e-5, false, false) }
    }

    /// Sets how the op updates running statistics. By default it tracks none.
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
}

setters!(InstanceNorm:
    backward eps weight zero_centered bias per_sample save_stats residual after gate activation epilogue in_place
    dtype affine_dtype layout strides);

impl InstanceNorm {
    fn definition(&self) -> Result<Definition> {
        self.options.validate(false, &self.shape)?;
        self.options.without_row_options()?;
        let expected = "[N, C, L], [N, C, H, W], .. with more than one spatial element";
        let all = ChannelShape::new(&self.shape, self.layout, 3..=usize::MAX, expected)?;
        let ChannelShape { samples, channels, spatial, .. } = all;
        if spatial == 1 {
            let value = crate::tensor::show(&self.shape);
            return Err(Error::InvalidArgument { argument: "shape", value, expected: expected.into() });
        }
        let tracked = Tracked::new(self.running_stats, self.running_low)?;
        let per_sample = self.options.per_sample;
        let definition = Definition {
            shape: self.shape.clone(),
            stats_shape: vec![samples, channels],
            affine_shape: all.affine_shape(per_sample),
            // Running statistics average over the samples.
            stats: match (self.layout, self.running_stats) {
                (Layout::ChannelsFirst, None) => [1, 1, samples * channels, spatial],
                _ => all.affine(true),
            },
            affine: all.affine(per_sample),
            scale: Scale::Variance,
            source: Source::Batch { parts: None, tracked },
            residual_after: self.options.residual_after,
        };
        definition.check_parameters(&self.options)
    }
}

impl Norm for InstanceNorm {
    fn name(&self) -> &'static str {
        "instance_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        "instance_norm_backward"
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        Ok(Operation::Forward(self.definition()?, self.options.clone()))
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        let channels = ChannelShape::of(&self.shape, self.layout);
        let (sample, channel) = channels.place(index);
        let instance = sample * channels.channels + channel;
        [instance, if self.options.per_sample { instance } else { channel }]
    }
}
