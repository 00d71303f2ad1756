use std::ops::{Range, RangeBounds};

use super::{
    op::{Internal, Norm},
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
/// `shape` is the input's and the output's, of any rank. `axes` are the axes that are normalized over: one or more, next to each
/// other. None of them may be empty; another empty axis makes an empty batch, and the op does nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `output` | `shape` | written |
/// | `rstd` | the other axes | written, if [`save_stats`](Self::save_stats): the factor, `1 / max(norm, eps)` |
///
/// `eps` is 1e-12 by default, as in PyTorch. A row of zeros stays zero; with `eps` 0 it is NaN.
///
/// # Types
/// Each tensor is stored as f32, f16 or bf16, see [`dtype`](Self::dtype); statistics are f32, and so is all
/// arithmetic, see `docs/numerics.md`.
///
/// # In place
/// With [`in_place`](Self::in_place) the result is written over `input`. Otherwise input and output are different buffers.
///
/// # Backward
/// [`backward`](Self::backward) makes the descriptor of the gradients: [`Backward`](crate::Backward).
///
/// # Errors
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): `axes` is empty, out of range or has an empty axis; `eps` is negative
///   or not finite; an option without what it needs; a row stride shorter than a row or where `axes` are not the last.
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
/// # Source
/// PyTorch: `torch.nn.functional.normalize` with p = 2 and p = 1. ONNX: `LpNormalization` (22), where the factor has no eps: 0 here,
/// but for a row of zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LpNormalize {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The axes that are normalized over.
    pub axes: Range<usize>,
    /// The order of the norm.
    pub order: Order,
    /// Elements from one row of the input to the next, where they are apart.
    pub input_row_stride: Option<usize>,
    /// What all ops share.
    pub options: Options,
}

impl LpNormalize {
    /// L2 normalization of a tensor of this shape over these axes: `LpNormalize::new(&[64, 384], 1..)`.
    #[must_use]
    pub fn new(shape: &[usize], axes: impl RangeBounds<usize>) -> Self {
        Self {
            shape: shape.to_vec(),
            axes: resolve(axes, shape.len()),
            order: Order::L2,
            input_row_stride: None,
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
        let Self { shape, axes, input_row_stride, options, .. } = self;
        OverAxes { shape, axes, input_row_stride: *input_row_stride, options }
    }
}

setters!(LpNormalize: backward eps save_stats activation in_place dtype input_row_stride);

impl LpNormalize {
    fn definition(&self) -> Result<Definition> {
        let Options { weight, bias, residual, .. } = self.options;
        for (argument, set) in [("weight", weight), ("bias", bias), ("residual", residual)] {
            if set {
                let (value, expected) = ("true".into(), "false: a norm is all that it divides by".into());
                return Err(Error::InvalidArgument { argument, value, expected });
            }
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
