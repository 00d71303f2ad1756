use super::{
    BatchNorm,
    op::{Internal, Norm, with_first},
};
use crate::{
    definition::{Definition, Operation, Source},
    error::Result,
    options::Layout,
    tensor::DType,
};

/// The moments of a part of a batch, for batch norm over several devices.
///
/// Each device computes the moments of its part. [`BatchNorm::merge`] normalizes with the moments of any number of
/// parts, of any sizes, and [has a backward pass](BatchNorm#a-batch-on-several-devices).
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `moments` | `[C, 4]`, f32 | written: mean (hi, lo), sum of squared deviations, number of values |
///
/// A merge takes the moments of its parts one after the other: `[parts, C, 4]`. A part may have one value per channel.
/// For an empty part (N = 0), the op writes nothing. Leave that part out of the merge, or set its moments to zero.
///
/// # Errors
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): a rank other than 2 to 5; an empty axis after N.
/// - [`Error::Limit`](crate::Error::Limit): more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{BatchMoments, BatchNorm, Norm, Tensors};
///
/// let left = BatchMoments::new(&[1, 1]).reference(&Tensors::new(&[1.]))?.to_f32();
/// let right = BatchMoments::new(&[2, 1]).reference(&Tensors::new(&[2., 3.]))?.to_f32();
/// let moments = [left.moments(), right.moments()].concat();
/// let op = BatchNorm::training(&[1, 1]).weight(false).bias(false).merge(2);
/// let truth = op.reference(&Tensors::new(&[1.]).moments(&moments))?;
/// assert!((truth.output()[0] + 1.5_f64.sqrt()).abs() < 1e-4);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On two devices with 8 and 5 samples, this one is the first:
/// ```
/// use wgpu_norm::{BatchMoments, BatchNorm, Bindings, Planner};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(8 * 64 * 14 * 14));
/// # let ([weight, bias], own, all) = ([(); 2].map(|()| buffer(64)), buffer(64 * 4), buffer(2 * 64 * 4));
/// let planner = Planner::new(&device);
/// let op = BatchMoments::new(&[8, 64, 14, 14]);
/// let bindings = Bindings::new().input(&input).moments(&own); // [8, 64, 14, 14] and [64, 4]
/// planner.plan(&op)?.bind(&bindings)?.record(&mut pass);
///
/// // The program exchanges `own`, and writes those of both devices to `all`.
/// let op = BatchNorm::training(&[8, 64, 14, 14]).merge(2);
/// let bindings = Bindings::new()
///     .input(&input).output(&output) // [8, 64, 14, 14]
///     .weight(&weight).bias(&bias)   // [64]
///     .moments(&all);                // [2, 64, 4]
/// planner.plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Chan, Golub, Le Veque, Algorithms for Computing the Sample Variance, 1983. PyTorch: `torch.batch_norm_stats`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BatchMoments {
    /// The part's shape.
    pub shape: Vec<usize>,
    /// The position of the channel axis.
    pub layout: Layout,
    /// The storage type of the input.
    pub dtype: DType,
}

impl BatchMoments {
    /// The moments of a part of this shape.
    #[must_use]
    pub fn new(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), layout: Layout::ChannelsFirst, dtype: DType::F32 }
    }

    /// Sets the position of the channel axis; second by default.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Sets the storage type of the input; f32 by default.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The batch norm with these statistics. A merge accepts one value per channel.
    fn batch_norm(&self) -> BatchNorm {
        let op = BatchNorm::training(&self.shape).merge(1).weight(false).bias(false);
        op.layout(self.layout).dtype(self.dtype)
    }
}

impl Norm for BatchMoments {
    fn name(&self) -> &'static str {
        "batch_moments"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        // This pass treats its part as a whole batch.
        let source = Source::Batch { parts: None, tracked: None };
        let op = self.batch_norm();
        Ok(Operation::Moments(Definition { source, ..op.definition()? }, op.options))
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.batch_norm().place(index, Internal)
    }
}
