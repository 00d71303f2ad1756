//! burn on wgpu, with autotune and fusion: the modules of `burn::nn`, and their gradients by autodiff.
//!
//! `peer-burn --cases cases.json --json FILE [--rounds N]`

use std::{env, error::Error, fs, rc::Rc, time::Instant};

use burn::{
    module::{Param, RunningState},
    nn::{BatchNormConfig, GroupNormConfig, LayerNormConfig, RmsNormConfig},
    tensor::{DType, Device, DeviceKind, Tensor, TensorData},
};
use serde::Deserialize;
use serde_json::json;
use wgpu_norm::{Access, BatchNorm, GroupNorm, LayerNorm, Norm, RmsNorm, Slot, Tensors, testing};

const EPS: f64 = 1e-5;
/// Rounds before the timed ones: autotune tries its kernels in the first of them.
const WARM_UP: usize = 3;
/// A sample is of as many ops as take about this long, so that the wait at its end is small beside it.
const SAMPLE_SECONDS: f64 = 0.1;
const MIN_OPS: usize = 3;
const MAX_OPS: usize = 2000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A line of cases.json.
#[derive(Deserialize)]
struct Case {
    op: String,
    direction: String,
    dtype: String,
    shape: Vec<usize>,
    groups: Option<usize>,
    /// Adds a residual before a norm of rows, and returns the sum too.
    #[serde(default)]
    residual: bool,
}

struct Args {
    cases: String,
    json: String,
    rounds: usize,
}

fn main() -> Result<()> {
    let args = arguments()?;
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    let adapter = device.identity().map_or_else(String::new, |identity| identity.name);
    let cases: Vec<Case> = serde_json::from_str(&fs::read_to_string(&args.cases)?)?;
    let mut rows = Vec::new();
    for case in &cases {
        let name = format!("{} {} {:?} {}", case.op, case.direction, case.shape, case.dtype);
        match row(case, &device, args.rounds) {
            Ok(mut row) => {
                row["adapter"] = adapter.clone().into();
                println!("burn           {name:<48} {:>9.3} ms", row["ms"].as_f64().unwrap_or_default());
                rows.push(row);
            }
            Err(e) => eprintln!("burn: {name}: {e}"),
        }
    }
    fs::write(&args.json, serde_json::to_string_pretty(&rows)? + "\n")?;
    Ok(())
}

fn arguments() -> Result<Args> {
    let mut args = Args { cases: String::new(), json: String::new(), rounds: 5 };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--cases" => args.cases = value,
            "--json" => args.json = value,
            "--rounds" => args.rounds = value.parse()?,
            _ => return Err(format!("unknown argument {word}").into()),
        }
    }
    if args.cases.is_empty() || args.json.is_empty() {
        return Err("--cases and --json are needed".into());
    }
    Ok(args)
}

fn row(case: &Case, device: &Device, rounds: usize) -> Result<serde_json::Value> {
    let dtype = match case.dtype.as_str() {
        "f32" => wgpu_norm::DType::F32,
        "f16" => wgpu_norm::DType::F16,
        other => return Err(format!("no type {other} here").into()),
    };
    let backward = match case.direction.as_str() {
        "forward" => false,
        "backward" => true,
        other => return Err(format!("no direction {other}").into()),
    };
    if case.residual && (backward || !matches!(case.op.as_str(), "layer_norm" | "rms_norm")) {
        return Err("a residual is for norms of rows, forward".into());
    }
    let rank = case.shape.len();
    // The same op of this crate: what it reads and writes, and the true result.
    let op: Box<dyn Norm> = match (case.op.as_str(), backward) {
        ("layer_norm", false) => {
            let op = LayerNorm::new(&case.shape, rank - 1..).dtype(dtype);
            Box::new(op.residual(case.residual).residual_output(case.residual))
        }
        ("layer_norm", true) => Box::new(LayerNorm::new(&case.shape, rank - 1..).dtype(dtype).backward()),
        ("rms_norm", false) => {
            let op = RmsNorm::new(&case.shape, rank - 1..).dtype(dtype);
            Box::new(op.residual(case.residual).residual_output(case.residual))
        }
        ("rms_norm", true) => Box::new(RmsNorm::new(&case.shape, rank - 1..).dtype(dtype).backward()),
        ("batch_norm_inference", false) => Box::new(BatchNorm::inference(&case.shape).dtype(dtype)),
        ("group_norm", false) => Box::new(GroupNorm::new(&case.shape, case.groups.ok_or("no groups")?).dtype(dtype)),
        _ => return Err("not driven here".into()),
    };
    let specs = op.tensors()?;
    let values: Vec<_> = specs
        .iter()
        .filter(|spec| spec.access == Access::Read)
        .map(|spec| (spec.slot, pseudo_random(spec.slot, spec.len())))
        .collect();
    let tensors = values.iter().fold(Tensors::default(), |tensors, (slot, values)| tensors.set(*slot, values));
    let truth = op.reference(&tensors)?;

    let device = if backward { device.clone().autodiff() } else { device.clone() };
    let inputs = Inputs { case, tensors: &tensors, device: device.clone() };
    let channels = tensors.get(Slot::Weight).map_or(0, <[f32]>::len);
    let (run, less) = match rank {
        2 => inputs.prepare::<2>(channels)?,
        4 => inputs.prepare::<4>(channels)?,
        _ => return Err("neither rows nor NCHW".into()),
    };

    let written: Vec<_> = specs.iter().filter(|spec| spec.access != Access::Read).collect();
    let outputs = run();
    if outputs.len() != written.len() {
        return Err(format!("wrote {} tensors, not {}", outputs.len(), written.len()).into());
    }
    for (spec, output) in written.iter().zip(outputs) {
        let expected = truth.get(spec.slot).ok_or("no true result")?;
        let error = testing::max_error(spec.slot.name(), dtype, &output.values()?, expected)?;
        // This tells the right op from a wrong one; it is no measure of accuracy.
        let allowed = if dtype == wgpu_norm::DType::F32 { 1e-4 } else { 1e-2 };
        if error > allowed * testing::largest(expected).max(1.0) {
            return Err(format!("{} is off by {error:.1e}", spec.slot).into());
        }
    }

    let (seconds, spread) = time(&device, &run, less.as_ref(), rounds)?;
    let moved: u64 = specs.iter().map(wgpu_norm::TensorSpec::bytes).sum();
    Ok(json!({
        "engine": "burn",
        "op": op.name(),
        "direction": case.direction,
        "dtype": case.dtype,
        "outputs": written.len(),
        "shape": case.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x"),
        "ms": seconds * 1e3,
        "gbps": moved as f64 / seconds * 1e-9,
        "percent_of_copy": null,
        "strategy": "",
        "timer": "wall",
        "spread": spread,
    }))
}

/// Values in [0.5, 1.5) for what is a gain or a variance, and in [-1, 1) for the others.
fn pseudo_random(slot: Slot, len: usize) -> Vec<f32> {
    let mut state = slot as u32 + 1;
    let positive = matches!(slot, Slot::Weight | Slot::RunningVar);
    let unit = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    });
    unit.take(len).map(|u| if positive { 0.5 + u } else { 2.0 * u - 1.0 }).collect()
}

/// An op of burn; what it returns is queued, not computed.
type Op = Box<dyn Fn() -> Vec<Box<dyn Output>>>;

trait Output {
    /// Waits, reads all, and widens to f32.
    fn values(&self) -> Result<Vec<f32>>;
    /// Waits, and reads one element.
    fn wait(&self) -> Result<()>;
}

impl<const D: usize> Output for Tensor<D> {
    fn values(&self) -> Result<Vec<f32>> {
        Ok(self.clone().into_data().iter::<f32>().collect())
    }

    fn wait(&self) -> Result<()> {
        // Only reading the value waits: neither `slice` nor `into_data` does.
        let first = self.clone().slice([const { 0..1 }; D]).into_data().iter::<f32>().next();
        first.map(drop).ok_or_else(|| "an empty output".into())
    }
}

struct Inputs<'a> {
    case: &'a Case,
    tensors: &'a Tensors<'a>,
    device: Device,
}

impl Inputs<'_> {
    fn tensor<const D: usize>(&self, slot: Slot, shape: [usize; D]) -> Tensor<D> {
        // What our backward pass does not read, the bias, burn's module has all the same.
        let values = match self.tensors.get(slot) {
            Some(values) => values.to_vec(),
            None => pseudo_random(slot, shape.iter().product()),
        };
        let dtype = if self.case.dtype == "f16" { DType::F16 } else { DType::F32 };
        Tensor::from_data(TensorData::new(values, shape), (&self.device, dtype))
    }

    /// The op, and what is to be taken off its time: a gradient can't be had without the forward pass that it is of.
    fn prepare<const D: usize>(&self, channels: usize) -> Result<(Op, Option<Op>)> {
        let shape: [usize; D] = self.case.shape.as_slice().try_into()?;
        let x = self.tensor(Slot::Input, shape);
        let parameter = |slot| Param::from_tensor(self.tensor(slot, [channels]));
        let (weight, bias) = (parameter(Slot::Weight), parameter(Slot::Bias));
        let (w, b) = (weight.val(), bias.val());
        let forward: Box<dyn Fn(Tensor<D>) -> Tensor<D>> = match self.case.op.as_str() {
            "layer_norm" => {
                let mut norm = LayerNormConfig::new(channels).with_epsilon(EPS).init(&self.device);
                (norm.gamma, norm.beta) = (weight, Some(bias));
                Box::new(move |x| norm.forward(x))
            }
            "rms_norm" => {
                let mut norm = RmsNormConfig::new(channels).with_epsilon(EPS).init(&self.device);
                norm.gamma = weight;
                Box::new(move |x| norm.forward(x))
            }
            "batch_norm_inference" => {
                let mut norm = BatchNormConfig::new(channels).with_epsilon(EPS).init(&self.device);
                (norm.gamma, norm.beta) = (weight, bias);
                norm.running_mean = RunningState::new(self.tensor(Slot::RunningMean, [channels]));
                norm.running_var = RunningState::new(self.tensor(Slot::RunningVar, [channels]));
                Box::new(move |x| norm.forward(x))
            }
            "group_norm" => {
                let groups = self.case.groups.ok_or("no groups")?;
                let mut norm = GroupNormConfig::new(groups, channels).with_epsilon(EPS).init(&self.device);
                (norm.gamma, norm.beta) = (Some(weight), Some(bias));
                Box::new(move |x| norm.forward(x))
            }
            _ => return Err("not driven here".into()),
        };
        if self.case.residual {
            let other = self.tensor(Slot::Residual, shape);
            let op = move || {
                let sum = x.clone() + other.clone();
                vec![Box::new(sum.clone()) as Box<dyn Output>, Box::new(forward(sum))]
            };
            return Ok((Box::new(op), None));
        }
        if self.case.direction == "forward" {
            return Ok((Box::new(move || vec![Box::new(forward(x.clone()))]), None));
        }

        let has_bias = self.case.op != "rms_norm";
        let (x, grad) = (x.require_grad(), self.tensor(Slot::GradOutput, shape));
        let loss = Rc::new({
            let x = x.clone();
            move || (forward(x.clone()) * grad.clone()).sum()
        });
        let less = loss.clone();
        let op = move || {
            let gradients = loss().backward();
            let mut outputs: Vec<Box<dyn Output>> = Vec::new();
            outputs.extend(x.grad(&gradients).map(|g| Box::new(g) as Box<dyn Output>));
            outputs.extend(w.grad(&gradients).map(|g| Box::new(g) as Box<dyn Output>));
            if has_bias {
                outputs.extend(b.grad(&gradients).map(|g| Box::new(g) as Box<dyn Output>));
            }
            outputs
        };
        Ok((Box::new(op), Some(Box::new(move || vec![Box::new(less())]))))
    }
}

/// Median time of one op, and the distance between the quartiles in parts of it.
fn time(device: &Device, op: &Op, less: Option<&Op>, rounds: usize) -> Result<(f64, f64)> {
    let sample = |op: &Op, ops: usize| -> Result<f64> {
        let start = Instant::now();
        let mut outputs = Vec::new();
        for _ in 0..ops {
            outputs = op();
            // Each op by itself: else fusion takes all that is queued for one graph, whose kernels are others, tuned
            // anew, for every number of ops.
            device.flush().map_err(|e| format!("{e:?}"))?;
        }
        for output in outputs {
            output.wait()?;
        }
        device.sync().map_err(|e| format!("{e:?}"))?;
        Ok(start.elapsed().as_secs_f64())
    };
    // A sample of n + 1 ops less one of one op is n ops, without what the wait costs.
    let several = |ops: usize| -> Result<f64> {
        let once = |op: &Op| -> Result<f64> {
            let one = sample(op, 1)?;
            Ok((sample(op, ops + 1)? - one) / ops as f64)
        };
        Ok(once(op)? - less.map_or(Ok(0.0), once)?)
    };
    let grows = |ops: usize| -> Result<bool> {
        let fastest = |ops: usize| -> Result<f64> { Ok(sample(op, ops)?.min(sample(op, ops)?)) };
        let (one, some, more) = (fastest(1)?, fastest(1 + ops)?, fastest(1 + 2 * ops)?);
        // By as much for the second half as for the first, and by more than the noise.
        Ok((0.5..2.0).contains(&((more - some) / (some - one))) && more > 1.2 * some)
    };

    for _ in 0..WARM_UP {
        several(MIN_OPS)?;
    }
    let ops = ((SAMPLE_SECONDS / several(MIN_OPS)?.max(1e-6)) as usize).clamp(MIN_OPS, MAX_OPS);
    // Time must grow with the number of ops: else nothing waited, or an op was computed only once. Several tries, as
    // another program may take the machine for a while.
    let mut waited = false;
    for _ in 0..5 {
        waited = waited || grows(ops)?;
    }
    if !waited {
        let twice = 2 * ops;
        return Err(format!(
            "{twice} ops do not take twice as long as {ops}: not synchronised, or too noisy a machine"
        )
        .into());
    }
    let mut times = (0..rounds).map(|_| several(ops)).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    Ok((at(0.5), (at(0.75) - at(0.25)) / at(0.5)))
}
