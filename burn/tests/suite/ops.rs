//! Each op with all gradients against wgpu-norm's f64 reference.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use half::{bf16, f16};
use wgpu_norm_burn::{
    Inputs, Op, norm,
    wgpu_norm::{
        self, Activation, BatchNorm, Gate, GateFunction, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm,
        LpNormalize, Norm, Order, RmsNorm, RunningStats, Slot, TensorSpec,
        testing::{Data, bound, max_error},
    },
};

/// Values of a storage type as a tensor of burn.
pub fn tensor<const D: usize>(values: &[f32], shape: &[usize], dtype: wgpu_norm::DType, device: &Device) -> Tensor<D> {
    let data = match dtype {
        wgpu_norm::DType::F16 => TensorData::new(values.iter().map(|&x| f16::from_f32(x)).collect(), shape.to_vec()),
        wgpu_norm::DType::BF16 => TensorData::new(values.iter().map(|&x| bf16::from_f32(x)).collect(), shape.to_vec()),
        _ => TensorData::new(values.to_vec(), shape.to_vec()),
    };
    let dtype = match dtype {
        wgpu_norm::DType::F16 => DType::F16,
        wgpu_norm::DType::BF16 => DType::BF16,
        _ => DType::F32,
    };
    Tensor::from_data(data, (device, dtype))
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    match tensor.dtype() {
        DType::F16 => tensor.into_data().try_to_vec::<f16>().unwrap().into_iter().map(f16::to_f32).collect(),
        DType::BF16 => tensor.into_data().try_to_vec::<bf16>().unwrap().into_iter().map(bf16::to_f32).collect(),
        _ => tensor.into_data().try_to_vec::<f32>().unwrap(),
    }
}

fn check(name: &str, spec: &TensorSpec, actual: &[f32], expected: Option<&[f64]>) {
    let expected = expected.unwrap_or_else(|| panic!("{name}: the reference has no {}", spec.slot));
    let error =
        max_error(&format!("{name} {}", spec.slot), spec.dtype, actual, expected).unwrap_or_else(|e| panic!("{e}"));
    let bound = bound(expected);
    assert!(error <= bound, "{name}: {} is off by {error:e}, the bound is {bound:e}", spec.slot);
}

/// A tensor of the rank that its slot has, so that one function does for all ops.
#[derive(Clone)]
enum Any {
    One(Tensor<1>),
    Two(Tensor<2>),
    Three(Tensor<3>),
}

macro_rules! each {
    ($any:expr, $tensor:ident => $body:expr) => {
        match $any {
            Any::One($tensor) => $body,
            Any::Two($tensor) => $body,
            Any::Three($tensor) => $body,
        }
    };
}

impl Any {
    fn new(values: &[f32], spec: &TensorSpec, device: &Device) -> Self {
        match spec.shape.len() {
            1 => Self::One(tensor(values, &spec.shape, spec.dtype, device)),
            2 => Self::Two(tensor(values, &spec.shape, spec.dtype, device)),
            _ => Self::Three(tensor(values, &spec.shape, spec.dtype, device)),
        }
    }

    fn require_grad(self) -> Self {
        match self {
            Self::One(tensor) => Self::One(tensor.require_grad()),
            Self::Two(tensor) => Self::Two(tensor.require_grad()),
            Self::Three(tensor) => Self::Three(tensor.require_grad()),
        }
    }
}

const PAIRS: [(Slot, Slot); 5] = [
    (Slot::Input, Slot::GradInput),
    (Slot::Weight, Slot::GradWeight),
    (Slot::Bias, Slot::GradBias),
    (Slot::Residual, Slot::GradResidual),
    (Slot::Gate, Slot::GradGate),
];

/// Runs an op of rank D and its gradients, and compares all of it with the reference.
fn conforms<const D: usize, N: Norm + Into<Op> + Clone, G: Norm>(op: &N, backward: &G, device: &Device) {
    let name = op.name();
    let specs = op.tensors().unwrap();
    let data = Data::random(op, 1);
    let slices = data.tensors();
    let truth = op.reference(&slices).unwrap();

    let device = device.clone().autodiff();
    let mut leaves = Vec::new();
    let mut inputs: Option<Inputs> = None;
    for spec in specs.iter().filter(|spec| spec.access != wgpu_norm::Access::Write) {
        let mut leaf = Any::new(slices.get(spec.slot).unwrap(), spec, &device);
        if PAIRS.iter().any(|(slot, _)| *slot == spec.slot) {
            leaf = leaf.require_grad();
        }
        leaves.push((spec.slot, leaf.clone()));
        inputs = Some(match inputs {
            None => each!(leaf, tensor => Inputs::new(tensor)),
            Some(inputs) => each!(leaf, tensor => inputs.set(spec.slot, tensor)),
        });
    }
    let mut outputs = norm(op.clone(), inputs.unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));

    // The loss is a sum with given weights, so that these are the gradients of the outputs.
    let mut given = Data::random(backward, 2);
    for spec in backward.tensors().unwrap() {
        let known = slices.get(spec.slot).map(<[f32]>::to_vec);
        let computed = || Some(truth.get(spec.slot)?.iter().map(|&x| x as f32).collect());
        if let (wgpu_norm::Access::Read, Some(values)) = (spec.access, known.or_else(computed)) {
            given = given.with(spec.slot, values);
        }
    }
    let given = given.tensors();
    let mut loss = Tensor::<1>::zeros([1], &device);
    for spec in specs.iter().filter(|spec| spec.access != wgpu_norm::Access::Read) {
        let grad = match spec.slot {
            Slot::Output => Slot::GradOutput,
            Slot::ResidualOutput => Slot::GradResidualOutput,
            _ => {
                check(name, spec, &values(outputs.take::<1>(spec.slot)), truth.get(spec.slot));
                continue;
            }
        };
        let output = outputs.take::<D>(spec.slot);
        check(name, spec, &values(output.clone()), truth.get(spec.slot));
        let grad = tensor::<D>(given.get(grad).unwrap(), &spec.shape, spec.dtype, &device);
        loss = loss + (output.cast(FloatDType::F32) * grad.cast(FloatDType::F32)).sum();
    }
    let gradients = loss.backward();
    let truth = backward.reference(&given).unwrap();
    for (slot, leaf) in leaves {
        let Some((_, grad)) = PAIRS.iter().find(|(name, _)| *name == slot) else { continue };
        let actual = each!(leaf, tensor => {
            values(tensor.grad(&gradients).unwrap_or_else(|| panic!("{name}: no gradient of {slot}")))
        });
        // A residual shares the gradient of the input, or of the output, where it has none of its own.
        let shared = if is_after(&op.clone().into()) { given.get(Slot::GradOutput) } else { None };
        let shared = shared.map(|grad| grad.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        let expected = truth.get(*grad).or(shared.as_deref()).or_else(|| truth.get(Slot::GradInput));
        let spec = specs.iter().find(|spec| spec.slot == slot).unwrap();
        check(&format!("{name}, gradient"), spec, &actual, expected);
    }
}

fn is_after(op: &Op) -> bool {
    match op {
        Op::BatchNorm(_) => true,
        Op::LayerNorm(op) => op.options.residual_after,
        Op::RmsNorm(op) => op.options.residual_after,
        _ => false,
    }
}

macro_rules! conform {
    ($rank:literal, $op:expr, $device:expr) => {{
        let op = $op;
        conforms::<$rank, _, _>(&op, &op.backward(), $device);
    }};
}

/// Rows of 37: no multiple of a pack. Each op has another option, so that all ways of a gradient are taken.
fn rows(device: &Device) {
    let shape = [6, 37];
    conform!(2, LayerNorm::new(&shape, 1..), device);
    conform!(2, LayerNorm::new(&shape, 1..).residual(true).activation(Activation::Gelu), device);
    conform!(2, RmsNorm::new(&shape, 1..).residual(true).residual_output(true), device);
    conform!(2, LpNormalize::new(&shape, 1..).order(Order::L2), device);
}

fn channels(device: &Device) {
    let shape = [3, 4, 10];
    conform!(3, GroupNorm::new(&shape, 2), device);
    conform!(3, InstanceNorm::new(&shape).weight(true).bias(true), device);
    conform!(3, BatchNorm::training(&shape).running_stats(RunningStats::PYTORCH), device);
    conform!(3, BatchNorm::inference(&shape).residual(true).activation(Activation::Relu), device);
    conform!(3, LocalResponseNorm::new(&shape, 3).alpha(0.5), device);
}

#[test]
fn ops_conform_in_pools() {
    rows(&crate::pooled());
    channels(&crate::pooled());
}

#[test]
fn ops_conform_in_buffers_of_their_own() {
    rows(&crate::exclusive());
    channels(&crate::exclusive());
}

#[test]
fn ops_conform_on_a_device_of_the_program() {
    rows(&crate::imported());
    channels(&crate::imported());
}

/// What the ops above leave out.
#[test]
fn options_conform() {
    let device = &crate::pooled();
    let shape = [6, 37];
    conform!(2, LayerNorm::new(&shape, 1..).residual(true).residual_after(true), device);
    let gate = Gate::before(GateFunction::Silu);
    conform!(2, RmsNorm::new(&shape, 1..).residual(true).gate(gate), device);
    conform!(3, LayerNorm::new(&[3, 2, 37], 2..).per_sample(true).zero_centered(true), device);
    conform!(3, BatchNorm::training(&[3, 10, 4]).layout(Layout::ChannelsLast).residual(true), device);
}

/// 185 elements, which end in the middle of a word.
#[test]
fn half_precision_conforms() {
    let device = &crate::pooled();
    for dtype in [wgpu_norm::DType::F16, wgpu_norm::DType::BF16] {
        let of_burn = if dtype == wgpu_norm::DType::F16 { DType::F16 } else { DType::BF16 };
        if !device.supports_dtype(of_burn) {
            println!("{dtype}: burn has no arithmetic of it here, so that only the output is compared");
        }
        let op = LayerNorm::new(&[5, 37], 1..).dtype(dtype);
        if device.supports_dtype(of_burn) {
            conform!(2, op.clone(), device);
        }
        // Weights of another type, without autodiff and so without burn's own kernels.
        let op = op.affine_dtype(wgpu_norm::DType::F32);
        let data = Data::random(&op, 3);
        let slices = data.tensors();
        let of = |slot| slices.get(slot).unwrap();
        let f32 = wgpu_norm::DType::F32;
        let inputs = Inputs::new(tensor::<2>(of(Slot::Input), &[5, 37], dtype, device))
            .weight(tensor::<1>(of(Slot::Weight), &[37], f32, device))
            .bias(tensor::<1>(of(Slot::Bias), &[37], f32, device));
        let output: Tensor<2> = norm(op.clone(), inputs).unwrap().output();
        assert_eq!(output.dtype(), of_burn);
        let truth = op.reference(&slices).unwrap();
        let spec = op.tensors().unwrap().into_iter().find(|spec| spec.slot == Slot::Output).unwrap();
        check("layer_norm", &spec, &values(output), truth.get(Slot::Output));
    }
}
