//! What every adapter must give: each op in both directions, by every method that the device has, with all that it can have and with what WebGPU
//! guarantees alone. Small enough for adapters that take long to compile; the other tests go deeper on one.

mod common;

use common::{
    gpu,
    methods::{Data, every_method},
};
use wgpu_norm::{
    Activation, BatchMoments, BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm,
    LpNormalize, Method, Norm, Order, Planner, RmsNorm, RunningStats, Strategy, Team, host, host::Gpu, testing, wgpu,
};

/// A device with the limits that WebGPU guarantees, and no feature.
fn guaranteed() -> Gpu {
    let adapter = host::adapter(None).expect("an adapter");
    let request = adapter.request_device(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits::default(),
        required_features: wgpu::Features::empty(),
        ..Default::default()
    });
    let (device, queue) = pollster::block_on(request).expect("a device");
    Gpu::from_parts(queue, Planner::new(&device))
}

fn conforms(gpu: &Gpu, ops: &[&dyn Norm]) {
    for op in ops {
        let data = Data::random(*op, 6);
        let truth = op.reference(&data.tensors()).expect("reference");
        every_method(gpu, *op, &data.tensors(), |method, outputs| {
            testing::compare_outputs(*op, outputs, &truth)
                .unwrap_or_else(|e| panic!("{} of {:?} by {method}: {e}", op.name(), op.shape()));
        });
    }
}

/// One op of each kind of geometry, with options that between them need every part of a shader but the other activations.
fn each_op(gpu: &Gpu, len: usize, dtype: DType) {
    let layer = LayerNorm::new(&[70, len], 1..).dtype(dtype).residual(true).residual_output(true);
    let layer = layer.activation(Activation::Gelu);
    let rms = RmsNorm::new(&[70, len], 1..).dtype(dtype).param_dtype(DType::F32).zero_centered(true).save_stats(true);
    let middle = LayerNorm::new(&[3, 7, len], 1..2).dtype(dtype);
    let group = GroupNorm::new(&[3, 6, len], 2).dtype(dtype);
    let last = GroupNorm::new(&[3, len, 6], 2).layout(Layout::ChannelsLast).dtype(dtype);
    let instance = InstanceNorm::new(&[3, 5, len]).weight(true).bias(true).dtype(dtype);
    let tracked = instance.clone().running_stats(RunningStats::PYTORCH);
    let training = BatchNorm::training(&[4, 5, len]).dtype(dtype).residual(true).activation(Activation::Relu);
    let cumulative = training.clone().running_stats(RunningStats::CUMULATIVE);
    let inference = BatchNorm::inference(&[4, 5, len]).dtype(dtype);
    let lp = LpNormalize::new(&[70, len], 1..).order(Order::L1).dtype(dtype);
    let window = LocalResponseNorm::new(&[3, 7, len], 4).dtype(dtype);
    let moments = BatchMoments::new(&[4, 5, len]).dtype(dtype);
    conforms(gpu, &[&layer, &layer.backward(), &rms, &rms.backward(), &middle, &middle.backward()]);
    conforms(gpu, &[&group, &group.backward(), &last, &last.backward(), &instance, &instance.backward(), &tracked]);
    conforms(gpu, &[&training, &training.backward(), &cumulative, &inference, &inference.backward(), &moments]);
    conforms(gpu, &[&lp, &lp.backward(), &window, &window.backward()]);
}

#[test]
fn every_op_by_every_method() {
    println!("{:?}", gpu().device().adapter_info());
    each_op(gpu(), 36, DType::F32);
}

#[test]
fn every_op_of_odd_rows_of_halves() {
    each_op(gpu(), 13, DType::F16);
}

#[test]
fn every_op_with_the_guaranteed_limits() {
    let small = guaranteed();
    assert!(
        small
            .planner()
            .plan_with(&LayerNorm::new(&[7, 36], 1..), Strategy::Forced(Method::Resident(Team::Subgroup)))
            .is_err()
    );
    each_op(&small, 12, DType::BF16);
    each_op(&small, 257, DType::F32);
}
