use super::{
    channels::ChannelShape,
    op::{Internal, Norm, with_first},
    setters::setters,
};
use crate::{
    definition::{Definition, Operation, Source},
    error::{Error, Result},
    options::{Layout, Options},
    types::Scale,
};

/// Group normalization of `[N, C]` or `[N, C, ..]`, over groups of adjacent channels of a sample.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// with the mean and the biased variance of each group: all elements of `C / groups` channels of a sample. One group is
/// layer norm over all axes but the batch, with a weight for each channel. `C` groups are
/// [`InstanceNorm`](crate::InstanceNorm).
///
/// # Shapes
/// `shape` is the shape of input and output, of two axes or more. The channels are the second axis or, with
/// [`layout`](Self::layout), the last. An empty batch (N = 0) is a no-op: the op reads and writes nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight` | `[C]`; per sample `[N, C]` | read, if [`weight`](Self::weight) (by default) |
/// | `bias` | as `weight` | read, if [`bias`](Self::bias) (by default) |
/// | `residual` | `shape` | read and added, if [`residual`](Self::residual): to `input`, or [after] the norm |
/// | `gate` | `shape` | read, if there is a [`gate`](Self::gate) |
/// | `residual_output` | `shape` | written, if [`residual_output`](Self::residual_output): the sum |
/// | `output` | `shape` | written |
/// | `mean`, `rstd` | `[N, groups]` | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
/// | `epilogue_a`, `epilogue_b` | their lengths, f32 | read, if the [`epilogue`](Self::epilogue) has buffers |
///
/// `eps` is 1e-5 by default. With [`per_sample`](Self::per_sample), each sample has its own weight and bias.
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
/// - [`Error::InvalidArgument`]: fewer than two axes; an empty axis after N; `groups` zero or not a divisor of the
///   number of channels; `eps` negative or not finite; an option without the option that it needs.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{GroupNorm, Norm, Tensors};
///
/// // One sample of 4 channels in 2 groups: 1, 3 and 10, 30.
/// let op = GroupNorm::new(&[1, 4], 2).weight(false).bias(false);
/// let truth = op.reference(&Tensors::new(&[1., 3., 10., 30.]))?;
/// assert!((truth.output()[0] + 1.).abs() < 1e-4 && (truth.output()[3] - 1.).abs() < 1e-4);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device, with an activation:
/// ```
/// use wgpu_norm::{Activation, Bindings, GroupNorm, Planner};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(2 * 320 * 16 * 16));
/// # let [weight, bias] = [(); 2].map(|()| buffer(320));
/// let op = GroupNorm::new(&[2, 320, 16, 16], 32).activation(Activation::Silu);
/// let bindings = Bindings::new()
///     .input(&input).output(&output) // [2, 320, 16, 16]
///     .weight(&weight).bias(&bias);  // [320]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Wu, He, Group Normalization, 2018 (arXiv 1803.08494). PyTorch: `torch.nn.GroupNorm`, `native_group_norm`.
/// ONNX: `GroupNormalization` (21).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GroupNorm {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The number of groups of a sample's channels.
    pub groups: usize,
    /// The position of the channel axis.
    pub layout: Layout,
    /// The options that all ops share.
    pub options: Options,
}

impl GroupNorm {
    /// Group norm of a tensor of this shape with this many groups.
    #[must_use]
    pub fn new(shape: &[usize], groups: usize) -> Self {
        let (shape, layout) = (shape.to_vec(), Layout::ChannelsFirst);
        Self { shape, groups, layout, options: Options::new(1e-5, true, true) }
    }
}

setters!(GroupNorm:
    backward eps weight zero_centered bias per_sample save_stats residual after gate activation epilogue in_place
    dtype affine_dtype layout strides);

impl GroupNorm {
    fn definition(&self) -> Result<Definition> {
        self.options.validate(false, &self.shape)?;
        self.options.without_row_options()?;
        let all = ChannelShape::new(&self.shape, self.layout, 2..=usize::MAX, "[N, C] or [N, C, ..]")?;
        let ChannelShape { samples, channels, spatial, .. } = all;
        if self.groups == 0 || !channels.is_multiple_of(self.groups) {
            return Err(Error::InvalidArgument {
                argument: "groups",
                value: self.groups.to_string(),
                expected: format!("a divisor of the {channels} channels"),
            });
        }
        let of_group = channels / self.groups;
        let per_sample = self.options.per_sample;
        let definition = Definition {
            shape: self.shape.clone(),
            stats_shape: vec![samples, self.groups],
            affine_shape: all.affine_shape(per_sample),
            stats: match self.layout {
                Layout::ChannelsLast if spatial > 1 => [samples, spatial, self.groups, of_group],
                _ => [1, 1, samples * self.groups, of_group * spatial],
            },
            affine: all.affine(per_sample),
            scale: Scale::Variance,
            source: Source::Batch { parts: None, tracked: None },
            residual_after: self.options.residual_after,
        };
        definition.check_parameters(&self.options)
    }
}

impl Norm for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        "group_norm_backward"
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        Ok(Operation::Forward(self.definition()?, self.options.clone()))
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        let all = ChannelShape::of(&self.shape, self.layout);
        let (sample, channel) = all.place(index);
        let group = channel / (all.channels / self.groups);
        let weight = if self.options.per_sample { sample * all.channels + channel } else { channel };
        [sample * self.groups + group, weight]
    }
}
