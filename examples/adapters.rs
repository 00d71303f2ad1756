//! What each adapter of this machine can do, and how the crate would compute some ops on it: `cargo xtask adapters`.

use std::process::ExitCode;

use wgpu_norm::{
    DeviceReport,
    host::{self, Gpu},
};

fn main() -> ExitCode {
    env_logger::init();
    let adapters = host::adapters();
    if adapters.is_empty() {
        eprintln!("adapters: wgpu finds none on this machine");
        return ExitCode::FAILURE;
    }
    for adapter in adapters {
        match Gpu::with_adapter(&adapter) {
            Ok(gpu) => println!("{}", DeviceReport::new(gpu.device())),
            Err(e) => println!("{}: {e}\n", adapter.get_info().name),
        }
    }
    ExitCode::SUCCESS
}
