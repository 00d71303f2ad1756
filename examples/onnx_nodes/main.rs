//! Runs the nodes of ONNX files that normalize on this machine's adapter, and checks each result.
//!
//! ```text
//! onnx_nodes FOLDER                          every test case in it, against its expected outputs
//! onnx_nodes MODEL.onnx [--input NAME=x.npy] every node whose inputs have values, against the f64 reference
//! ```
//!
//! [docs/onnx.md](../../docs/onnx.md) says which nodes and attributes. Exit codes: 0; 1 when a result is wrong or the
//! device fails; 2 when the command line or a file is wrong, nothing ran, or there is no adapter.

#![warn(clippy::pedantic)]

mod nodes;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use nodes::{
    cases::{Case, Checked, find_cases},
    model::{Model, title},
    node::{Lowered, Problem},
    tensor::Tensor,
};
use rten_onnx::onnx::NodeProto;
use wgpu_norm::{
    Slot,
    host::{self, Gpu},
    testing::{compare_outputs, worst_error},
};

/// Runs the nodes of ONNX files that normalize on the adapter, and checks each result.
#[derive(Parser)]
#[command(name = "onnx_nodes", version)]
struct Args {
    /// A model; or a folder of test cases, each a folder with `model.onnx` and `test_data_set_0`, as the onnx package
    /// has them.
    path: PathBuf,
    /// The value of a tensor of the model, from a .npy file of f32. May be given several times.
    #[arg(long, value_name = "NAME=X.npy", value_parser = input)]
    input: Vec<(String, PathBuf)>,
    /// Take the first adapter whose name contains this, in any case of letters.
    #[arg(long, value_name = "NAME-PART")]
    adapter: Option<String>,
}

fn input(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=X.npy")?;
    Ok((name.to_owned(), path.into()))
}

/// How many nodes ended how.
#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    refused: usize,
    without_inputs: usize,
}

impl Counts {
    /// Prints why a node has no result.
    fn problem(&mut self, title: &str, problem: &Problem) {
        let (count, word) = match problem {
            Problem::NoValue(_) => (&mut self.without_inputs, "no input"),
            Problem::Refused(_) => (&mut self.refused, "refused"),
            Problem::Failed(_) => (&mut self.failed, "FAILED"),
        };
        *count += 1;
        println!("{word}: {title}: {problem}");
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} refused", self.passed, self.failed, self.refused)?;
        if self.without_inputs > 0 { write!(f, ", {} without inputs", self.without_inputs) } else { Ok(()) }
    }
}

fn main() -> ExitCode {
    env_logger::init();
    match run(&Args::parse()) {
        Ok(counts) => {
            println!("{counts}");
            ExitCode::from(u8::from(counts.failed > 0))
        }
        Err(e) => {
            eprintln!("onnx_nodes: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<Counts, String> {
    let open = || {
        let adapter = host::adapter(args.adapter.as_deref()).map_err(|e| e.to_string())?;
        Gpu::with_adapter(&adapter).map_err(|e| e.to_string())
    };
    if !args.path.is_dir() {
        let mut model = Model::read(&args.path)?;
        for (name, path) in &args.input {
            model.read_input(name, path).map_err(|e| format!("--input {name}: {e}"))?;
        }
        return run_model(&open()?, model, &args.path);
    }
    if let Some((name, _)) = args.input.first() {
        return Err(format!("--input {name}: test cases have their inputs in their folders"));
    }
    let folders = find_cases(&args.path)?;
    if folders.is_empty() {
        let expected = "expected folders with model.onnx and test_data_set_0";
        return Err(format!("{}: no test case in it, {expected}", args.path.display()));
    }
    run_cases(&open()?, &args.path, &folders)
}

/// Runs every case. Prints those that did not pass, and a line for each type of node.
fn run_cases(gpu: &Gpu, root: &Path, folders: &[PathBuf]) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let mut by_op: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    let mut others = 0;
    for folder in folders {
        let name = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
        let case = match Case::read(folder) {
            Ok(Some(case)) => case,
            Ok(None) => {
                others += 1;
                continue;
            }
            Err(e) => {
                counts.problem(&name, &Problem::Failed(e));
                continue;
            }
        };
        let op = case.node().op_type.clone().unwrap_or_default();
        let checked = case.run(gpu).and_then(|outputs| outputs.iter().map(Checked::check).collect());
        match checked {
            Ok::<Vec<f64>, _>(worst) => {
                counts.passed += 1;
                let (cases, of_op) = by_op.entry(op).or_default();
                *cases += 1;
                *of_op = worst.into_iter().fold(*of_op, f64::max);
            }
            Err(problem) => counts.problem(&format!("{name}: {op}"), &problem),
        }
    }
    for (op, (cases, worst)) in by_op {
        println!("{op:32} {cases:3} cases, largest error {worst:.3} of the bound");
    }
    if others > 0 {
        println!("{others} cases are not of one node that normalizes");
    }
    if others == folders.len() {
        return Err(format!("{}: no case is of one node that normalizes", root.display()));
    }
    Ok(counts)
}

/// Runs every node of a model that normalizes, and prints a line for each.
fn run_model(gpu: &Gpu, mut model: Model, path: &Path) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let norms: Vec<NodeProto> = model.norms().cloned().collect();
    if norms.is_empty() {
        return Err(format!("{}: none of its {} nodes normalizes", path.display(), model.nodes()));
    }
    for node in &norms {
        let computed = model.lower(node).and_then(|lowered| run_node(gpu, &lowered));
        match computed {
            Ok((text, outputs)) => {
                counts.passed += 1;
                println!("{}: {text}", title(node));
                for (i, tensor) in outputs {
                    model.set(&node.output[i], Ok(tensor));
                }
            }
            Err(problem) => counts.problem(&title(node), &problem),
        }
    }
    if counts.passed + counts.failed == 0 {
        return Err(format!("{}: no node ran: {counts}", path.display()));
    }
    Ok(counts)
}

/// Runs a node, and compares with the f64 reference. Returns a line about it, and what later nodes may read.
fn run_node(gpu: &Gpu, lowered: &Lowered) -> Result<(String, Vec<(usize, Tensor)>), Problem> {
    let op = &*lowered.op;
    let run = lowered.run(gpu)?;
    let expected = op.reference(&lowered.tensors())?;
    compare_outputs(op, &run.outputs, &expected).map_err(Problem::Failed)?;
    let specs = op.tensors()?;
    let worst = worst_error(&specs, &run.outputs, &expected).map_err(Problem::Failed)?;
    let method = run.method.map_or("an empty batch".into(), |method| method.to_string());
    let text = format!("{} {:?}, {method}, error {worst:.3} of the bound", op.name(), op.shape());
    let later = lowered.outputs.iter().filter(|(_, slot)| matches!(slot, Slot::Output | Slot::ResidualOutput));
    let tensors = later.filter_map(|&(i, slot)| {
        let spec = specs.iter().find(|spec| spec.slot == slot)?;
        Some((i, Tensor { shape: spec.shape.clone(), dtype: spec.dtype, values: run.outputs.get(slot)?.to_vec() }))
    });
    Ok((text, tensors.collect()))
}
