//! Normalizes the tensors of a `.safetensors` or `.npy` file on the GPU, and checks the result if asked to.
//!
//! ```text
//! normalize layer-norm|rms-norm --input IN --output OUT [--eps F] [--normalized-shape A,B,..] [--check]
//! normalize group-norm --groups G --input IN --output OUT
//! normalize instance-norm --input IN --output OUT
//! normalize batch-norm --input IN --output OUT [--training [--momentum F|none] [--running-stats pytorch|onnx|keras]]
//! normalize --list-adapters
//! ```
//!
//! The time in the result is that of the second of two runs; `cargo xtask bench` measures bandwidth.
//!
//! Exit codes: 0; 1 when a check or the work itself fails; 2 when the command line or a file is wrong, or there is no adapter.

#![deny(unsafe_code)]
#![warn(clippy::pedantic)]

mod cli;
mod failure;
mod files;
mod job;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
    slice,
};

use cli::{BatchNormArgs, Cli, Common, GroupArgs, Op, RowArgs};
use failure::Failure;
use files::{Count, Inputs};
use job::Job;
use wgpu_norm::{
    BatchNorm, DeviceReport, Error, GroupNorm, InstanceNorm, LayerNorm, RmsNorm, RunningStats, Slot,
    host::{self, Gpu},
};

fn main() -> ExitCode {
    quiet_mesa();
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

/// Mesa's choice among several GPUs asks Wayland, which says on stderr that it is not there. Where it can't be there, Mesa is
/// told not to ask, so that stderr has one line when something is wrong.
#[allow(unsafe_code, reason = "the environment is the only way to tell Mesa")]
fn quiet_mesa() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the first thing that the only thread does, so nobody reads the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let adapter = cli.adapter.as_deref();
    match &cli.op {
        Some(Op::LayerNorm(args)) => layer_norm(args, adapter),
        Some(Op::RmsNorm(args)) => rms_norm(args, adapter),
        Some(Op::GroupNorm(args)) => group_norm(args, adapter),
        Some(Op::InstanceNorm(common)) => instance_norm(common, adapter),
        Some(Op::BatchNorm(args)) => batch_norm(args, adapter),
        None if cli.list_adapters => list_adapters(),
        None => say(DeviceReport::new(open(adapter)?.device()).to_string().trim_end()),
    }
}

fn say(line: impl fmt::Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|e| Failure::failed(format!("standard output: {e}")))
}

fn list_adapters() -> Result<(), Failure> {
    let adapters = host::adapters();
    if adapters.is_empty() {
        return Err(Failure::usage("no adapter: wgpu found none on this machine"));
    }
    for adapter in adapters {
        let info = adapter.get_info();
        let line =
            format!("{}, {}, {:?}, {} {}", info.name, info.backend, info.device_type, info.driver, info.driver_info);
        say(line.trim_end())?;
    }
    Ok(())
}

fn open(adapter: Option<&str>) -> Result<Gpu, Failure> {
    let opened = host::adapter(adapter).and_then(|adapter| Gpu::with_adapter(&adapter));
    opened.map_err(|e| match (e, adapter) {
        (e @ Error::NoAdapter(_), Some(_)) => Failure::usage(format!("--adapter: {e}")),
        (e @ Error::NoAdapter(_), None) => Failure::usage(e),
        (e, _) => Failure::failed(e),
    })
}

/// The first of the axes that are normalized over.
fn first_axis(args: &RowArgs, inputs: &Inputs) -> Result<usize, Failure> {
    let shape = inputs.shape();
    let Some((last, _)) = shape.split_last() else {
        return Err(inputs.wrong(Slot::Input, "shape [], expected one axis or more"));
    };
    let normalized = args.normalized_shape.as_deref().unwrap_or(slice::from_ref(last));
    if !shape.ends_with(normalized) {
        let expected = format!("expected the trailing axes of {shape:?}");
        return Err(Failure::usage(format!("--normalized-shape: {normalized:?}, {expected}")));
    }
    Ok(shape.len() - normalized.len())
}

fn layer_norm(args: &RowArgs, adapter: Option<&str>) -> Result<(), Failure> {
    let job = Job::new(&args.common, adapter)?;
    let inputs = job.read(&[Slot::Input, Slot::Weight, Slot::Bias])?;
    let op = LayerNorm::new(inputs.shape(), first_axis(args, &inputs)?..)
        .eps(args.common.eps)
        .weight(inputs.has(Slot::Weight))
        .zero_centered(args.common.zero_centered)
        .bias(inputs.has(Slot::Bias))
        .save_stats(job.writes_all());
    job.run(&op, &inputs, None)
}

fn rms_norm(args: &RowArgs, adapter: Option<&str>) -> Result<(), Failure> {
    let job = Job::new(&args.common, adapter)?;
    let inputs = job.read(&[Slot::Input, Slot::Weight])?;
    let op = RmsNorm::new(inputs.shape(), first_axis(args, &inputs)?..)
        .eps(args.common.eps)
        .weight(inputs.has(Slot::Weight))
        .zero_centered(args.common.zero_centered)
        .save_stats(job.writes_all());
    job.run(&op, &inputs, None)
}

fn group_norm(args: &GroupArgs, adapter: Option<&str>) -> Result<(), Failure> {
    let job = Job::new(&args.common, adapter)?;
    let inputs = job.read(&[Slot::Input, Slot::Weight, Slot::Bias])?;
    let op = GroupNorm::new(inputs.shape(), args.groups)
        .eps(args.common.eps)
        .weight(inputs.has(Slot::Weight))
        .zero_centered(args.common.zero_centered)
        .bias(inputs.has(Slot::Bias))
        .save_stats(job.writes_all());
    job.run(&op, &inputs, None)
}

fn instance_norm(common: &Common, adapter: Option<&str>) -> Result<(), Failure> {
    let job = Job::new(common, adapter)?;
    let inputs = job.read(&[Slot::Input, Slot::Weight, Slot::Bias])?;
    let op = InstanceNorm::new(inputs.shape())
        .eps(common.eps)
        .weight(inputs.has(Slot::Weight))
        .zero_centered(common.zero_centered)
        .bias(inputs.has(Slot::Bias))
        .save_stats(job.writes_all());
    job.run(&op, &inputs, None)
}

fn batch_norm(args: &BatchNormArgs, adapter: Option<&str>) -> Result<(), Failure> {
    let convention = args.convention()?;
    let job = Job::new(&args.common, adapter)?;
    let mut wanted = vec![Slot::Input, Slot::Weight, Slot::Bias, Slot::RunningMean, Slot::RunningVar];
    if args.training && matches!(convention, RunningStats::PyTorch { .. }) {
        wanted.push(Slot::NumBatchesTracked);
    }
    let mut inputs = job.read(&wanted)?;
    let running = [Slot::RunningMean, Slot::RunningVar];
    let tracked = args.training && running.into_iter().any(|slot| inputs.has(slot));
    if tracked || !args.training {
        if let Some(slot) = running.into_iter().find(|&slot| !inputs.has(slot)) {
            let why = if tracked { "running_mean and running_var go together" } else { "inference reads it" };
            return Err(inputs.wrong(slot, format!("missing, {why}")));
        }
    }
    if tracked && convention == RunningStats::CUMULATIVE {
        inputs.count_from_zero();
    }
    let shape = inputs.shape();
    let mut op = if args.training { BatchNorm::training(shape) } else { BatchNorm::inference(shape) }
        .eps(args.common.eps)
        .weight(inputs.has(Slot::Weight))
        .zero_centered(args.common.zero_centered)
        .bias(inputs.has(Slot::Bias))
        .save_stats(args.training && job.writes_all());
    op.running_stats = tracked.then_some(convention);
    // PyTorch counts every batch, also where a fixed momentum makes the op independent of the count.
    let batches = u32::from(!shape.starts_with(&[0]));
    let count = inputs.count().filter(|_| tracked).cloned();
    let count = count.map(|count| Count { value: count.value + batches, ..count });
    job.run(&op, &inputs, count.as_ref())
}
