//! Planners, plans and bound plans in long-lived programs: by threads, after their buffers' handles, recorded
//! repeatedly.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{gpu, methods::BY_LANES, run};
use wgpu_norm::{
    BatchNorm, Bindings, GroupNorm, LayerNorm, LocalResponseNorm, LpNormalize, Method, Norm, Order, Outputs, Planner,
    RmsNorm, RunningStats, Slot, Strategy,
    host::Gpu,
    testing::{self, Data},
    wgpu,
};

/// Ops of each kind, forward and backward.
fn ops() -> Vec<Box<dyn Norm>> {
    let rows = [33, 12];
    let image = [5, 6, 7, 8];
    let training = BatchNorm::training(&image);
    vec![
        Box::new(LayerNorm::new(&rows, 1..)),
        Box::new(LayerNorm::new(&rows, 1..).backward()),
        Box::new(RmsNorm::new(&rows, 1..).save_stats(true)),
        Box::new(RmsNorm::new(&rows, 1..).backward()),
        Box::new(LpNormalize::new(&rows, 1..).order(Order::L1).backward()),
        Box::new(LayerNorm::new(&image, 1..2).backward()),
        Box::new(GroupNorm::new(&image, 3)),
        Box::new(GroupNorm::new(&image, 3).backward()),
        Box::new(training.clone().running_stats(RunningStats::PYTORCH)),
        Box::new(training.backward()),
        Box::new(BatchNorm::inference(&image)),
        Box::new(LocalResponseNorm::new(&image, 3).backward()),
    ]
}

fn storage(gpu: &Gpu, content: &[u8]) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let size = content.len() as u64;
    let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    let buffer = gpu.device().create_buffer(&descriptor);
    gpu.queue().write_buffer(&buffer, 0, content);
    buffer
}

#[test]
fn one_planner_serves_eight_threads() {
    // A new planner: threads compile the same kernels at once.
    let gpu = Gpu::from_parts(gpu().queue().clone(), Planner::new(gpu().device()));
    let ran = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (gpu, ran) = (&gpu, &ran);
            scope.spawn(move || {
                let ops = ops();
                for at in 0..ops.len() {
                    let op = &*ops[(at + thread) % ops.len()];
                    let data = Data::random(op, thread as u64);
                    let outputs = gpu.run(op, &data.tensors()).expect("run");
                    let truth = op.reference(&data.tensors()).expect("reference");
                    testing::compare_outputs(op, &outputs, &truth).expect("conforms beside others");
                    ran.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(ran.into_inner(), 8 * ops().len());
}

#[test]
fn a_hundred_runs_of_every_op_have_the_same_bits() {
    a_hundred_runs_by(BY_LANES);
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn a_hundred_runs_of_every_op_by_every_method_have_the_same_bits() {
    a_hundred_runs_by(Method::ALL);
}

fn a_hundred_runs_by(methods: &[Method]) {
    let bits = |outputs: &Outputs<f32>| -> Vec<u32> {
        [Slot::Output, Slot::GradInput, Slot::GradWeight, Slot::GradBias, Slot::Rstd, Slot::RunningVar]
            .iter()
            .filter_map(|&slot| outputs.get(slot))
            .flatten()
            .map(|value| value.to_bits())
            .collect()
    };
    for op in ops() {
        let data = Data::random(&*op, 5);
        for strategy in methods.iter().map(|&method| Strategy::Forced(method)).chain([Strategy::Inferred]) {
            let Ok(first) = run(gpu(), &*op, &data.tensors(), strategy) else {
                assert_ne!(strategy, Strategy::Inferred);
                continue;
            };
            let first = bits(&first);
            assert!(!first.is_empty());
            for _ in 1..100 {
                let again = gpu().run_with(&*op, &data.tensors(), strategy).expect("run again").outputs;
                assert_eq!(bits(&again), first, "{} by {strategy:?}", op.name());
            }
        }
    }
}

#[test]
fn a_bound_plan_keeps_its_buffers_and_is_recorded_repeatedly() {
    let op = LayerNorm::new(&[2, 4], 1..).weight(false).bias(false);
    let input = storage(gpu(), bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0]));
    let (output, twice) = (storage(gpu(), &[0; 32]), storage(gpu(), &[0; 32]));
    let plan = gpu().planner().plan(&op).expect("plan");
    let once = plan.bind(&Bindings::new().input(&input).output(&output)).expect("bind");
    let again = plan.bind(&Bindings::new().input(&output).output(&twice)).expect("bind");
    // The bound plan outlives the plan and the caller's handles.
    drop((input, plan));
    let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        once.record(&mut pass);
        once.record(&mut pass);
        again.record(&mut pass);
    }
    once.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu().queue().submit([encoder.finish()]);
    let floats = |buffer| bytemuck::pod_collect_to_vec::<u8, f32>(&gpu().download(buffer, 32).expect("download"));
    let expected = [-1.341_635_4, -0.447_211_8, 0.447_211_8, 1.341_635_4];
    let close = |actual: &[f32]| actual.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-5);
    assert!(close(&floats(&output)[..4]), "{:?}", floats(&output));
    // Normalized rows stay as they are, but for eps.
    assert!(close(&floats(&twice)[..4]), "{:?}", floats(&twice));
}
