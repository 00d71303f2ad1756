//! The geometry of normalizations over adjacent axes, which layer, RMS and Lp norm share.

use std::ops::{Bound, Range, RangeBounds};

use crate::{
    definition::{Definition, Source},
    error::{Error, Result},
    options::Options,
    tensor::{MAX_ELEMENTS, element_count, flat, show},
    types::Scale,
};

/// Fills in the open ends of a range of axes.
pub(crate) fn resolve(axes: impl RangeBounds<usize>, rank: usize) -> Range<usize> {
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

/// A normalization over adjacent axes.
pub(super) struct OverAxes<'a> {
    pub shape: &'a [usize],
    pub axes: &'a Range<usize>,
    /// The axes of weight and bias.
    pub affine_axes: &'a Range<usize>,
    /// The elements of a whole row, if the caller gives the statistics.
    pub given: Option<usize>,
    pub options: &'a Options,
}

impl OverAxes<'_> {
    /// The definition of an op over these axes.
    pub fn definition(&self, scale: Scale) -> Result<Definition> {
        let Self { shape, axes, affine_axes, given, options } = *self;
        options.validate(false, shape)?;
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
        if affine_axes.start > axes.start || affine_axes.end != axes.end || shape[affine_axes.clone()].contains(&0) {
            let expected = format!("axes of {} that are not empty, and end with the axes {axes:?}", show(shape));
            return refuse("affine_axes", format!("{affine_axes:?}"), expected);
        }
        element_count(shape)?;
        if let Some(rotary) = &options.rotary {
            rotary.validate(shape, axes, given, options)?;
        }
        options.validate_index(shape, axes, given.is_some())?;
        let product = |axes: Range<usize>| shape[axes].iter().product::<usize>();
        let (outer, len, inner) = (product(0..axes.start), product(axes.clone()), product(axes.end..rank));
        let weights = product(affine_axes.clone());
        let samples = if options.per_sample { shape[0] } else { 1 };
        if options.per_sample && affine_axes.start == 0 {
            let expected = "false where the first axis is normalized over, or one of weight and bias";
            return refuse("per_sample", "true".into(), expected.into());
        }
        if weights > len && (inner > 1 || samples > 1) {
            return Err(Error::Unsupported {
                what: format!("weights for the axes {affine_axes:?}"),
                why: format!("the axes {axes:?} of {} are not the last, or weights are per sample", show(shape)),
            });
        }
        if options.input_bias && axes.end < rank {
            let expected = format!("false where the axes {axes:?} of {} are not the last", show(shape));
            return refuse("input_bias", "true".into(), expected);
        }
        // An empty first axis makes an empty batch.
        let rows_per_sample = product(0..affine_axes.start).checked_div(samples).unwrap_or(0);
        if inner > 1 && samples > 1 && rows_per_sample > 1 {
            return Err(Error::Unsupported {
                what: "a weight for each sample".into(),
                why: format!("the axes {axes:?} of {} are neither the last nor next to the first", show(shape)),
            });
        }
        let (stats, affine) = if inner == 1 {
            ([1, 1, outer, len], [samples, rows_per_sample, weights, 1])
        } else {
            ([outer, len, inner, 1], [samples, rows_per_sample, len, inner])
        };
        if let Some(whole) = given {
            // Lowering has it as u32 and f32.
            if whole < len || whole as u64 > MAX_ELEMENTS {
                let expected = format!("the length of whole rows: at least {len}, at most {MAX_ELEMENTS}");
                return refuse("given_statistics", whole.to_string(), expected);
            }
            if options.save_stats {
                return refuse("save_stats", "true".into(), "false where the caller gives the statistics".into());
            }
        }
        let mut affine_shape = shape[affine_axes.clone()].to_vec();
        if options.per_sample {
            affine_shape.insert(0, samples);
        }
        let definition = Definition {
            shape: shape.to_vec(),
            stats_shape: [&shape[..axes.start], &shape[axes.end..]].concat(),
            affine_shape,
            stats,
            affine,
            scale,
            source: match given {
                Some(len) => Source::Given { len },
                None => Source::Batch { parts: None, tracked: None },
            },
            residual_after: options.residual_after,
        };
        definition.check_parameters(options)
    }

    /// See [`Norm::place`](super::Norm::place).
    pub fn place(&self, index: &[usize]) -> [usize; 2] {
        let Self { shape, axes, affine_axes, options, .. } = *self;
        let other = flat(&shape[..axes.start], &index[..axes.start]) * shape[axes.end..].iter().product::<usize>()
            + flat(&shape[axes.end..], &index[axes.end..]);
        let position = flat(&shape[affine_axes.clone()], &index[affine_axes.clone()]);
        let sample = if options.per_sample { index[0] } else { 0 };
        [other, sample * shape[affine_axes.clone()].iter().product::<usize>() + position]
    }
}
