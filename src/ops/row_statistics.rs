use super::op::{Internal, Norm};
use crate::{definition::Operation, error::Result};

/// The moments of rows or of parts of rows, without their output: for rows that are split over devices.
///
/// Each device has a part of each row, computes its moments, and exchanges them with the others. [`Statistics::merge`]
/// makes the statistics of whole rows from them. The op then normalizes its part by
/// [given statistics](crate::LayerNorm::given_statistics). [`LayerNorm::moments`](crate::LayerNorm::moments) and
/// [`RmsNorm::moments`](crate::RmsNorm::moments) make the descriptor.
///
/// # Tensors
/// `..` are the axes that are not normalized.
///
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `residual` | `shape` | read and added to `input`, with the op's option `residual` |
/// | `residual_output` | `shape` | written, with the op's option `residual_output`: the sum |
/// | `moments` | `[.., 4]`, f32 | written: mean (hi, lo), sum of squared deviations, number of elements |
///
/// RMS norm has no mean: its moments are 0, 0, the sum of squares, and the number of elements. With
/// `residual_in_place` the op writes the sum over `residual`. The op's other options do not matter: weight, bias,
/// activation, the output's type, in place.
///
/// # Errors
/// - The errors of the op.
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): an op with given statistics.
///
/// # Example
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Tensors};
///
/// // A row of three elements: 1 on one device, 2 and 3 on another.
/// let left = LayerNorm::new(&[1, 1], 1..).moments().reference(&Tensors::new(&[1.]))?.to_f32();
/// let right = LayerNorm::new(&[1, 2], 1..).moments().reference(&Tensors::new(&[2., 3.]))?.to_f32();
/// let moments = [left.moments(), right.moments()].concat();
/// // On each device: the statistics of the row, and the normalized part.
/// let part = LayerNorm::new(&[1, 1], 1..).weight(false).bias(false);
/// let merged = part.statistics().merge(2).reference(&Tensors::default().moments(&moments))?.to_f32();
/// let truth = part.given_statistics(3).reference(&Tensors::new(&[1.]).statistics(merged.statistics()))?;
/// assert!((truth.output()[0] + 1.5_f64.sqrt()).abs() < 1e-4);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On two devices, each with 2048 elements of 64 rows of 4096:
/// ```
/// use wgpu_norm::{Bindings, Planner, RmsNorm};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(64 * 2048));
/// # let (weight, own, all) = (buffer(2048), buffer(64 * 4), buffer(2 * 64 * 4));
/// # let statistics = buffer(3 * 64);
/// let planner = Planner::new(&device);
/// let part = RmsNorm::new(&[64, 2048], 1..);
/// let bindings = Bindings::new().input(&input).moments(&own); // [64, 2048] and [64, 4]
/// planner.plan(&part.moments())?.bind(&bindings)?.record(&mut pass);
///
/// // The program exchanges `own`, and writes those of both devices to `all`.
/// let bindings = Bindings::new().moments(&all).statistics(&statistics); // [2, 64, 4] and [3, 64]
/// planner.plan(&part.statistics().merge(2))?.bind(&bindings)?.record(&mut pass);
/// let bindings = Bindings::new().input(&input).statistics(&statistics).weight(&weight).output(&output);
/// planner.plan(&part.given_statistics(4096))?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Chan, Golub, Le Veque, Algorithms for Computing the Sample Variance, 1983.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Moments<N> {
    /// The op whose rows these are.
    pub op: N,
}

/// The statistics of rows, without their output: for a norm that another program applies, such as a product of
/// matrices.
///
/// [`LayerNorm::statistics`](crate::LayerNorm::statistics) and [`RmsNorm::statistics`](crate::RmsNorm::statistics) make
/// the descriptor. An op with [given statistics](crate::LayerNorm::given_statistics) applies them too.
///
/// # Tensors
/// `..` are the axes that are not normalized.
///
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read, without [`merge`](Self::merge) |
/// | `residual` | `shape` | read and added to `input`, with the op's option `residual`, without `merge` |
/// | `residual_output` | `shape` | written, with the op's option `residual_output`, without `merge`: the sum |
/// | `moments` | `[parts, .., 4]`, f32 | read, with `merge`: the [`Moments`] of the parts one after the other |
/// | `statistics` | `[3, ..]`, f32 | written: the mean as hi and lo, and rstd |
///
/// The mean is hi + lo, since f32 is too coarse for data with a large offset. Subtract hi, then lo. RMS norm has a mean
/// of 0. rstd is `1 / sqrt(var + eps)`, in RMS norm `1 / sqrt(mean(input^2) + eps)`. The op's other options do not
/// matter.
///
/// # Errors
/// - The errors of the op.
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): an op with given statistics; a merge of no parts.
///
/// # Example
/// ```
/// use wgpu_norm::{Norm, RmsNorm, Tensors};
///
/// let op = RmsNorm::new(&[1, 2], 1..).eps(0.).statistics();
/// let truth = op.reference(&Tensors::new(&[3., 4.]))?;
/// assert_eq!(truth.statistics(), [0., 0., 1. / 12.5_f64.sqrt()]);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device, for a product of matrices that normalizes as it loads:
/// ```
/// use wgpu_norm::{Bindings, LayerNorm, Planner};
///
#[doc = crate::example::noop!()]
/// # let (input, statistics) = (buffer(64 * 384), buffer(3 * 64));
/// let op = LayerNorm::new(&[64, 384], 1..).statistics();
/// let bindings = Bindings::new().input(&input).statistics(&statistics); // [64, 384] and [3, 64]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Statistics<N> {
    /// The op whose rows these are.
    pub op: N,
    /// The number of parts whose moments the op merges.
    pub parts: Option<usize>,
}

impl<N> Moments<N> {
    pub(super) fn new(op: N) -> Self {
        Self { op }
    }
}

impl<N> Statistics<N> {
    pub(super) fn new(op: N) -> Self {
        Self { op, parts: None }
    }

    /// Takes the statistics from the [`Moments`] of this many parts, not from the input. Parts may have any lengths.
    #[must_use]
    pub fn merge(mut self, parts: usize) -> Self {
        self.parts = Some(parts);
        self
    }
}

impl<N: Norm> Norm for Moments<N> {
    fn name(&self) -> &'static str {
        "row_moments"
    }

    fn shape(&self) -> &[usize] {
        self.op.shape()
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        self.op.operation(Internal)?.statistics(true, None)
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        self.op.with_rows(rows, Internal)?.statistics(true, None)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.op.place(index, Internal)
    }
}

impl<N: Norm> Norm for Statistics<N> {
    fn name(&self) -> &'static str {
        "row_statistics"
    }

    fn shape(&self) -> &[usize] {
        self.op.shape()
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        self.op.operation(Internal)?.statistics(false, self.parts)
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        self.op.with_rows(rows, Internal)?.statistics(false, self.parts)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.op.place(index, Internal)
    }
}
