use std::ops::{Range, RangeBounds};

use super::{
    op::{Internal, Norm, with_first},
    over_axes::{OverAxes, resolve},
    setters::setters,
};
use crate::{
    definition::{Definition, Operation},
    error::{Error, Result},
    options::Options,
    types::Scale,
};

/// Division by the L2 or L1 norm over adjacent axes of a tensor.
///
/// ```text
/// L2: output = input / max(sqrt(sum(input^2)), eps)
/// L1: output = input / max(sum(|input|), eps)
/// ```
///
/// with the sum over the elements that share an index in the other axes.
///
/// # Shapes
/// `shape` is the shape of input and output, of any rank. The op normalizes over `axes`: one or more adjacent axes,
/// none of them empty. If another axis is empty, so is the batch, and the op does nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight`, `bias` | `shape[affine_axes]` | read, if [`weight`](Self::weight), [`bias`](Self::bias) |
/// | `output` | `shape` | written |
/// | `input_index` | `[shape[0]]`, u32 | read, with [`gather_rows`](Self::gather_rows) |
/// | `output_index` | `[shape[0]]`, u32 | read, with [`scatter_rows`](Self::scatter_rows) |
/// | `quantized_output`, `quantized_scale` | [`Quantized`](crate::Quantized) | in place of `output`, if asked for |
/// | `rstd` | the other axes | written, if [`save_stats`](Self::save_stats): the factor, `1 / max(norm, eps)` |
/// | `epilogue_a`, `epilogue_b` | their lengths, f32 | read, if the [`epilogue`](Self::epilogue) has buffers |
///
/// There is neither weight nor bias by default. [`affine_axes`](Self::affine_axes) are the normalized axes by default.
/// `eps` is 1e-12 by default, as in PyTorch. A row of zeros stays zero. With `eps` 0 it becomes NaN.
///
/// # Types
/// The storage type of each tensor is f32, f16 or bf16, see [`dtype`](Self::dtype). Statistics and arithmetic are f32,
/// see [numerics](crate::guide::numerics).
///
/// # In place
/// With [`in_place`](Self::in_place) the op writes the result over `input`. Otherwise input and output need different
/// buffers.
///
/// # Backward
/// [`backward`](Self::backward) makes the descriptor of the gradients: [`Backward`](crate::Backward).
///
/// # Errors
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): `axes` empty, out of range or with an empty axis; `eps`
///   negative or not finite; an option without the option that it needs; strides by which elements share
///   memory.
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): rows by an index where the normalized axes are not the
///   last ones behind another axis, of 0 rows, or in an op that writes other tensors than `output`.
/// - [`Error::Unsupported`](crate::Error::Unsupported): rows by an index that are so long that no team owns one, from
///   `plan`.
/// - [`Error::Limit`](crate::Error::Limit): more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{LpNormalize, Norm, Order, Tensors};
///
/// let truth = LpNormalize::new(&[1, 2], 1..).reference(&Tensors::new(&[3., 4.]))?;
/// assert!((truth.output()[0] - 0.6).abs() < 1e-12);
/// let truth = LpNormalize::new(&[1, 2], 1..).order(Order::L1).reference(&Tensors::new(&[3., -5.]))?;
/// assert!((truth.output()[1] + 0.625).abs() < 1e-12);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device:
/// ```
/// use wgpu_norm::{Bindings, LpNormalize, Planner};
///
#[doc = crate::example::noop!()]
/// # let [embeddings, unit] = [(); 2].map(|()| buffer(1000 * 512));
/// let op = LpNormalize::new(&[1000, 512], 1..);
/// let bindings = Bindings::new().input(&embeddings).output(&unit); // [1000, 512]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// PyTorch: `torch.nn.functional.normalize` with p = 2 and p = 1. ONNX: `LpNormalization` (22), which has no eps. `eps`
/// 0 gives the same, but for a row of zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LpNormalize {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The normalized axes.
    pub axes: Range<usize>,
    /// The axes of weight and bias, which end with the normalized ones.
    pub affine_axes: Range<usize>,
    /// The order of the norm.
    pub order: Order,
    /// The options that all ops share.
    pub options: Options,
}

impl LpNormalize {
    /// L2 normalization of a tensor of this shape over these axes: `LpNormalize::new(&[64, 384], 1..)`.
    #[must_use]
    pub fn new(shape: &[usize], axes: impl RangeBounds<usize>) -> Self {
        let axes = resolve(axes, shape.len());
        Self {
            shape: shape.to_vec(),
            affine_axes: axes.clone(),
            axes,
            order: Order::L2,
            options: Options::new(1e-12, false, false),
        }
    }

    /// Sets the order of the norm; L2 by default.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    fn over_axes(&self) -> OverAxes<'_> {
        let Self { shape, axes, affine_axes, options, .. } = self;
        OverAxes { shape, axes, affine_axes, given: None, options }
    }
}

setters!(LpNormalize:
    backward eps weight bias affine_axes save_stats quantized activation epilogue in_place dtype affine_dtype strides
    index);

impl LpNormalize {
    fn definition(&self) -> Result<Definition> {
        let Options { residual, gate, .. } = self.options;
        if let Some((argument, _)) = [("residual", residual), ("gate", gate.is_some())].into_iter().find(|(_, on)| *on)
        {
            let (value, expected) = ("set".into(), "none: the op has its input alone".into());
            return Err(Error::InvalidArgument { argument, value, expected });
        }
        self.over_axes().definition(match self.order {
            Order::L2 => Scale::L2,
            Order::L1 => Scale::L1,
        })
    }
}

impl Norm for LpNormalize {
    fn name(&self) -> &'static str {
        "lp_normalize"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        "lp_normalize_backward"
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        Ok(Operation::Forward(self.definition()?, self.options.clone()))
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.over_axes().place(index)
    }
}

/// The order of a norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// The root of the sum of squares.
    #[default]
    L2,
    /// The sum of magnitudes.
    L1,
}
