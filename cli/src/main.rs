//! Normalizes the tensors of `.safetensors` and `.npy` files on the GPU. Says what an adapter can do, whether it
//! computes right, and how fast.
//!
//! ```text
//! wgpu-norm layer-norm|rms-norm --input IN --output OUT [--axis A,B,.. | --normalized-shape A,B,..] [--check]
//! wgpu-norm l2-norm --input IN --output OUT [--axis A,B,..] [--order l2|l1]
//! wgpu-norm group-norm --groups G --input IN --output OUT [--layout nchw|nhwc]
//! wgpu-norm instance-norm --input IN --output OUT [--layout nchw|nhwc]
//! wgpu-norm batch-norm --training --input IN --output OUT [--momentum F|none] [--running-stats pytorch|onnx|keras]
//! wgpu-norm local-response-norm --size N --input IN --output OUT [--window pytorch|onnx] [--layout nchw|nhwc]
//! wgpu-norm OP .. [--eps F] [--residual] [--activation NAME] [--dtype f32|f16|bf16 | --backward]
//! wgpu-norm adapters|conformance|bench|report ..
//! wgpu-norm --list-adapters
//! ```
//!
//! The time in the result of an op is that of the second of two runs; `wgpu-norm bench` measures speed in % of copy
//! bandwidth.
//!
//! Exit codes: 0; 1 when a check or the work itself fails; 2 when the command line or a file is wrong, or there is no
//! adapter.

#![deny(unsafe_code)]
#![warn(clippy::pedantic)]

mod adapters;
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "times, and sizes that a device has"
)]
mod bench;
mod cli;
mod conformance;
mod failure;
mod files;
mod job;
mod ops;
mod report;

use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use wgpu_norm::{Error, host};

use cli::{Cli, Task};
use failure::Failure;

fn main() -> ExitCode {
    // Nothing but the one line of a failure, unless RUST_LOG asks for more.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    match Cli::read().and_then(|cli| run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let adapter = cli.adapter.as_deref();
    let bench = matches!(cli.task, Some(Task::Bench(_)));
    set_variables(if bench { &bench::NO_CACHE_ON_DISK } else { &[] });
    match &cli.task {
        Some(Task::Op(op)) => ops::run(op, cli),
        Some(Task::Adapters) => adapters::run(adapter),
        Some(Task::Conformance(args)) => conformance::run(args, adapter),
        Some(Task::Bench(args)) => bench::run(args, adapter),
        Some(Task::Report(args)) => report::run(args, adapter),
        None if cli.list_adapters => adapters::list(),
        None => adapters::taken(adapter),
    }
}

/// Sets what drivers read from the environment, and the choice of Mesa: among several GPUs it asks Wayland, which says
/// on stderr that it is not there. Where it can't be there, Mesa is told not to ask, so that stderr has one line when
/// something is wrong.
#[allow(unsafe_code, reason = "the environment is the only way to tell a driver")]
fn set_variables(variables: &[(&str, &str)]) {
    let no_wayland = env::var_os("XDG_RUNTIME_DIR").is_none().then_some(("NODEVICE_SELECT", "1"));
    for (name, value) in variables.iter().copied().chain(no_wayland) {
        // SAFETY: there is no other thread yet, as only the command line was read. So nobody reads the environment
        // meanwhile.
        unsafe { env::set_var(name, value) };
    }
}

fn say(line: impl fmt::Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|e| Failure::failed(format!("standard output: {e}")))
}

/// Says it beside the results.
fn say_aside(line: impl fmt::Display) -> Result<(), Failure> {
    writeln!(io::stderr(), "{line}").map_err(|e| Failure::failed(format!("standard error: {e}")))
}

/// Progress of so many steps whose lines are printed: a terminal shows the lines, so only where they go elsewhere.
fn progress(steps: usize) -> ProgressBar {
    if io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {elapsed}: {wide_msg}");
    let bar = ProgressBar::new(steps as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_finish(ProgressFinish::AndClear)
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        if matches!(e, Error::NoAdapter(_)) { Self::usage(e) } else { Self::failed(e) }
    }
}

/// The adapter that is taken.
fn adapter(name: Option<&str>) -> Result<wgpu_norm::wgpu::Adapter, Failure> {
    host::adapter(name).map_err(|e| match (name, &e) {
        (Some(_), Error::NoAdapter(_)) => Failure::usage(format!("--adapter: {e}")),
        (None, Error::NoAdapter(_)) if host::adapters().is_empty() => {
            Failure::usage(format!("{e}{}", adapters::REMEDY))
        }
        _ => e.into(),
    })
}
