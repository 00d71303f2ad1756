//! Each op in both directions on the adapter of this machine, held to the bound of the crate:
//!
//! `cargo run --example conformance [-- --every-method]`
//!
//! A small program where the tests would be too much: on a slow adapter, or on another machine than the one that
//! compiles.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use wgpu_norm::{
    DType, DeviceReport, Error as NormError, Method, Norm, Strategy,
    host::Gpu,
    testing::{Data, compare_outputs, each_op, worst_error},
};

#[derive(Parser)]
struct Args {
    /// By every method that the adapter has, not by the one that is chosen alone.
    #[arg(long)]
    every_method: bool,
    /// Only the ops of this name, as `layer_norm` or `layer_norm_backward`.
    #[arg(long)]
    op: Option<String>,
    /// f32 alone, and not f16 storage too.
    #[arg(long)]
    f32: bool,
}

fn main() -> ExitCode {
    env_logger::init();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("conformance: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::new()?;
    println!("{}", DeviceReport::new(gpu.device()));
    let mut strategies = vec![Strategy::Inferred];
    if args.every_method {
        strategies.extend(Method::ALL.iter().map(|&method| Strategy::Forced(method)));
    }
    let (mut done, mut wrong) = (0, 0);
    let types = [(36, DType::F32), (13, DType::F16)];
    for (len, dtype) in types.into_iter().filter(|(_, dtype)| !args.f32 || *dtype == DType::F32) {
        for op in each_op(len, dtype).iter().filter(|op| args.op.as_deref().is_none_or(|name| name == op.name())) {
            for &strategy in &strategies {
                match check(&gpu, &**op, strategy) {
                    Err(e) if !matches!(strategy, Strategy::Inferred) && is_refused(&*e) => continue,
                    Err(e) => {
                        wrong += 1;
                        println!("{:<28} {dtype}  WRONG: {e}", op.name());
                    }
                    Ok((method, error)) => {
                        println!("{:<28} {dtype}  {method:<28} {error:.3} of the bound", op.name());
                    }
                }
                done += 1;
            }
        }
    }
    if done == 0 {
        return Err(format!("no op is called {}", args.op.as_deref().unwrap_or_default()).into());
    }
    println!("\n{done} runs, {wrong} wrong");
    if wrong == 0 { Ok(()) } else { Err("the adapter does not conform".into()) }
}

/// The method, and the largest error in parts of its bound.
fn check(gpu: &Gpu, op: &dyn Norm, strategy: Strategy) -> Result<(String, f64), Box<dyn Error>> {
    let data = Data::random(op, 6);
    let run = gpu.run_with(op, &data.tensors(), strategy)?;
    let truth = op.reference(&data.tensors())?;
    compare_outputs(op, &run.outputs, &truth)?;
    let error = worst_error(&op.tensors()?, &run.outputs, &truth)?;
    Ok((run.method.map(|method| method.to_string()).unwrap_or_default(), error))
}

/// Whether the device does not have what a method needs.
fn is_refused(e: &(dyn Error + 'static)) -> bool {
    matches!(e.downcast_ref(), Some(NormError::Unsupported { .. } | NormError::Limit { .. }))
}
