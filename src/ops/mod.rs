//! The ops: one file each, with its descriptor, what it checks and its geometry.
//!
//! A descriptor is plain data on the host. It says what is computed on which shapes; where and how is up to a
//! [`Planner`](crate::Planner).

mod backward;
mod batch_moments;
mod batch_norm;
pub(crate) mod definition;
mod group_norm;
mod instance_norm;
mod layer_norm;
mod local_response_norm;
mod lp_normalize;
mod options;
mod rms_norm;

pub use backward::{Backward, Gradients};
pub use batch_moments::BatchMoments;
pub use batch_norm::{BatchNorm, RunningStats};
pub use group_norm::GroupNorm;
pub use instance_norm::InstanceNorm;
pub use layer_norm::LayerNorm;
pub use local_response_norm::{LocalResponseNorm, Window};
pub use lp_normalize::{LpNormalize, Order};
pub use options::{Activation, Layout, Options, Types};
pub use rms_norm::RmsNorm;

use std::ops::{Bound, Range, RangeBounds};

use crate::{
    error::{Error, Result},
    tensor::{Outputs, STRIDED_ELEMENTS, TensorSpec, Tensors, element_count, show},
};

/// A normalization, forward or backward: what the descriptors have in common. Implemented by this crate's ops only.
pub trait Norm: sealed::Op {
    /// The op's name: `layer_norm`, `layer_norm_backward`.
    fn name(&self) -> &'static str;

    /// The input's shape.
    fn shape(&self) -> &[usize];

    /// The tensors that the descriptor asks for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::Unsupported`] or [`Error::Limit`] for a descriptor that is wrong on every device.
    fn tensors(&self) -> Result<Vec<TensorSpec>>;

    /// The op in f64 on the CPU, from the same values that the GPU gets: rounded to how they are stored. The results are not
    /// rounded.
    ///
    /// # Errors
    /// Those of [`tensors`](Norm::tensors), and [`Error::Binding`] for a slice that is missing, not asked for, or of another length.
    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>>;
}

pub(crate) mod sealed {
    use super::{Gradients, Norm, Options, definition::Definition};
    use crate::{
        error::Result,
        lower::{Caps, Lowered, Strategy},
        tensor::{Outputs, TensorSpec, Tensors},
    };

    pub trait Op {
        /// The kernel calls of the op on a device. Pure.
        fn lower(&self, caps: &Caps, strategy: Strategy) -> Result<Lowered>;
    }

    /// An op with a backward pass.
    pub trait Differentiable: Norm + Clone {
        fn backward_name(&self) -> &'static str;
        /// All gradients that the op has.
        fn gradients(&self) -> Gradients;
        fn backward_tensors(&self, gradients: Gradients) -> Result<Vec<TensorSpec>>;
        /// The tensors were checked against `backward_tensors`.
        fn backward_reference(&self, gradients: Gradients, tensors: &Tensors<'_>) -> Result<Outputs<f64>>;
        fn lower_backward(&self, gradients: Gradients, caps: &Caps, strategy: Strategy) -> Result<Lowered>;
    }

    /// An op that is nothing but a [`Definition`]: the rest follows from it.
    pub trait Geometric: Clone {
        fn name(&self) -> &'static str;
        fn backward_name(&self) -> &'static str;
        fn shape(&self) -> &[usize];
        fn options(&self) -> &Options;
        /// Whether the residual is added to what was normalized.
        fn residual_after(&self) -> bool {
            false
        }
        /// Checks the arguments.
        fn definition(&self) -> Result<Definition>;
        /// Which statistic and which weight an element has, from its index along each axis: for the reference.
        fn place(&self, index: &[usize]) -> (usize, usize);
    }
}

/// A range of axes with its open ends filled in.
fn resolve(axes: impl RangeBounds<usize>, rank: usize) -> Range<usize> {
    let start = match axes.start_bound() {
        Bound::Included(&n) => n,
        Bound::Excluded(&n) => n.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match axes.end_bound() {
        Bound::Included(&n) => n.saturating_add(1),
        Bound::Excluded(&n) => n,
        Bound::Unbounded => rank,
    };
    start..end
}

/// A normalization over adjacent axes: its geometry, which layer, RMS and Lp norm share.
struct OverAxes<'a> {
    shape: &'a [usize],
    axes: &'a Range<usize>,
    input_row_stride: Option<usize>,
    options: &'a Options,
}

impl OverAxes<'_> {
    fn definition(&self, scale: crate::kernel::key::Scale) -> Result<definition::Definition> {
        let Self { shape, axes, input_row_stride, options } = *self;
        options.validate(false)?;
        let rank = shape.len();
        let refuse =
            |argument, value: String, expected: String| Err(Error::InvalidArgument { argument, value, expected });
        if axes.is_empty() || axes.end > rank {
            let expected = format!("one or more of the {rank} axes of {}", show(shape));
            return refuse("axes", format!("{axes:?}"), expected);
        }
        if shape[axes.clone()].contains(&0) {
            return refuse("axes", format!("{axes:?}"), format!("axes of {} that are not empty", show(shape)));
        }
        element_count(shape)?;
        let product = |axes: Range<usize>| shape[axes].iter().product::<usize>();
        let (outer, len, inner) = (product(0..axes.start), product(axes.clone()), product(axes.end..rank));
        let samples = if options.per_sample { shape[0] } else { 1 };
        if options.per_sample && axes.start == 0 {
            return refuse("per_sample", "true".into(), "false where the first axis is normalized over".into());
        }
        // An empty first axis: nothing is computed.
        let rows_per_sample = outer.checked_div(samples).unwrap_or(0);
        if inner > 1 && samples > 1 && rows_per_sample > 1 {
            return Err(Error::Unsupported {
                what: "a weight for each sample".into(),
                why: format!("the axes {axes:?} of {} are neither the last nor next to the first", show(shape)),
            });
        }
        let row_stride = match input_row_stride {
            Some(stride) if axes.end < rank => {
                let expected = "none where the normalized axes are not the last".into();
                return refuse("input_row_stride", stride.to_string(), expected);
            }
            Some(stride) if stride < len => {
                return refuse("input_row_stride", stride.to_string(), format!("at least the row's {len} elements"));
            }
            Some(stride) if options.in_place => {
                let expected = "none where the output is written over the input".into();
                return refuse("input_row_stride", stride.to_string(), expected);
            }
            Some(stride) => {
                let named = |e| match e {
                    Error::Limit { needed, allowed, .. } => Error::Limit { what: STRIDED_ELEMENTS, needed, allowed },
                    e => e,
                };
                element_count(&[outer, stride]).map_err(named)?;
                Some((len, stride))
            }
            None => None,
        };
        let (stats, params) = if inner == 1 {
            ([1, 1, outer, len], [samples, rows_per_sample, len, 1])
        } else {
            ([outer, len, inner, 1], [samples, rows_per_sample, len, inner])
        };
        let mut params_shape = shape[axes.clone()].to_vec();
        if options.per_sample {
            params_shape.insert(0, samples);
        }
        Ok(definition::Definition {
            shape: shape.to_vec(),
            stats_shape: [&shape[..axes.start], &shape[axes.end..]].concat(),
            params_shape,
            stats,
            params,
            scale,
            source: definition::Source::Batch { parts: None, tracked: None },
            residual_after: false,
            row_stride,
        })
    }

    /// See `Geometric::place`.
    fn place(&self, index: &[usize]) -> (usize, usize) {
        let Self { shape, axes, options, .. } = *self;
        let other = flat(&shape[..axes.start], &index[..axes.start]) * shape[axes.end..].iter().product::<usize>()
            + flat(&shape[axes.end..], &index[axes.end..]);
        let position = flat(&shape[axes.clone()], &index[axes.clone()]);
        let sample = if options.per_sample { index[0] } else { 0 };
        (other, sample * shape[axes.clone()].iter().product::<usize>() + position)
    }
}

/// The index of an element in a dense tensor.
fn flat(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |flat, (n, i)| flat * n + i)
}

/// A tensor with channels: its parts, wherever the channels are.
#[derive(Clone, Copy)]
struct ChannelShape {
    samples: usize,
    channels: usize,
    /// Elements of a channel in one sample.
    spatial: usize,
    layout: Layout,
}

impl ChannelShape {
    /// Checks the rank, and that no axis but the first is empty.
    fn new(shape: &[usize], layout: Layout, ranks: std::ops::RangeInclusive<usize>, expected: &str) -> Result<Self> {
        let refuse = |expected: &str| {
            Err(Error::InvalidArgument { argument: "shape", value: show(shape), expected: expected.into() })
        };
        if !ranks.contains(&shape.len()) {
            return refuse(expected);
        }
        if shape[1..].contains(&0) {
            return refuse("no empty axis but the batch");
        }
        element_count(shape)?;
        Ok(Self::of(shape, layout))
    }

    fn of(shape: &[usize], layout: Layout) -> Self {
        let axis = match layout {
            Layout::ChannelsFirst => 1,
            Layout::ChannelsLast => shape.len() - 1,
        };
        let channels = shape[axis];
        let spatial = shape[1..].iter().product::<usize>() / channels.max(1);
        Self { samples: shape[0], channels, spatial, layout }
    }

    /// Which elements share a weight.
    fn params(&self, per_sample: bool) -> [usize; 4] {
        let Self { samples, channels, spatial, layout } = *self;
        match (layout, per_sample) {
            (Layout::ChannelsFirst, false) => [1, samples, channels, spatial],
            (Layout::ChannelsFirst, true) => [samples, 1, channels, spatial],
            (Layout::ChannelsLast, false) => [1, samples * spatial, channels, 1],
            (Layout::ChannelsLast, true) => [samples, spatial, channels, 1],
        }
    }

    /// The shape of weight and bias.
    fn params_shape(&self, per_sample: bool) -> Vec<usize> {
        if per_sample { vec![self.samples, self.channels] } else { vec![self.channels] }
    }

    /// Sample and channel of an element.
    fn place(&self, index: &[usize]) -> (usize, usize) {
        let channel = match self.layout {
            Layout::ChannelsFirst => index[1],
            Layout::ChannelsLast => index[index.len() - 1],
        };
        (index[0], channel)
    }
}
