//! The adapter, the data, and runs that check every byte around the tensors, for all tests.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod arena;
pub mod canonical;
pub mod descriptors;
pub mod each_op;
pub mod golden;
pub mod methods;
pub mod program;

use std::sync::{Mutex, MutexGuard, PoisonError};
use wgpu_norm::{
    Access, Bindings, LayerNorm, Method, Norm, Outputs, Planner, Result, Strategy, Team, Tensors, host::Gpu, wgpu,
};

/// The target of a log line for each op that runs: `RUST_LOG=ran=info cargo test --test options -- --nocapture`.
pub const RAN: &str = "ran";

/// A device that no other test uses at the same time: some drivers compile kernels on the one thread of a device's
/// queue. Without an adapter a test fails and is not skipped: `cargo xtask test` installs one.
pub fn gpu() -> &'static Gpu {
    struct Lease(&'static Gpu);
    impl Drop for Lease {
        fn drop(&mut self) {
            free().push(self.0);
        }
    }
    fn free() -> MutexGuard<'static, Vec<&'static Gpu>> {
        static FREE: Mutex<Vec<&'static Gpu>> = Mutex::new(Vec::new());
        FREE.lock().unwrap_or_else(PoisonError::into_inner)
    }
    thread_local! {
        // A test has a thread of its own.
        static LEASE: Lease = {
            let device = free().pop();
            Lease(device.unwrap_or_else(|| Box::leak(Box::new(new_gpu()))))
        };
    }
    LEASE.with(|lease| lease.0)
}

fn new_gpu() -> Gpu {
    let _ = env_logger::builder().is_test(true).try_init();
    match Gpu::new() {
        Ok(gpu) => gpu,
        Err(e) => panic!("GPU TESTS DID NOT RUN: {e}. `cargo xtask test` sets an adapter up."),
    }
}

/// Bytes before and after each tensor in its buffer. A multiple of every offset alignment.
const GUARD: u64 = 256;
/// Words before and after each tensor.
pub const GUARD_WORDS: usize = GUARD as usize / 4;
/// The content of guards and of outputs before a run: a NaN that no kernel makes.
pub const PATTERN: u32 = 0x7fc0_dead;

/// Whether the guards around a tensor of `len` words are unchanged.
pub fn guards_intact(words: &[u32], len: usize) -> bool {
    let (before, rest) = words.split_at(GUARD_WORDS);
    before.iter().chain(&rest[len..]).all(|&word| word == PATTERN)
}

/// A planner with other values for some numbers of its device's table.
pub fn tuned(numbers: &[(&str, u32)]) -> Planner {
    let planner = Planner::new(gpu().device());
    let mut tuning = planner.caps().tuning.clone();
    for &(name, value) in numbers {
        tuning.set(name, value).expect("a number of the table");
    }
    planner.tuning(tuning)
}

/// The fewest lanes of a subgroup. `None` without subgroups: the device then refuses methods that need them.
pub fn subgroup_lanes(gpu: &Gpu) -> Option<usize> {
    let lanes = gpu.planner().caps().subgroup_size.map(|(min, _)| min as usize);
    let by_subgroups = Strategy::Forced(Method::Resident(Team::Subgroup));
    let planned = gpu.planner().plan_with(&LayerNorm::new(&[4, 8], 1..), by_subgroups);
    assert_eq!(planned.is_ok(), lanes.is_some());
    lanes
}

/// Runs an op through the public API, with each tensor inside a larger buffer, and outputs and scratch filled with NaN.
/// Panics if the op has changed a byte outside of its tensors, or of a tensor that it only reads.
pub fn run(gpu: &Gpu, op: &dyn Norm, tensors: &Tensors<'_>, strategy: Strategy) -> Result<Outputs<f32>> {
    let plan = gpu.planner().plan_with(op, strategy)?;
    let specs = plan.tensors();
    log::info!(target: RAN, "{}: {} {:?}, {}", thread_name(), op.name(), op.shape(), described(&plan));
    let buffers: Vec<wgpu::Buffer> =
        specs.iter().map(|spec| guarded(gpu, spec.bytes(), tensors.bytes(spec).as_deref())).collect();
    let scratch = guarded(gpu, plan.scratch_size(), None);
    let inside = |buffer: &wgpu::Buffer, bytes: u64| GUARD..GUARD + bytes.min(buffer.size() - 2 * GUARD);
    let mut bindings = Bindings::new();
    for (spec, buffer) in specs.iter().zip(&buffers) {
        bindings = bindings.set(spec.slot, buffer.slice(inside(buffer, spec.bytes())));
    }
    if plan.scratch_size() > 0 {
        bindings = bindings.scratch(scratch.slice(inside(&scratch, plan.scratch_size())));
    }
    let bound = plan.bind(&bindings)?;
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu.queue().submit([encoder.finish()]);

    let mut outputs = Outputs::default();
    for (spec, buffer) in specs.iter().zip(&buffers) {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&gpu.download(buffer, buffer.size())?);
        let len = (spec.bytes() / 4) as usize;
        assert!(guards_intact(&words, len), "{}: written outside of the tensor", spec.slot);
        let inside: &[u8] = bytemuck::cast_slice(&words[GUARD_WORDS..][..len]);
        let odd_half = &inside[spec.len() * spec.dtype.size() as usize..];
        if spec.access == Access::Read {
            assert_eq!(Some(inside), tensors.bytes(spec).as_deref(), "{}: was changed", spec.slot);
        } else {
            if spec.access == Access::Write {
                let untouched = &PATTERN.to_ne_bytes()[4 - odd_half.len()..];
                assert_eq!(odd_half, untouched, "{}: written after the last element", spec.slot);
            }
            outputs.set_bytes(spec, inside);
        }
    }
    Ok(outputs)
}

/// The test that runs.
fn thread_name() -> String {
    std::thread::current().name().unwrap_or("a thread").to_owned()
}

/// The types of a plan's tensors, and its method.
fn described(plan: &wgpu_norm::Plan) -> String {
    let types: Vec<String> = plan.tensors().iter().map(|spec| format!("{} {}", spec.slot, spec.dtype)).collect();
    let method = plan.method().map_or("nothing to do".to_owned(), |method| format!("by {method}"));
    format!("{}, {method}", types.join(", "))
}

/// A buffer with guards around `bytes` bytes of `content`, or of [`PATTERN`].
fn guarded(gpu: &Gpu, bytes: u64, content: Option<&[u8]>) -> wgpu::Buffer {
    let size = bytes + 2 * GUARD;
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    let mut words = vec![PATTERN; (size / 4) as usize];
    if let Some(content) = content {
        bytemuck::cast_slice_mut(&mut words)[GUARD as usize..][..bytes as usize].copy_from_slice(content);
    }
    buffer.get_mapped_range_mut(..).expect("mapped at creation").copy_from_slice(bytemuck::cast_slice(&words));
    buffer.unmap();
    buffer
}
