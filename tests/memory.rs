//! The memory of a program that plans, binds and records ten thousand times. The test has a process for itself.
#![cfg(target_os = "linux")]

mod common;

use common::gpu;
use wgpu_norm::{Bindings, LayerNorm, Norm, Planner, host::Gpu, wgpu};

/// The resident memory of the process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

#[test]
fn memory_is_flat_over_ten_thousand_plans() {
    const PLANS: usize = 10_000;
    let gpu = Gpu::from_parts(gpu().queue().clone(), Planner::new(gpu().device()));
    let op = LayerNorm::new(&[64, 384], 1..).backward();
    let specs = op.tensors().expect("valid");
    let storage = |size| {
        let usage = wgpu::BufferUsages::STORAGE;
        gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let buffers: Vec<_> = specs.iter().map(|spec| (spec.slot, storage(spec.bytes()))).collect();
    let mut at_first = 0;
    for i in 0..PLANS {
        let plan = gpu.planner().plan(&op).expect("plan");
        let bindings = buffers.iter().fold(Bindings::new(), |b, (slot, buffer)| b.set(*slot, buffer));
        let bound = plan.bind(&bindings).expect("bind");
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        if i % 100 == 0 {
            gpu.queue().submit([encoder.finish()]);
            gpu.device().poll(wgpu::PollType::wait_indefinitely()).expect("poll");
        }
        if i == PLANS / 10 {
            at_first = resident();
        }
    }
    let grown = resident().saturating_sub(at_first);
    println!("{grown} bytes more after {PLANS} plans than after a tenth of them");
    assert!(grown < 16 << 20, "{grown} bytes more after {PLANS} plans than after a tenth of them");
}
