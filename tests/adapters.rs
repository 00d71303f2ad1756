//! What every adapter must give: each op in both directions, by every method that the device has, with all that it can
//! have and with what WebGPU guarantees alone. Small enough for adapters that take long to compile; the other tests go
//! deeper on one.

mod common;

use common::{arena::run_in_one_buffer, each_op::each_op, gpu, methods::every_method};
use wgpu_norm::{
    DType, LayerNorm, Method, Planner, Strategy, Team,
    host::{self, Gpu},
    testing::{self, Data},
    wgpu,
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

fn conforms(gpu: &Gpu, len: usize, dtype: DType, backward: bool) {
    for op in each_op(len, dtype).into_iter().filter(|op| op.name().ends_with("_backward") == backward) {
        let data = Data::random(&*op, 6);
        let truth = op.reference(&data.tensors()).expect("reference");
        every_method(gpu, &*op, &data.tensors(), |method, outputs| {
            testing::compare_outputs(&*op, outputs, &truth)
                .unwrap_or_else(|e| panic!("{} of {:?} by {method}: {e}", op.name(), op.shape()));
        });
    }
}

// A test a direction, so that two threads have as much to compile.

#[test]
fn every_op_by_every_method() {
    println!("{:?}", gpu().device().adapter_info());
    conforms(gpu(), 12, DType::F32, false);
}

#[test]
fn every_backward_pass_by_every_method() {
    conforms(gpu(), 12, DType::F32, true);
}

#[test]
fn every_op_of_odd_rows() {
    conforms(gpu(), 9, DType::F16, false);
}

#[test]
fn every_backward_pass_of_odd_rows() {
    conforms(gpu(), 9, DType::F16, true);
}

#[test]
fn every_op_with_the_guaranteed_limits() {
    let small = guaranteed();
    let by_subgroups = Strategy::Forced(Method::Resident(Team::Subgroup));
    assert!(small.planner().plan_with(&LayerNorm::new(&[7, 36], 1..), by_subgroups).is_err());
    conforms(&small, 8, DType::BF16, false);
}

#[test]
fn every_backward_pass_with_the_guaranteed_limits() {
    conforms(&guaranteed(), 8, DType::BF16, true);
}

#[test]
fn every_op_in_one_buffer() {
    for op in each_op(12, DType::F32) {
        let data = Data::random(&*op, 6);
        let outputs = pollster::block_on(run_in_one_buffer(gpu(), &*op, &data.tensors())).expect("runs");
        let truth = op.reference(&data.tensors()).expect("reference");
        testing::compare_outputs(&*op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
    }
}

#[test]
#[ignore = "more shapes: cargo xtask test --all"]
fn every_op_of_longer_rows() {
    for (len, dtype) in [(36, DType::F32), (257, DType::F16)] {
        conforms(gpu(), len, dtype, false);
        conforms(gpu(), len, dtype, true);
    }
}
