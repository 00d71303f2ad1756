//! Every adapter computes each op in both directions by every method that it has. One device has all features and
//! limits of the adapter, one the limits that WebGPU guarantees. The ops are few: some adapters take long to compile.

mod common;

use common::{
    arena::run_in_one_buffer,
    gpu,
    methods::every_method,
    program::run_program,
    strided::{Strided, strided_ops},
    subgroup_lanes,
};
use wgpu_norm::{
    Caps, DType, LayerNorm, Method, Norm, Planner, Strategy, Team,
    host::{self, Gpu},
    shaders,
    testing::{self, Data, each_op},
    wgpu,
};

/// A device with the limits that WebGPU guarantees, and without features.
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

type Ops = Vec<Box<dyn Norm>>;

/// The forward passes of [`each_op`].
fn forward(len: usize, dtype: DType) -> Ops {
    each_op(len, dtype).into_iter().filter(|op| !op.name().ends_with("_backward")).collect()
}

/// The backward passes.
fn backward(len: usize, dtype: DType) -> Ops {
    each_op(len, dtype).into_iter().filter(|op| op.name().ends_with("_backward")).collect()
}

fn conform(gpu: &Gpu, ops: Ops) {
    for op in ops {
        let data = Data::random(&*op, 6);
        let truth = op.reference(&data.tensors()).expect("reference");
        every_method(gpu, &*op, &data.tensors(), |method, outputs| {
            testing::compare_outputs(&*op, outputs, &truth)
                .unwrap_or_else(|e| panic!("{} of {:?} by {method}: {e}", op.name(), op.shape()));
        });
    }
}

// One test for each direction: two threads then have as much to compile.

#[test]
fn every_op_by_every_method() {
    println!("{:?}", gpu().device().adapter_info());
    conform(gpu(), forward(12, DType::F32));
}

#[test]
fn every_backward_pass_by_every_method() {
    conform(gpu(), backward(12, DType::F32));
}

#[test]
fn every_op_of_odd_half_precision_rows() {
    conform(gpu(), forward(9, DType::F16));
}

#[test]
fn every_backward_pass_of_odd_half_precision_rows() {
    conform(gpu(), backward(9, DType::F16));
}

#[test]
fn every_op_with_the_guaranteed_limits() {
    let small = guaranteed();
    let by_subgroups = Strategy::Forced(Method::Resident(Team::Subgroup));
    assert!(small.planner().plan_with(&LayerNorm::new(&[7, 36], 1..), by_subgroups).is_err());
    conform(&small, forward(8, DType::BF16));
}

#[test]
fn every_backward_pass_with_the_guaranteed_limits() {
    conform(&guaranteed(), backward(8, DType::BF16));
}

fn conforms_in_one_buffer(op: &dyn Norm, any_offset: bool) {
    let data = Data::random(op, 6);
    let outputs = pollster::block_on(run_in_one_buffer(gpu(), op, &data.tensors(), any_offset)).expect("runs");
    let truth = op.reference(&data.tensors()).expect("reference");
    testing::compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
}

#[test]
fn every_op_in_one_buffer() {
    for op in each_op(12, DType::F32) {
        conforms_in_one_buffer(&*op, false);
    }
}

#[test]
fn strides_at_odd_elements_of_one_buffer() {
    for Strided { strided, .. } in strided_ops(DType::F16) {
        conforms_in_one_buffer(&*strided, true);
    }
}

/// Programs lowered for devices whose subgroups are larger, smaller, or of more than one size, on this device.
#[test]
fn every_team_whatever_size_a_subgroup_has() {
    let Some(lanes) = subgroup_lanes(gpu()) else { return };
    let lanes = lanes as u32;
    let table = Caps::default().tuning;
    let mut ran = 0;
    for sizes in [(4, lanes), (4, 128), (lanes, 128), (lanes, lanes)] {
        let mut caps = gpu().planner().caps().clone();
        (caps.cpu, caps.subgroup_size, caps.tuning) = (false, Some(sizes), table.clone());
        for team in [Team::Cluster, Team::Subgroup, Team::WorkgroupSubgroups] {
            for op in [LayerNorm::new(&[13, 60], 1..), LayerNorm::new(&[300, 21], 1..)] {
                for op in [&op as &dyn Norm, &op.backward()] {
                    let Ok(program) = shaders::program(op, &caps, Strategy::Forced(Method::Resident(team))) else {
                        continue;
                    };
                    let data = Data::random(op, 6);
                    let truth = op.reference(&data.tensors()).expect("reference");
                    let outputs = run_program(gpu(), op, &program, &data.tensors());
                    testing::compare_outputs(op, &outputs, &truth)
                        .unwrap_or_else(|e| panic!("{} by {team:?}, subgroups of {sizes:?}: {e}", op.name()));
                    ran += 1;
                }
            }
        }
    }
    println!("{ran} programs, subgroups of {lanes}");
}

#[test]
#[ignore = "more shapes: cargo xtask test --all"]
fn every_op_of_longer_rows() {
    // Nine vec4s, and odd rows of f16.
    conform(gpu(), each_op(36, DType::F32));
    conform(gpu(), each_op(257, DType::F16));
}
