//! The geometry of tensors with channels, which batch, group, instance and local response norm share.

use std::ops::RangeInclusive;

use crate::{
    error::{Error, Result},
    options::Layout,
    tensor::{element_count, show},
};

/// The sizes of a tensor with channels, wherever the channels are.
#[derive(Clone, Copy)]
pub(super) struct ChannelShape {
    pub samples: usize,
    pub channels: usize,
    /// Elements of a channel in one sample.
    pub spatial: usize,
    layout: Layout,
}

impl ChannelShape {
    /// Checks the rank, and refuses an empty axis after the first.
    pub fn new(shape: &[usize], layout: Layout, ranks: RangeInclusive<usize>, expected: &str) -> Result<Self> {
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

    pub fn of(shape: &[usize], layout: Layout) -> Self {
        let axis = match layout {
            Layout::ChannelsFirst => 1,
            Layout::ChannelsLast => shape.len() - 1,
        };
        let channels = shape[axis];
        let spatial = shape[1..].iter().product::<usize>() / channels.max(1);
        Self { samples: shape[0], channels, spatial, layout }
    }

    /// The groups of elements that share a weight, as a reduction.
    pub fn affine(&self, per_sample: bool) -> [usize; 4] {
        let Self { samples, channels, spatial, layout } = *self;
        match (layout, per_sample) {
            (Layout::ChannelsFirst, false) => [1, samples, channels, spatial],
            (Layout::ChannelsFirst, true) => [samples, 1, channels, spatial],
            (Layout::ChannelsLast, false) => [1, samples * spatial, channels, 1],
            (Layout::ChannelsLast, true) => [samples, spatial, channels, 1],
        }
    }

    /// The shape of weight and bias.
    pub fn affine_shape(&self, per_sample: bool) -> Vec<usize> {
        if per_sample { vec![self.samples, self.channels] } else { vec![self.channels] }
    }

    /// Sample and channel of an element.
    pub fn place(&self, index: &[usize]) -> (usize, usize) {
        let channel = match self.layout {
            Layout::ChannelsFirst => index[1],
            Layout::ChannelsLast => index[index.len() - 1],
        };
        (index[0], channel)
    }
}
