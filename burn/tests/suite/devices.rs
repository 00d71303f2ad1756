//! Devices, threads, views and what is refused.

use std::thread;

use burn::{
    backend::DispatchDevice,
    tensor::{DType, Device, Tensor},
};
use wgpu_norm_burn::{
    Error, Inputs, batch_norm_training, layer_norm, norm,
    wgpu_norm::{
        self, BindingProblem, LayerNorm, Norm, RmsNorm, RunningStats, Slot, Tensors,
        testing::{Random, compare},
    },
};

use crate::ops::{tensor, values};

const F32: wgpu_norm::DType = wgpu_norm::DType::F32;

fn random<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    tensor(&Random::new(seed).normal(shape.iter().product(), 3.0, 2.0), &shape, F32, device)
}

/// Layer norm without weights of a tensor of any layout, against the reference of its values.
fn agrees(input: Tensor<2>) {
    let op = LayerNorm::new(&input.dims(), 1..).weight(false).bias(false);
    let truth = op.reference(&Tensors::new(&values(input.clone()))).unwrap();
    compare("output", &values(layer_norm(input, None, None, 1e-5)), truth.output()).unwrap();
}

/// Its work is on another stream of burn, and not submitted yet.
#[test]
fn a_tensor_of_another_thread_is_whole() {
    let device = crate::pooled();
    let of_thread = device.clone();
    let input = thread::spawn(move || {
        let mut sum = random(1, [6, 37], &of_thread);
        for seed in 2..20 {
            sum = sum + random(seed, [6, 37], &of_thread);
        }
        sum
    });
    agrees(input.join().unwrap());
}

#[test]
fn views_are_copied_first() {
    let device = crate::pooled();
    let input = random(1, [64, 64], &device);
    agrees(input.clone().transpose());
    agrees(input.clone().slice([3..40, 5..42]));
    // Whole rows, from an offset at which the device binds and from one at which it does not.
    agrees(input.clone().slice([16..22, 0..64]));
    agrees(input.slice([0..37, 0..64]).transpose().slice([5..11, 0..37]));
}

/// A program of 200 steps: memory is used again all the time, and nothing may be overwritten that is still read.
#[test]
fn two_hundred_steps_have_the_same_bits_twice() {
    let device = crate::pooled();
    let train = || {
        let data = random::<3>(1, [4, 6, 37], &device);
        let ones = || Tensor::<1>::ones([37], &device);
        let (mut weight, mut bias) = (ones(), ones());
        let mut running = [Tensor::<1>::zeros([6], &device), Tensor::<1>::ones([6], &device)];
        for step in 0..200 {
            let device = device.clone().autodiff();
            let [w, b] = [&weight, &bias].map(|tensor| Tensor::<1>::from_inner(tensor.clone()).require_grad());
            let input = Tensor::from_inner(data.clone() + step as f32 * 0.01);
            let hidden = layer_norm(input, Some(w.clone()), Some(b.clone()), 1e-5);
            let moved = running.map(Tensor::from_inner);
            let (output, moved) = batch_norm_training(hidden, None, None, moved, RunningStats::PYTORCH, 1e-5);
            running = moved.map(Tensor::inner);
            let target = Tensor::from_inner(data.clone());
            let gradients = (output - target).powf_scalar(2.0).mean().backward();
            weight = weight - w.grad(&gradients).unwrap() * 0.1;
            bias = bias - b.grad(&gradients).unwrap() * 0.1;
            drop(device);
        }
        let [mean, var] = running;
        [weight, bias, mean, var].map(|tensor| values(tensor).into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let first = train();
    assert!(first.iter().flatten().all(|bits| f32::from_bits(*bits).is_finite()));
    assert_ne!(f32::from_bits(first[0][0]), 1.0, "the weight learns");
    assert_eq!(first, train());
}

#[test]
fn an_empty_batch_is_empty() {
    let device = crate::pooled();
    let output = layer_norm(Tensor::<2>::zeros([0, 8], &device), Some(Tensor::<1>::ones([8], &device)), None, 1e-5);
    assert_eq!(output.dims(), [0, 8]);
    assert!(values(output).is_empty());
}

#[test]
fn batch_norm_leaves_the_old_statistics() {
    let device = crate::pooled();
    let input = random::<3>(1, [3, 4, 10], &device);
    let (mean, var) = (Tensor::<1>::zeros([4], &device), Tensor::<1>::ones([4], &device));
    let running = [mean.clone(), var.clone()];
    let (_, [moved, _]) = batch_norm_training(input, None, None, running, RunningStats::PYTORCH, 1e-5);
    assert_eq!(values(mean), [0.0; 4]);
    assert_eq!(values(var), [1.0; 4]);
    assert!(values(moved).iter().all(|mean| *mean > 0.1));
}

#[test]
fn an_unregistered_device_is_refused() {
    let device = Device::wgpu_options().setup(crate::setup()).init().unwrap();
    let input = random::<2>(1, [2, 3], &device);
    let error = norm(RmsNorm::new(&[2, 3], 1..).weight(false), Inputs::new(input)).unwrap_err();
    assert!(matches!(error, Error::Unregistered { .. }), "{error}");
    assert!(error.to_string().contains("wgpu_norm_burn::register"), "{error}");
}

#[test]
fn a_graph_capture_is_refused() {
    let device = crate::exclusive();
    let DispatchDevice::Cube(cube) = device.as_dispatch() else { unreachable!("a wgpu device") };
    let input = random::<2>(1, [2, 3], &device);
    let client = cube.client();
    client.graph_prepare().unwrap();
    let result = norm(RmsNorm::new(&[2, 3], 1..).weight(false), Inputs::new(input.clone()));
    // Without a start there is nothing to record, and this ends the capture.
    let _ = client.stop_capture();
    assert_eq!(result.unwrap_err(), Error::Capturing);
    assert!(norm(RmsNorm::new(&[2, 3], 1..).weight(false), Inputs::new(input)).is_ok());
}

#[test]
fn arguments_are_refused() {
    let device = crate::pooled();
    let input = random::<2>(1, [2, 4], &device);
    let op = RmsNorm::new(&[2, 4], 1..);
    let refused = |op: &RmsNorm, inputs| norm(op.clone(), inputs).unwrap_err();
    let missing = wgpu_norm::Error::Binding { slot: Slot::Weight, problem: BindingProblem::Missing };
    assert_eq!(refused(&op, Inputs::new(input.clone())), Error::Norm(missing));
    let weight = random::<1>(2, [4], &device);
    let both = Inputs::new(input.clone()).weight(weight.clone()).bias(weight.clone());
    let unexpected = wgpu_norm::Error::Binding { slot: Slot::Bias, problem: BindingProblem::Unexpected };
    assert_eq!(refused(&op, both), Error::Norm(unexpected));
    let short = Inputs::new(input.clone()).weight(random::<1>(2, [3], &device));
    let error = Error::Shape { slot: Slot::Weight, actual: vec![3], expected: vec![4] };
    assert_eq!(refused(&op, short), error);
    let elsewhere = Inputs::new(input.clone()).weight(random::<1>(2, [4], &crate::exclusive()));
    assert_eq!(refused(&op, elsewhere), Error::OtherDevice { slot: Slot::Weight });
    let indexed = Inputs::new(input.clone());
    let error = refused(&op.clone().weight(false).gather_rows(2), indexed).to_string();
    assert!(error.starts_with("input_index of u32 is not supported"), "{error}");
    let odd = Tensor::<2>::from_data([[1.0_f64, 2.0]], (&crate::exclusive(), DType::F64));
    let error = refused(&RmsNorm::new(&[1, 2], 1..).weight(false), Inputs::new(odd));
    let expected = "F32, F16 or BF16".into();
    assert_eq!(error, Error::DType { slot: Slot::Input, dtype: DType::F64, expected });
}

#[test]
#[should_panic(expected = "gradients of rms_norm: the gradient of next_weight is not supported")]
fn a_gradient_that_the_op_lacks_is_refused() {
    let device = crate::pooled().autodiff();
    let weight = Tensor::<1>::ones([4], &device);
    let inputs = Inputs::new(random::<2>(1, [2, 4], &device)).weight(weight.clone());
    let _ = norm(RmsNorm::new(&[2, 4], 1..).next_norm(true), inputs.set(Slot::NextWeight, weight.require_grad()));
}
