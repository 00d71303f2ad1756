use super::op::{Internal, Norm};
use crate::{
    definition::{Coefficients, Gradients, Operation},
    error::Result,
    tensor::DType,
};

/// The backward pass of an op, which the op's `backward` method makes:
/// [`LayerNorm::backward`](crate::LayerNorm::backward).
///
/// Let `x = (input - mean) * rstd` and `u = x * weight + bias`, with the mean and rstd of the element's group. With the
/// activation f, the gradient of u is `g = grad_output * f'(u)`. Then
/// ```text
/// grad_bias   = sum of g
/// grad_weight = sum of g * x                                  over the elements that share a weight
/// grad_input  = rstd * (g * weight - mean(g * weight) - x * mean(g * weight * x))
/// ```
/// with means over the elements that share a statistic. RMS norm subtracts no mean. Batch norm inference has the first
/// term alone. [Formulas](crate::guide::math#backward) has those of the other ops.
///
/// # Tensors
/// A gradient has the shape and the storage type of its tensor.
///
/// | slot | |
/// |---|---|
/// | `grad_output` | read |
/// | `input` | read, if a gradient depends on it; not with `residual_output` |
/// | `residual` | read, if the op added it to the input without `residual_output`, or if an activation follows it |
/// | `gate` | read, if the op has one and a gradient depends on it |
/// | `residual_output` | read instead of input and residual, if the forward pass writes it |
/// | `grad_residual_output` | read and added to `grad_input`, in the same case |
/// | `weight` | read, for `grad_input` and for activations |
/// | `bias` | read, for activations |
/// | `running_mean`, `running_var` | read, in batch norm inference |
/// | `statistics` | read, if batch norm [saved](crate::BatchNorm::save_for_backward) them, or the caller [gives] them |
/// | `coefficients` | written or read, with [`coefficients`](Self::coefficients) |
/// | `grad_sums` | the same, `[C, 4]` or `[parts, C, 4]`, where batch norm [merges](crate::BatchNorm::merge) parts |
/// | `grad_input` | written, if [wanted](Self::grad_input); also the gradient of a residual before the norm |
/// | `grad_residual` | written, if [wanted](Self::grad_residual) |
/// | `grad_gate` | written, if [wanted](Self::grad_gate) |
/// | `grad_weight`, `grad_bias` | written, or added to with [`accumulate`](Self::accumulate) |
///
/// [gives]: crate::LayerNorm::given_statistics
///
/// The backward pass computes the statistics from the input again, which costs nothing where rows are resident. Batch
/// norm may save its statistics. A saved f32 mean would be too coarse for data with a large offset. For an empty batch,
/// the gradients of weight and bias are zero, or unchanged with `accumulate`.
///
/// # Errors
/// - The errors of the op.
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): no gradient at all; a gradient of a tensor that the op
///   lacks; `accumulate` without a gradient of weight or bias; an op in place; merged statistics without
///   `save_for_backward`, or with `Computed` coefficients; other coefficients than these for statistics of its own.
/// - [`Error::Unsupported`](crate::Error::Unsupported): an op with an epilogue or a rotary embedding.
///
/// # Example
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Tensors};
///
/// let backward = LayerNorm::new(&[1, 3], 1..).weight(false).bias(false).backward();
/// let truth = backward.reference(&Tensors::new(&[1., 2., 4.]).grad_output(&[1., 1., 1.]))?;
/// // Normalization removes a constant from each row, so a constant gradient changes nothing.
/// assert!(truth.grad_input().iter().all(|x| x.abs() < 1e-12));
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device. The weight of a step has its gradient added to that of the steps before:
/// ```
/// use wgpu_norm::{Bindings, Planner, RmsNorm};
///
#[doc = crate::example::noop!()]
/// # let [input, grad_output, grad_input] = [(); 3].map(|()| buffer(64 * 384));
/// # let [weight, grad_weight] = [(); 2].map(|()| buffer(384));
/// let backward = RmsNorm::new(&[64, 384], 1..).backward().accumulate(true);
/// let bindings = Bindings::new()
///     .input(&input).grad_output(&grad_output).grad_input(&grad_input) // [64, 384]
///     .weight(&weight).grad_weight(&grad_weight);                      // [384]
/// Planner::new(&device).plan(&backward)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Backward<N> {
    /// The forward op.
    pub op: N,
    /// The gradients that the op computes.
    pub gradients: Gradients,
}

impl<N> Backward<N> {
    pub(super) fn new(op: N, gradients: Gradients) -> Self {
        Self { op, gradients }
    }

    /// Sets whether the op writes the gradient of the input; true by default.
    #[must_use]
    pub fn grad_input(mut self, grad_input: bool) -> Self {
        self.gradients.input = grad_input;
        self
    }

    /// Sets whether the op writes the gradient of the residual; true by default where it is a tensor of its own: before
    /// an activation behind the norm, and beside an input with a gate.
    #[must_use]
    pub fn grad_residual(mut self, grad_residual: bool) -> Self {
        self.gradients.residual = grad_residual;
        self
    }

    /// Sets whether the op writes the gradient of the gate; true by default for an op with a gate. It needs
    /// [`grad_input`](Self::grad_input).
    #[must_use]
    pub fn grad_gate(mut self, grad_gate: bool) -> Self {
        self.gradients.gate = grad_gate;
        self
    }

    /// Sets whether the op writes the gradient of the weight; true by default for an op with a weight.
    #[must_use]
    pub fn grad_weight(mut self, grad_weight: bool) -> Self {
        self.gradients.weight = grad_weight;
        self
    }

    /// Sets whether the op writes the gradient of the bias; true by default for an op with a bias.
    #[must_use]
    pub fn grad_bias(mut self, grad_bias: bool) -> Self {
        self.gradients.bias = grad_bias;
        self
    }

    /// Sets where the op has the [`Coefficients`] of the gradient through [given
    /// statistics](crate::LayerNorm::given_statistics) or [merged](crate::BatchNorm::merge) ones, and with it what it
    /// writes. With [`Written`](Coefficients::Written) these are the coefficients and the gradients of weight and bias,
    /// and with [`Given`](Coefficients::Given) those of the input and the residual.
    ///
    /// So each device with a part of each row, or of a batch, runs two passes. Between them, the caller adds up the
    /// coefficients of all parts, or gathers the sums of all parts.
    #[must_use]
    pub fn coefficients(mut self, coefficients: Coefficients) -> Self {
        self.gradients.coefficients = coefficients;
        self.gradients.input = coefficients != Coefficients::Written;
        self.gradients.gate &= self.gradients.input;
        self.gradients.residual &= self.gradients.input;
        if coefficients == Coefficients::Given {
            (self.gradients.weight, self.gradients.bias) = (false, false);
        }
        self
    }

    /// Sets whether the op adds the gradients of weight and bias to their old values; false by default.
    #[must_use]
    pub fn accumulate(mut self, accumulate: bool) -> Self {
        self.gradients.accumulate = accumulate;
        self
    }

    /// Sets the storage type of the gradients of weight and bias; the type of weight and bias by default.
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

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        self.op.with_rows(rows, Internal)?.backward(self.gradients)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.op.place(index, Internal)
    }
}
