//! Runs ops of all kinds, with options, types, methods, shapes and data at random, against the reference, for as long
//! as it is told to:
//!
//! `cargo run --release --example soak -- --seconds 600`
//!
//! Prints what was done, the worst error in parts of its bound, and how the memory of the process grew. Fails at the
//! first wrong result, and says how to see it again.

use std::{
    collections::BTreeSet,
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use wgpu_norm::{
    Access, DType, Method, Norm, Slot, TensorSpec, Tensors,
    host::Gpu,
    testing::{Random, compare_outputs, worst_error},
};

#[path = "../tests/common/descriptors.rs"]
#[allow(dead_code, reason = "the device is the one that is there")]
mod descriptors;
use descriptors::Descriptor;

#[derive(Parser)]
struct Args {
    /// How long.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where the random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sets of options, types and methods: kernels are compiled for each, and kept.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    kinds: u64,
    /// Only this round, as a failure names it.
    #[arg(long)]
    round: Option<u64>,
}

/// Activations without a jump of their derivative, where no bound holds: indices of [`wgpu_norm::Activation::ALL`].
const SMOOTH: [u8; 8] = [0, 2, 3, 4, 5, 6, 7, 11];
/// Elements of a tensor, about.
const ELEMENTS: usize = 1 << 17;

fn main() -> ExitCode {
    env_logger::init();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("soak: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::new()?;
    let time = Duration::from_secs(args.seconds);
    let bar = ProgressBar::new(args.seconds);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos} of {len} s, {msg}")?);
    let (start, mut random) = (Instant::now(), Random::new(args.seed));
    let mut done = Done::default();
    let mut warm = None;
    while start.elapsed() < time {
        let round = args.round.unwrap_or_else(|| random.bits());
        done.one(&gpu, round, args)
            .map_err(|e| format!("{e} (--kinds {} --seed {} --round {round})", args.kinds, args.seed))?;
        bar.set_position(start.elapsed().as_secs());
        bar.set_message(format!("{} ops", done.ops));
        if warm.is_none() && start.elapsed() > time / 2 {
            warm = Some(resident());
        }
    }
    bar.finish_and_clear();
    println!(
        "{}: {} ops in {:.0} s, none wrong",
        gpu.device().adapter_info().name,
        done.ops,
        start.elapsed().as_secs_f64()
    );
    println!(
        "{} kinds of ops by {} methods, {:.1e} elements",
        done.names.len(),
        done.methods.len(),
        done.elements as f64
    );
    println!("largest error: {:.2} of its bound, {}", done.worst.0, done.worst.1);
    if let (Some(Some(warm)), Some(end)) = (warm, resident()) {
        println!("memory: {} MiB at half time, {} MiB at the end", warm >> 20, end >> 20);
    }
    Ok(())
}

#[derive(Default)]
struct Done {
    ops: usize,
    elements: usize,
    names: BTreeSet<&'static str>,
    methods: BTreeSet<String>,
    worst: (f64, String),
}

impl Done {
    /// Runs one op, unless the numbers are none.
    fn one(&mut self, gpu: &Gpu, round: u64, args: &Args) -> Result<(), Box<dyn Error>> {
        let mut random = Random::new(round);
        let kind = below(&mut random, args.kinds);
        let (op, descriptor) = draw(args.seed.wrapping_mul(args.kinds).wrapping_add(kind), &mut random);
        let Ok(specs) = op.tensors() else { return Ok(()) };
        let data: Vec<_> =
            specs.iter().filter(|spec| reads(spec)).map(|spec| (spec.slot, values(spec, &mut random))).collect();
        let indices: Vec<_> = specs
            .iter()
            .filter(|spec| spec.dtype == DType::U32 && spec.access == Access::Read)
            .map(|spec| (spec.slot, random.indices(spec.len(), spec.len())))
            .collect();
        let tensors = data.iter().fold(Tensors::default(), |t, (slot, values)| t.set(*slot, values));
        let mut tensors = indices.iter().fold(tensors, |t, (slot, indices)| t.set_indices(*slot, indices));
        if specs.iter().any(|spec| spec.slot == Slot::NumBatchesTracked) {
            tensors = tensors.num_batches_tracked(3);
        }
        let run = match gpu.run_with(&*op, &tensors, descriptor.strategy()) {
            Err(wgpu_norm::Error::Unsupported { .. } | wgpu_norm::Error::Limit { .. }) => return Ok(()),
            run => run?,
        };
        let truth = op.reference(&tensors)?;
        compare_outputs(&*op, &run.outputs, &truth)
            .map_err(|e| format!("{} by {:?}: {e}, of {descriptor:?}", op.name(), run.method.map(|m| m.to_string())))?;
        let error = worst_error(&specs, &run.outputs, &truth)?;
        if error > self.worst.0 {
            self.worst = (error, format!("{} of {:?}", op.name(), op.shape()));
        }
        self.ops += 1;
        self.elements += op.shape().iter().product::<usize>();
        self.names.insert(op.name());
        self.methods.extend(run.method.map(|method| method.to_string()));
        Ok(())
    }
}

/// An op of a kind, and of a random shape: the first that is valid. Some ops seldom are, so each try draws another.
fn draw(kind: u64, random: &mut Random) -> (Box<dyn Norm>, Descriptor) {
    let mut of_kind = Random::new(kind);
    loop {
        let descriptor = descriptor(&mut of_kind, random);
        let mut ops = descriptor.ops();
        let op = ops.swap_remove(below(&mut of_kind, ops.len() as u64) as usize);
        if op.tensors().is_ok() {
            return (op, descriptor);
        }
    }
}

fn descriptor(of_kind: &mut Random, random: &mut Random) -> Descriptor {
    let rank = 2 + below(of_kind, 3) as usize;
    // One axis is long, and any may be.
    let long = below(random, rank as u64) as usize;
    let mut left = ELEMENTS;
    let mut axis = |i| {
        let largest = if i == long { left } else { left.min(40) };
        let len = 1 + below(random, largest as u64) as usize;
        left = (left / len).max(1);
        len
    };
    let shape = (0..rank).map(&mut axis).collect();
    let first = below(of_kind, rank as u64) as usize;
    Descriptor {
        axes: (first, rank.min(first + 1 + below(of_kind, rank as u64) as usize)),
        eps: [1e-5, 1e-12, 1e-3][below(of_kind, 3) as usize],
        momentum: 0.1,
        flags: std::array::from_fn(|_| below(of_kind, 2) == 0),
        dtypes: std::array::from_fn(|_| below(of_kind, 3) as u8),
        activation: SMOOTH[below(of_kind, SMOOTH.len() as u64) as usize],
        gate: below(of_kind, 256) as u8,
        stride: 1 + below(of_kind, 9) as usize,
        cpu: true,
        subgroups: 0,
        method: (below(of_kind, 2) == 0).then(|| below(of_kind, Method::ALL.len() as u64) as u8),
        shape,
    }
}

fn reads(spec: &TensorSpec) -> bool {
    spec.access != Access::Write && spec.dtype != DType::U32
}

fn values(spec: &TensorSpec, random: &mut Random) -> Vec<f32> {
    if spec.slot == Slot::Moments {
        // Mean as hi and lo, sum of squared deviations, count.
        let moments = |numbers: &[f32]| {
            let count = (1.0 + 50.0 * numbers[3].abs()).floor();
            [numbers[0], numbers[1] * 1e-8, numbers[2].abs() * count, count]
        };
        return random.normal(spec.len(), 0.0, 1.0).chunks_exact(4).flat_map(moments).collect();
    }
    let (offset, spread) = match spec.slot {
        // Far from the statistics, too, where those are given and not taken.
        Slot::Input => [(0.0, 1.0), (3.0, 2.0), (1e3, 1.0), (-1e4, 30.0)][below(random, 4) as usize],
        Slot::Weight => (1.0, 0.5),
        Slot::RunningVar => (2.0, 0.1),
        _ => (0.0, 1.0),
    };
    random.normal(spec.len(), offset, spread)
}

/// Bytes that the process has in memory, where the system tells.
fn resident() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

/// One of the first `n` numbers.
fn below(random: &mut Random, n: u64) -> u64 {
    random.bits() % n
}
