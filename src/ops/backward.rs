use super::op::{Internal, Norm};
use crate::{
    definition::{Gradients, Operation},
    error::Result,
    tensor::DType,
};

/// The backward pass of an op, made by its `backward` method: [`LayerNorm::backward`](crate::LayerNorm::backward).
///
/// With the mean and rstd of an element's statistic, `x = (input - mean) * rstd`, `u = x * weight + bias` and the activation f, the
/// gradient that reaches u is `g = grad_output * f'(u)`. Then
/// ```text
/// grad_bias   = sum of g
/// grad_weight = sum of g * x                                  over the elements that share a weight
/// grad_input  = rstd * (g * weight - mean(g * weight) - x * mean(g * weight * x))
/// ```
/// with means over the elements that share a statistic. RMS norm has no mean to subtract; batch norm inference has only the first
/// term; the other ops' formulas are in `docs/math.md`.
///
/// # Tensors
/// A gradient has the shape and the type of what it is the gradient of.
///
/// | slot | |
/// |---|---|
/// | `grad_output` | read |
/// | `input` | read, if what is asked for depends on it; not where `residual_output` is read |
/// | `residual` | read, if it was added to the input and the sum was not kept, or if an activation follows it |
/// | `residual_output` | read instead of input and residual, if the forward pass writes it |
/// | `grad_residual_output` | read and added to `grad_input`, in the same case |
/// | `weight` | read, for `grad_input` and for activations |
/// | `bias` | read, for activations |
/// | `running_mean`, `running_var` | read, in batch norm inference |
/// | `statistics` | read, if batch norm [saved](crate::BatchNorm::save_for_backward) them |
/// | `grad_input` | written, if [asked for](Self::grad_input); where a residual was added to the input, it is the residual's gradient too |
/// | `grad_residual` | written, if [asked for](Self::grad_residual) |
/// | `grad_weight`, `grad_bias` | written, or added to with [`accumulate`](Self::accumulate) |
///
/// The statistics are taken from the input again, which costs nothing where a row is held in registers; batch norm may save
/// them. A saved f32 mean is not enough: it is too coarse for data with a large offset. An empty batch
/// writes zero gradients of weight and bias, or leaves them as they are with `accumulate`.
///
/// # Errors
/// Those of the op, and [`Error::InvalidArgument`](crate::Error::InvalidArgument) for no gradient at all, one of a tensor that the op
/// does not have, `accumulate` without a gradient of weight or bias, or an op in place.
///
/// # Example
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Tensors};
///
/// let backward = LayerNorm::new(&[1, 3], 1..).weight(false).bias(false).backward();
/// let truth = backward.reference(&Tensors::new(&[1., 2., 4.]).grad_output(&[1., 1., 1.]))?;
/// // A gradient that is the same for all elements of a row can't change what is normalized.
/// assert!(truth.grad_input().iter().all(|x| x.abs() < 1e-12));
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Backward<N> {
    /// The op whose backward pass it is.
    pub op: N,
    /// What is computed.
    pub gradients: Gradients,
}

impl<N> Backward<N> {
    pub(super) fn new(op: N, gradients: Gradients) -> Self {
        Self { op, gradients }
    }

    /// Sets whether the gradient of the input is written; true by default.
    #[must_use]
    pub fn grad_input(mut self, grad_input: bool) -> Self {
        self.gradients.input = grad_input;
        self
    }

    /// Sets whether the gradient of batch norm's residual is written; true by default where it is a tensor of its own.
    #[must_use]
    pub fn grad_residual(mut self, grad_residual: bool) -> Self {
        self.gradients.residual = grad_residual;
        self
    }

    /// Sets whether the gradient of the weight is written; true by default where there is a weight.
    #[must_use]
    pub fn grad_weight(mut self, grad_weight: bool) -> Self {
        self.gradients.weight = grad_weight;
        self
    }

    /// Sets whether the gradient of the bias is written; true by default where there is a bias.
    #[must_use]
    pub fn grad_bias(mut self, grad_bias: bool) -> Self {
        self.gradients.bias = grad_bias;
        self
    }

    /// Sets whether the gradients of weight and bias are added to what is there; false by default: they are overwritten.
    #[must_use]
    pub fn accumulate(mut self, accumulate: bool) -> Self {
        self.gradients.accumulate = accumulate;
        self
    }

    /// Sets the storage type of the gradients of weight and bias; that of weight and bias by default.
    #[must_use]
    pub fn grad_affine_dtype(mut self, dtype: DType) -> Self {
        self.gradients.affine_dtype = dtype;
        self
    }
}

impl<N: Norm> Norm for Backward<N> {
    fn name(&self) -> &'static str {
        self.op.backward_name(Internal)
    }

    fn shape(&self) -> &[usize] {
        self.op.shape()
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        self.op.operation(Internal)?.backward(self.gradients)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.op.place(index, Internal)
    }
}
