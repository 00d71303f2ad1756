//! Each op in both directions on an adapter, held to the bound of the crate.

use std::error::Error as StdError;

use wgpu_norm::{
    DType, Error, Method, Norm, Strategy,
    host::Gpu,
    testing::{Data, compare_outputs, each_op, worst_error},
};

use crate::{Failure, adapter, adapters, progress, say};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// By every method that the adapter has, not by the one that is chosen alone.
    #[arg(long)]
    every_method: bool,
    /// Only the ops of this name, as `layer_norm` or `layer_norm_backward`.
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// f32 alone, and not f16 storage too.
    #[arg(long)]
    f32: bool,
}

/// Lengths of rows, of whole packs and odd, and how they are stored.
const TYPES: [(usize, DType); 2] = [(36, DType::F32), (13, DType::F16)];

pub fn run(args: &Args, name: Option<&str>) -> Result<(), Failure> {
    let types = TYPES.into_iter().filter(|(_, dtype)| !args.f32 || *dtype == DType::F32);
    let mut ops: Vec<_> =
        types.flat_map(|(len, dtype)| each_op(len, dtype).into_iter().map(move |op| (op, dtype))).collect();
    if let Some(wanted) = &args.op {
        let names: Vec<_> = ops.iter().map(|(op, _)| op.name()).collect();
        ops.retain(|(op, _)| op.name() == wanted);
        if ops.is_empty() {
            let nearness = |name: &str| strsim::jaro_winkler(wanted, name);
            let nearest = names.into_iter().max_by(|a, b| nearness(a).total_cmp(&nearness(b)));
            let near = nearest.filter(|name| nearness(name) > 0.7);
            return Err(Failure::usage(format!("--op: no op is called {wanted}")).hint(near));
        }
    }
    let mut strategies = vec![Strategy::Inferred];
    if args.every_method {
        strategies.extend(Method::ALL.iter().map(|&method| Strategy::Forced(method)));
    }
    let gpu = Gpu::with_adapter(&adapter(name)?)?;
    say(adapters::line(&gpu.device().adapter_info()))?;
    let (mut done, mut wrong) = (0, 0);
    let bar = progress(ops.len());
    for (op, dtype) in ops {
        let name = op.name();
        bar.set_message(name);
        for &strategy in &strategies {
            match check(&gpu, &*op, strategy) {
                Err(e) if !matches!(strategy, Strategy::Inferred) && is_refused(&*e) => continue,
                Err(e) => {
                    wrong += 1;
                    say(format!("{name:<28} {dtype}  WRONG: {e}"))?;
                }
                Ok((method, error)) => say(format!("{name:<28} {dtype}  {method:<28} {error:.3} of the bound"))?,
            }
            done += 1;
        }
        bar.inc(1);
    }
    say(format!("\n{done} runs, {wrong} wrong"))?;
    if wrong == 0 { Ok(()) } else { Err(Failure::failed("the adapter does not conform")) }
}

/// The method, and the largest error in parts of its bound.
fn check(gpu: &Gpu, op: &dyn Norm, strategy: Strategy) -> Result<(String, f64), Box<dyn StdError>> {
    let data = Data::random(op, 6);
    let run = gpu.run_with(op, &data.tensors(), strategy)?;
    let truth = op.reference(&data.tensors())?;
    compare_outputs(op, &run.outputs, &truth)?;
    let error = worst_error(&op.tensors()?, &run.outputs, &truth)?;
    Ok((run.method.map(|method| method.to_string()).unwrap_or_default(), error))
}

/// Whether the device does not have what a method needs.
fn is_refused(e: &(dyn StdError + 'static)) -> bool {
    matches!(e.downcast_ref(), Some(Error::Unsupported { .. } | Error::Limit { .. }))
}
