//! The adapter, the data, and runs that check every byte around the tensors, for all tests.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod arena;
pub mod calls;
pub mod canonical;
pub mod descriptors;
pub mod golden;
pub mod methods;
pub mod program;
pub mod strided;

use std::sync::{Mutex, MutexGuard, PoisonError};
use wgpu_norm::{LayerNorm, Method, Norm, Outputs, Planner, Result, Strategy, Team, Tensors, host::Gpu};

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

/// Runs an op through the public API, with each tensor where the planner of `gpu` lets it be, and outputs and scratch
/// filled with NaN. Panics if the op has changed a byte outside of the elements that it writes.
pub fn run(gpu: &Gpu, op: &dyn Norm, tensors: &Tensors<'_>, strategy: Strategy) -> Result<Outputs<f32>> {
    let plan = gpu.planner().plan_with(op, strategy)?;
    log::info!(target: RAN, "{}: {} {:?}, {}", thread_name(), op.name(), op.shape(), described(&plan));
    pollster::block_on(arena::run_plan(gpu, gpu.planner(), op, &plan, tensors))
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
