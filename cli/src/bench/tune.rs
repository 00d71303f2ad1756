//! Measures a [`Tuning`] for the adapter of this machine: each number is doubled and halved as long as that makes the
//! ops faster.

use std::{fmt::Write as _, time::Instant};

use wgpu_norm::{
    BatchNorm, DType, Error, GroupNorm, LayerNorm, Planner, RmsNorm, RunningStats, Strategy, Tuning, shaders,
};

use super::{Bench, cases::Ops, dimensions, timer::Work};
use crate::{Failure, say};

/// How many times as fast the ops must get, as a geometric mean: less could be chance.
const GAIN: f64 = 1.04;
/// No op may take more than this many times as long.
const WORST: f64 = 1.1;
/// Seconds that the plan of an op and its first run may take when no kernel is there yet: some drivers compile when a
/// kernel is first run.
const COLD_START: f64 = 4.0;

/// Each number decides about some of them. A GPU takes more rows of each: it should have more to do than to start.
fn ops(cpu: bool) -> Ops {
    let times = if cpu { 1 } else { 16 };
    let mut ops: Ops = Vec::new();
    for shape in [
        [65536, 16],
        [16384, 64],
        [8192, 127],
        [4096, 256],
        [2048, 384],
        [4096, 768],
        [1024, 1024],
        [1024, 1023],
        [256, 4097],
        [128, 4096],
        [256, 8192],
        [4, 1 << 18],
    ] {
        let op = LayerNorm::new(&[shape[0] * times, shape[1]], 1..);
        ops.push(Box::new(op.backward()));
        ops.push(Box::new(op));
    }
    for (rows, len, dtype) in [
        (4096, 256, DType::F16),
        (1024, 1024, DType::F16),
        (1024, 1023, DType::F16),
        (256, 4096, DType::BF16),
        (256, 4097, DType::BF16),
    ] {
        let op = LayerNorm::new(&[rows * times, len], 1..).dtype(dtype);
        ops.push(Box::new(op.backward()));
        ops.push(Box::new(op));
    }
    ops.push(Box::new(RmsNorm::new(&[32 * times, 32768], 1..)));
    for shape in [&[8 * times, 64, 56, 56][..], &[4096 * times, 256]] {
        let training = BatchNorm::training(shape).running_stats(RunningStats::PYTORCH);
        ops.push(Box::new(training.backward()));
        ops.push(Box::new(training));
        ops.push(Box::new(BatchNorm::inference(shape)));
    }
    ops.push(Box::new(GroupNorm::new(&[times, 320, 64, 64], 32)));
    ops
}

/// Searches from the table that the bench has. The result is a table with the gains as comments.
pub fn run(bench: &Bench) -> Result<String, Failure> {
    let ops = ops(bench.cpu);
    let mut best = bench.gpu.planner().caps().tuning.clone();
    let mut log = format!("# {}\n", bench.adapter);
    // Whether f16 is converted right is not a matter of speed.
    for &(name, least, most) in Tuning::FIELDS.iter().filter(|(name, ..)| *name != "native_f16") {
        for doubled in [true, false] {
            let mut better = false;
            let mut from = best.get(name).unwrap_or_default();
            let mut value = from;
            loop {
                let next = if doubled { (2 * value).max(value + 1) } else { value / 2 }.clamp(least, most);
                if next == value {
                    break;
                }
                value = next;
                let mut candidate = best.clone();
                candidate.set(name, value)?;
                match judge(bench, &ops, &best, &candidate)? {
                    Verdict::Same => {}
                    Verdict::Slow(why) => {
                        say(format!("{name}: {from} stays, {value} {why}"))?;
                        break;
                    }
                    Verdict::Faster(gain) => {
                        say(format!("{name}: {from} -> {value}, {gain:.2} times as fast"))?;
                        let _ =
                            writeln!(log, "# {name}: {from} -> {value} made what it changes {gain:.2} times as fast");
                        best = candidate;
                        from = value;
                        better = true;
                    }
                }
            }
            // What got faster by growing need not be tried smaller.
            if better {
                break;
            }
        }
    }
    Ok(format!("{log}{best}"))
}

enum Verdict {
    /// No op has other kernels.
    Same,
    Slow(String),
    Faster(f64),
}

/// Times the ops that differ by the two tables.
fn judge(bench: &Bench, ops: &Ops, best: &Tuning, candidate: &Tuning) -> Result<Verdict, Error> {
    let planners = [best, candidate].map(|table| Planner::new(bench.gpu.device()).tuning(table.clone()));
    let mut pairs = Vec::new();
    for op in ops {
        let op = &**op;
        let [one, other] = [&planners[0], &planners[1]].map(|p| shaders::program(op, p.caps(), Strategy::Inferred));
        let (Ok(one), Ok(other)) = (one, other) else { continue };
        if one == other {
            continue;
        }
        let before = planners[0].plan(op)?;
        let start = Instant::now();
        let after = planners[1].plan(op)?;
        let mut seconds = start.elapsed().as_secs_f64();
        if let Some(bound) = bench.bind(&after, 1)? {
            let start = Instant::now();
            bench.timer.run(&bench.gpu, &[Work::pass(|pass| bound[0].record(pass))])?;
            seconds += start.elapsed().as_secs_f64();
        }
        if seconds > COLD_START {
            let what = format!("{} {}", op.name(), dimensions(op.shape()));
            return Ok(Verdict::Slow(format!("takes {seconds:.1} s to build {what}")));
        }
        pairs.push((op, before, after));
    }
    if pairs.is_empty() {
        return Ok(Verdict::Same);
    }
    let mut least = f64::INFINITY;
    // Twice: the first time may have been chance.
    for _ in 0..2 {
        let mut log_gain = 0.0;
        for (op, before, after) in &pairs {
            let Some(ratio) = bench.faster(before, after)? else {
                return Ok(Verdict::Slow("needs more memory".into()));
            };
            if ratio < 1.0 / WORST {
                let what = format!("{} {}", op.name(), dimensions(op.shape()));
                return Ok(Verdict::Slow(format!("makes {what} {ratio:.2} times as fast")));
            }
            log_gain += ratio.ln();
        }
        let gain = (log_gain / pairs.len() as f64).exp();
        if gain < GAIN {
            return Ok(Verdict::Slow(format!("is {gain:.2} times as fast")));
        }
        least = least.min(gain);
    }
    Ok(Verdict::Faster(least))
}
