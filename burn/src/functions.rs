//! The ops as functions on `Tensor`.

use burn::{
    backend::{Dispatch, DispatchTensor},
    tensor::{DType, Device, Tensor},
};
use wgpu_norm::{
    BatchNorm, BindingProblem, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize, Order, RmsNorm,
    RunningStats, Slot,
};

use crate::{
    call::{Call, Op, dtype_of, to_norm},
    device::{context, cube_device},
    error::Error,
    floats::{Floats, NormOps},
};

/// The tensors that an op takes, by their names in wgpu-norm.
#[derive(Clone, Debug)]
pub struct Inputs {
    device: Device,
    tensors: Vec<Input>,
}

#[derive(Clone, Debug)]
struct Input {
    slot: Slot,
    shape: Vec<usize>,
    dtype: DType,
    is_elsewhere: bool,
    tensor: DispatchTensor,
}

impl Inputs {
    /// The input alone.
    #[must_use]
    pub fn new<const D: usize>(input: Tensor<D>) -> Self {
        Self { device: input.device(), tensors: Vec::new() }.set(Slot::Input, input)
    }

    /// Adds the weight.
    #[must_use]
    pub fn weight<const D: usize>(self, weight: Tensor<D>) -> Self {
        self.set(Slot::Weight, weight)
    }

    /// Adds the bias.
    #[must_use]
    pub fn bias<const D: usize>(self, bias: Tensor<D>) -> Self {
        self.set(Slot::Bias, bias)
    }

    /// Adds the residual, of the input's shape.
    #[must_use]
    pub fn residual<const D: usize>(self, residual: Tensor<D>) -> Self {
        self.set(Slot::Residual, residual)
    }

    /// Adds the gate, of the input's shape.
    #[must_use]
    pub fn gate<const D: usize>(self, gate: Tensor<D>) -> Self {
        self.set(Slot::Gate, gate)
    }

    /// Adds running mean and running variance: `[C]`, f32.
    #[must_use]
    pub fn running(self, mean: Tensor<1>, var: Tensor<1>) -> Self {
        self.set(Slot::RunningMean, mean).set(Slot::RunningVar, var)
    }

    /// Adds or replaces the tensor of a slot.
    #[must_use]
    pub fn set<const D: usize>(mut self, slot: Slot, tensor: Tensor<D>) -> Self {
        self.tensors.retain(|input| input.slot != slot);
        let (shape, dtype) = (tensor.dims().to_vec(), tensor.dtype());
        let is_elsewhere = cube_device(&tensor.device()) != cube_device(&self.device);
        self.tensors.push(Input { slot, shape, dtype, is_elsewhere, tensor: tensor.into_dispatch() });
        self
    }

    /// wgpu-norm's name of the storage type of a tensor, if it is there.
    fn dtype(&self, slot: Slot) -> Result<Option<wgpu_norm::DType>, Error> {
        let Some(&Input { dtype, .. }) = self.tensors.iter().find(|input| input.slot == slot) else { return Ok(None) };
        let refused = || Error::DType { slot, dtype, expected: "F32, F16 or BF16".into() };
        to_norm(dtype).map(Some).ok_or_else(refused)
    }
}

/// The tensors that an op returned.
#[derive(Clone, Debug)]
pub struct Outputs(Vec<(Slot, DispatchTensor)>);

impl Outputs {
    /// The normalized tensor.
    ///
    /// # Panics
    /// If the op has no `output`, or one of another rank.
    #[must_use]
    pub fn output<const D: usize>(mut self) -> Tensor<D> {
        self.take(Slot::Output)
    }

    /// Takes a tensor. An op returns a tensor under its own name if it reads and writes it, as training does with
    /// `running_mean`.
    ///
    /// # Panics
    /// If the op has no such tensor, if it was taken before, or if it has another rank.
    #[must_use]
    pub fn take<const D: usize>(&mut self, slot: Slot) -> Tensor<D> {
        let Some(index) = self.0.iter().position(|(name, _)| *name == slot) else {
            panic!("the op did not return {slot}, or it was taken before");
        };
        let tensor = Tensor::from_dispatch(self.0.swap_remove(index).1);
        assert_eq!(tensor.shape().num_dims(), D, "the rank of {slot}");
        tensor
    }
}

/// Runs an op, with gradients where autodiff tracks a tensor.
///
/// The op's `shape` is that of the input, and its options say which tensors it takes. The storage types are those of
/// the tensors, whatever the descriptor says; the output and the sum of input and residual have the input's, unless the
/// descriptor has an `output_dtype` or a `residual_output_dtype`. Tensors that are not contiguous are copied first.
///
/// ```no_run
/// use burn::tensor::{Device, Tensor};
/// use wgpu_norm::{RmsNorm, Slot};
/// use wgpu_norm_burn::{Inputs, norm};
///
/// let device = wgpu_norm_burn::init(Device::wgpu_options())?;
/// let [x, residual] = [(); 2].map(|()| Tensor::<2>::ones([64, 384], &device));
/// let weight = Tensor::<1>::ones([384], &device);
/// let op = RmsNorm::new(&x.dims(), 1..).residual(true).residual_output(true);
/// let mut outputs = norm(op, Inputs::new(x).residual(residual).weight(weight))?;
/// let (sum, y): (Tensor<2>, Tensor<2>) = (outputs.take(Slot::ResidualOutput), outputs.output());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// - [`Error::Norm`]: those of the descriptor; a tensor that is missing or that the op does not take; a descriptor with
///   strides, `input_bias`, an index, a rotary embedding, a quantized output or a cumulative average, whose tensors are
///   no dense floats.
/// - [`Error::Shape`], [`Error::DType`], [`Error::OtherDevice`]: of a tensor.
/// - [`Error::Unregistered`], [`Error::Capturing`].
///
/// # Panics
/// If autodiff tracks a tensor and the op has no backward pass, or none for this tensor; as burn's own functions do,
/// when the device has no memory or a limit is too small.
pub fn norm(op: impl Into<Op>, inputs: Inputs) -> Result<Outputs, Error> {
    let mut op = op.into();
    let cube = cube_device(&inputs.device);
    let cube = cube.ok_or_else(|| Error::Unregistered { device: format!("{:?}", inputs.device) })?;
    context(&cube)?;
    if cube.client().is_capturing() {
        return Err(Error::Capturing);
    }
    let affine = inputs.dtype(Slot::Weight)?.or(inputs.dtype(Slot::Bias)?);
    let types = op.types_mut();
    if let Some(dtype) = inputs.dtype(Slot::Input)? {
        (types.all, types.input) = (dtype, None);
    }
    (types.residual, types.gate, types.affine) = (inputs.dtype(Slot::Residual)?, inputs.dtype(Slot::Gate)?, affine);

    let call = Call::new(op, None)?;
    let problem = |slot, problem| Error::Norm(wgpu_norm::Error::Binding { slot, problem });
    if let Some(input) = inputs.tensors.iter().find(|input| call.inputs().all(|spec| spec.slot != input.slot)) {
        return Err(problem(input.slot, BindingProblem::Unexpected));
    }
    let mut tensors = Vec::new();
    for spec in call.inputs() {
        let slot = spec.slot;
        let found = inputs.tensors.iter().find(|input| input.slot == slot);
        let Input { shape, dtype, is_elsewhere, tensor, .. } =
            found.ok_or_else(|| problem(slot, BindingProblem::Missing))?;
        if *shape != spec.shape {
            return Err(Error::Shape { slot, actual: shape.clone(), expected: spec.shape.clone() });
        }
        if *dtype != dtype_of(spec) {
            return Err(Error::DType { slot, dtype: *dtype, expected: format!("{:?}", dtype_of(spec)) });
        }
        if *is_elsewhere {
            return Err(Error::OtherDevice { slot });
        }
        tensors.push(tensor.clone());
    }
    // The op may write over a tensor that nothing else holds.
    drop(inputs);
    let outputs = Dispatch::run_norm(Floats::new(tensors), call.clone()).into_vec();
    Ok(Outputs(call.outputs().map(|spec| spec.slot).zip(outputs).collect()))
}

/// [`norm`] for the short forms, which panic where burn's own functions do.
fn run(op: impl Into<Op>, inputs: Inputs) -> Outputs {
    norm(op, inputs).unwrap_or_else(|error| panic!("{error}"))
}

#[allow(clippy::cast_possible_truncation, reason = "burn has f64, kernels compute in f32")]
fn eps_of(eps: f64) -> f32 {
    eps as f32
}

/// The inputs of an op whose weight and bias are optional.
fn with_affine<const D: usize>(input: Tensor<D>, weight: Option<Tensor<1>>, bias: Option<Tensor<1>>) -> Inputs {
    let inputs = Inputs::new(input);
    let inputs = weight.into_iter().fold(inputs, Inputs::weight);
    bias.into_iter().fold(inputs, Inputs::bias)
}

/// Layer norm over the last axis: `(input - mean) / sqrt(var + eps) * weight + bias`.
///
/// `input` is `[.., C]`, weight and bias are `[C]`.
///
/// # Panics
/// Where [`norm`] returns an error, as all functions below.
#[must_use]
pub fn layer_norm<const D: usize>(
    input: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<D> {
    let op = LayerNorm::new(&input.dims(), D - 1..).eps(eps_of(eps)).weight(weight.is_some()).bias(bias.is_some());
    run(op, with_affine(input, weight, bias)).output()
}

/// [`layer_norm`] of `input + residual` in one pass. Returns the output and the sum.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn add_layer_norm<const D: usize>(
    input: Tensor<D>,
    residual: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> (Tensor<D>, Tensor<D>) {
    let op = LayerNorm::new(&input.dims(), D - 1..).eps(eps_of(eps)).weight(weight.is_some()).bias(bias.is_some());
    let op = op.residual(true).residual_output(true);
    let mut outputs = run(op, with_affine(input, weight, bias).residual(residual));
    (outputs.take(Slot::Output), outputs.take(Slot::ResidualOutput))
}

/// RMS norm over the last axis: `input / sqrt(mean(input^2) + eps) * weight`.
///
/// `input` is `[.., C]`, the weight is `[C]`.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn rms_norm<const D: usize>(input: Tensor<D>, weight: Option<Tensor<1>>, eps: f64) -> Tensor<D> {
    let op = RmsNorm::new(&input.dims(), D - 1..).eps(eps_of(eps)).weight(weight.is_some());
    run(op, with_affine(input, weight, None)).output()
}

/// [`rms_norm`] of `input + residual` in one pass. Returns the output and the sum.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn add_rms_norm<const D: usize>(
    input: Tensor<D>,
    residual: Tensor<D>,
    weight: Option<Tensor<1>>,
    eps: f64,
) -> (Tensor<D>, Tensor<D>) {
    let op = RmsNorm::new(&input.dims(), D - 1..).eps(eps_of(eps)).weight(weight.is_some());
    let op = op.residual(true).residual_output(true);
    let mut outputs = run(op, with_affine(input, weight, None).residual(residual));
    (outputs.take(Slot::Output), outputs.take(Slot::ResidualOutput))
}

/// Group norm of `[N, C, ..]` with this many groups of channels. Weight and bias are `[C]`.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn group_norm<const D: usize>(
    input: Tensor<D>,
    groups: usize,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<D> {
    let op = GroupNorm::new(&input.dims(), groups).eps(eps_of(eps)).weight(weight.is_some()).bias(bias.is_some());
    run(op, with_affine(input, weight, bias)).output()
}

/// Instance norm of `[N, C, ..]`. Weight and bias are `[C]`.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn instance_norm<const D: usize>(
    input: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<D> {
    let op = InstanceNorm::new(&input.dims()).eps(eps_of(eps)).weight(weight.is_some()).bias(bias.is_some());
    run(op, with_affine(input, weight, bias)).output()
}

/// Batch norm of `[N, C, ..]` in inference, by running mean and variance. All other tensors are `[C]`.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn batch_norm<const D: usize>(
    input: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    running: [Tensor<1>; 2],
    eps: f64,
) -> Tensor<D> {
    let op = BatchNorm::inference(&input.dims()).eps(eps_of(eps)).weight(weight.is_some()).bias(bias.is_some());
    let [mean, var] = running;
    run(op, with_affine(input, weight, bias).running(mean, var)).output()
}

/// Batch norm of `[N, C, ..]` in training, by mean and variance of the batch. Returns the output, and running mean and
/// variance after this batch. All tensors but input and output are `[C]`.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn batch_norm_training<const D: usize>(
    input: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    running: [Tensor<1>; 2],
    convention: RunningStats,
    eps: f64,
) -> (Tensor<D>, [Tensor<1>; 2]) {
    let op = BatchNorm::training(&input.dims()).eps(eps_of(eps)).weight(weight.is_some()).bias(bias.is_some());
    let [mean, var] = running;
    let mut outputs = run(op.running_stats(convention), with_affine(input, weight, bias).running(mean, var));
    (outputs.take(Slot::Output), [Slot::RunningMean, Slot::RunningVar].map(|slot| outputs.take(slot)))
}

/// L2 or L1 normalization over the last axis: `input / max(norm, eps)`.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn lp_normalize<const D: usize>(input: Tensor<D>, order: Order, eps: f64) -> Tensor<D> {
    let op = LpNormalize::new(&input.dims(), D - 1..).order(order).eps(eps_of(eps));
    run(op, Inputs::new(input)).output()
}

/// Local response norm of `[N, C, ..]` with a window of `size` channels and PyTorch's defaults.
/// [`LocalResponseNorm`] with [`norm`] has the other parameters.
///
/// # Panics
/// Where [`norm`] returns an error.
#[must_use]
pub fn local_response_norm<const D: usize>(input: Tensor<D>, size: usize) -> Tensor<D> {
    let op = LocalResponseNorm::new(&input.dims(), size);
    run(op, Inputs::new(input)).output()
}
