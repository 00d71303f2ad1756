//! The norms in the blocks of today's models: each path as one op with what the model fuses with it, and as a plain
//! norm with passes around it.
//!
//! `cargo run --release --example modern_blocks`
//!
//! Both compute the same tensors, which are compared with the f64 reference. The table has the dispatches, the bytes
//! that each way must move, the times in turns, and the largest error.

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use wgpu_norm::{
    Access, Bindings, DType, Gate, GateFunction, LayerNorm, Norm, Pairs, RmsNorm, Rotary, Slot, TensorSpec,
    host::Gpu,
    testing::{self, Data},
    wgpu,
};

mod nets;
use nets::{Command, Kernels, Part, Result, download, hold, run, upload, zeros};

const TOKENS: usize = 1024;
const WIDTH: usize = 1024;
const SAMPLES: usize = 4;
const HEADS: usize = 8;
/// Pairs of times, of which the medians count.
const ROUNDS: usize = 9;

const KERNELS: &str = "
// Passes that are no norms: an invocation for each four neighbours.
struct Sizes { packs: u32, row: u32, rows: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(8) var<storage> a: array<vec4<f32>>;
@group(0) @binding(9) var<storage> b: array<vec4<f32>>;
@group(0) @binding(10) var<storage> c: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> out: array<vec4<f32>>;

fn sigmoid(v: vec4<f32>) -> vec4<f32> { return 1.0 / (1.0 + exp(-v)); }

// The table of the sample that the pack belongs to.
fn of_sample(i: u32) -> u32 { return i / (sizes.row * sizes.rows) * sizes.row + i % sizes.row; }

@group(0) @binding(12) var<storage> positions: array<u32>;

// Rows are heads here, as many a token as sizes.rows: an invocation for a pack of the first half and its partners.
@compute @workgroup_size(64)
fn rotate(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= sizes.packs / 2u { return; }
    let half = sizes.row / 2u;
    let head = id.x / half;
    let first = head * sizes.row + id.x % half;
    let angle = positions[head / sizes.rows] * sizes.row + id.x % half * 2u;
    let cos = vec4(a[angle].xz, a[angle + 1u].xz);
    let sin = vec4(a[angle].yw, a[angle + 1u].yw);
    let u = out[first];
    let v = out[first + half];
    out[first] = u * cos - v * sin;
    out[first + half] = v * cos + u * sin;
}

@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < sizes.packs { out[id.x] = a[id.x] + b[id.x]; }
}

@compute @workgroup_size(64)
fn times_silu(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < sizes.packs { out[id.x] = a[id.x] * b[id.x] * sigmoid(b[id.x]); }
}

@compute @workgroup_size(64)
fn times_sigmoid(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < sizes.packs { out[id.x] = a[id.x] * sigmoid(b[id.x]); }
}

@compute @workgroup_size(64)
fn add_gated(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < sizes.packs { out[id.x] = c[id.x] + a[id.x] * b[of_sample(id.x)]; }
}

@compute @workgroup_size(64)
fn add_tanh_gated(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < sizes.packs { out[id.x] = c[id.x] + a[id.x] * tanh(b[of_sample(id.x)]); }
}
";

fn main() -> ExitCode {
    env_logger::init();
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("modern_blocks: {e}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<()> {
    let gpu = Gpu::new()?;
    let kernels = Kernels::new(&gpu, KERNELS);
    println!(
        "{}: {TOKENS} tokens of {WIDTH} numbers, f32. Fused in one op / a plain norm with passes around it\n",
        gpu.device().adapter_info().name
    );
    println!("| model | fused with the norm | dispatches | MiB moved | time in us | gain of moves | of time | error |");
    println!("|---|---|---|---|---|---|---|---|");
    for block in blocks() {
        block.show(&kernels)?;
    }
    Ok(())
}

/// The path of a norm.
struct Block {
    model: &'static str,
    what: &'static str,
    fused: Box<dyn Norm>,
    /// The same in separate passes, with the tensors of the fused op and others.
    separate: Vec<Pass>,
}

/// A tensor of the fused op, or one between separate passes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tensor {
    Of(Slot),
    Between,
}

enum Pass {
    Norm(Box<dyn Norm>, Vec<(Slot, Tensor)>),
    /// An entry point of [`KERNELS`], and its tensors by binding number.
    Kernel(&'static str, Vec<(u32, Tensor)>),
}

fn blocks() -> Vec<Block> {
    use Tensor::{Between, Of};
    let rms = || RmsNorm::new(&[TOKENS, WIDTH], 1..);
    let behind = || rms().residual(true).residual_after(true);
    let dit = [SAMPLES, TOKENS / SAMPLES, WIDTH];
    // A gate for each sample, which its tokens share.
    let shared = [WIDTH, 0, 1];
    let adaptive = LayerNorm::new(&dit, 2..).per_sample(true).zero_centered(true);
    let groups = RmsNorm::new(&[TOKENS, 8, WIDTH / 8], 2..).affine_axes(1..);
    let in_out = |to| vec![(Slot::Input, Of(Slot::Input)), (Slot::Weight, Of(Slot::Weight)), (Slot::Output, to)];
    let heads = RmsNorm::new(&[TOKENS, HEADS, WIDTH / HEADS], 2..).affine_axes(1..);
    vec![
        Block {
            model: "Qwen3",
            what: "norm of queries and keys, rotated",
            fused: Box::new(heads.clone().rotary(Rotary::new(Pairs::Halves, WIDTH / HEADS, TOKENS))),
            separate: vec![
                Pass::Norm(Box::new(heads), in_out(Of(Slot::Output))),
                Pass::Kernel(
                    "rotate",
                    vec![(8, Of(Slot::RotaryTable)), (12, Of(Slot::Positions)), (11, Of(Slot::Output))],
                ),
            ],
        },
        Block {
            model: "Gemma 2, 3",
            what: "residual + norm, and the next norm",
            fused: Box::new(behind().zero_centered(true).next_norm(true)),
            separate: vec![
                Pass::Norm(Box::new(rms().zero_centered(true)), in_out(Between)),
                Pass::Norm(
                    Box::new(rms().zero_centered(true).residual(true).residual_output(true)),
                    vec![
                        (Slot::Input, Between),
                        (Slot::Weight, Of(Slot::NextWeight)),
                        (Slot::Residual, Of(Slot::Residual)),
                        (Slot::ResidualOutput, Of(Slot::Output)),
                        (Slot::Output, Of(Slot::NextOutput)),
                    ],
                ),
            ],
        },
        Block {
            model: "OLMo 2",
            what: "residual + norm",
            fused: Box::new(behind()),
            separate: vec![
                Pass::Norm(Box::new(rms()), in_out(Between)),
                Pass::Kernel("add", vec![(8, Between), (9, Of(Slot::Residual)), (11, Of(Slot::Output))]),
            ],
        },
        Block {
            model: "Mamba 2",
            what: "norm of groups(x * silu(gate))",
            fused: Box::new(groups.clone().gate(Gate::before(GateFunction::Silu))),
            separate: vec![
                Pass::Kernel("times_silu", vec![(8, Of(Slot::Input)), (9, Of(Slot::Gate)), (11, Between)]),
                Pass::Norm(
                    Box::new(groups),
                    vec![(Slot::Input, Between), (Slot::Weight, Of(Slot::Weight)), (Slot::Output, Of(Slot::Output))],
                ),
            ],
        },
        Block {
            model: "Kimi Linear",
            what: "norm * sigmoid(gate)",
            fused: Box::new(rms().gate(Gate::after(GateFunction::Sigmoid))),
            separate: vec![
                Pass::Norm(Box::new(rms()), in_out(Between)),
                Pass::Kernel("times_sigmoid", vec![(8, Between), (9, Of(Slot::Gate)), (11, Of(Slot::Output))]),
            ],
        },
        Block {
            model: "DiT, Flux",
            what: "x + gate * h, and norm * (1 + scale) + shift",
            fused: Box::new(
                adaptive
                    .clone()
                    .residual(true)
                    .residual_output(true)
                    .gate(Gate::before(GateFunction::Identity))
                    .strides(Slot::Gate, &shared),
            ),
            separate: vec![
                Pass::Kernel(
                    "add_gated",
                    vec![
                        (8, Of(Slot::Input)),
                        (9, Of(Slot::Gate)),
                        (10, Of(Slot::Residual)),
                        (11, Of(Slot::ResidualOutput)),
                    ],
                ),
                Pass::Norm(
                    Box::new(adaptive),
                    vec![
                        (Slot::Input, Of(Slot::ResidualOutput)),
                        (Slot::Weight, Of(Slot::Weight)),
                        (Slot::Bias, Of(Slot::Bias)),
                        (Slot::Output, Of(Slot::Output)),
                    ],
                ),
            ],
        },
        Block {
            model: "Z-Image",
            what: "x + tanh(gate) * norm",
            fused: Box::new(
                RmsNorm::new(&dit, 2..)
                    .residual(true)
                    .residual_after(true)
                    .gate(Gate::after(GateFunction::Tanh))
                    .strides(Slot::Gate, &shared),
            ),
            separate: vec![
                Pass::Norm(Box::new(rms()), in_out(Between)),
                Pass::Kernel(
                    "add_tanh_gated",
                    vec![(8, Between), (9, Of(Slot::Gate)), (10, Of(Slot::Residual)), (11, Of(Slot::Output))],
                ),
            ],
        },
    ]
}

impl Block {
    fn show(&self, kernels: &Kernels<'_>) -> Result<()> {
        let gpu = kernels.gpu;
        let specs = self.fused.tensors()?;
        let data = Data::random(&*self.fused, 1);
        let data = match specs.iter().any(|spec| spec.slot == Slot::Positions) {
            true => data.with_indices(Slot::Positions, (0..TOKENS as u32).collect()),
            false => data,
        };
        let mut buffers = BTreeMap::new();
        for spec in &specs {
            let tensors = data.tensors();
            let buffer = match (tensors.get(spec.slot), tensors.get_indices(spec.slot)) {
                (Some(values), _) => upload(gpu, values),
                (_, Some(indices)) => upload(gpu, bytemuck::cast_slice(indices)),
                _ => zeros(gpu, spec.len()),
            };
            buffers.insert(Tensor::Of(spec.slot), buffer);
        }
        buffers.insert(Tensor::Between, zeros(gpu, TOKENS * WIDTH));
        let own: Vec<_> = specs.iter().map(|spec| (spec.slot, Tensor::Of(spec.slot))).collect();
        let fused = [norm(gpu, &*self.fused, &own, &buffers)?];
        let separate: Vec<Command> =
            self.separate.iter().map(|pass| pass.bind(kernels, &buffers)).collect::<Result<_>>()?;

        let truth = self.fused.reference(&data.tensors())?;
        let mut errors = [0.0_f64; 2];
        for (commands, largest) in [&fused[..], &separate].into_iter().zip(&mut errors) {
            run(gpu, commands, 1);
            for spec in specs.iter().filter(|spec| spec.access != Access::Read) {
                let expected = truth.get(spec.slot).ok_or("the reference has each output")?;
                let actual = download(gpu, &buffers[&Tensor::Of(spec.slot)])?;
                let error = testing::max_error(spec.slot.name(), DType::F32, &actual, expected)?;
                *largest = largest.max(error / testing::largest(expected).max(1.0));
            }
        }
        hold(
            format!("{} is within 2e-5 of the f64 reference", self.model),
            errors.iter().all(|&e| e <= testing::PROMISE),
        )?;

        let moved = [specs.iter().map(TensorSpec::bytes).sum(), self.separate_bytes(&specs)?];
        let times = times(gpu, [&fused, &separate])?;
        let mib = moved.map(|bytes: u64| bytes as f64 / f64::from(1 << 20));
        println!(
            "| {} | {} | 1 / {} | {:.1} / {:.1} | {:.0} / {:.0} | {:.2} | {:.2} | {:.1e} |",
            self.model,
            self.what,
            separate.len(),
            mib[0],
            mib[1],
            times[0],
            times[1],
            mib[1] / mib[0],
            times[1] / times[0],
            errors[0],
        );
        Ok(())
    }

    /// What separate passes must move: each of their tensors once.
    fn separate_bytes(&self, specs: &[TensorSpec]) -> Result<u64> {
        let bytes = |tensor| match tensor {
            Tensor::Between => (TOKENS * WIDTH * 4) as u64,
            Tensor::Of(slot) => specs.iter().filter(|spec| spec.slot == slot).map(TensorSpec::bytes).sum(),
        };
        let pass = |pass: &Pass| match pass {
            Pass::Norm(_, tensors) => tensors.iter().map(|&(_, tensor)| bytes(tensor)).sum::<u64>(),
            Pass::Kernel(_, tensors) => tensors.iter().map(|&(_, tensor)| bytes(tensor)).sum(),
        };
        Ok(self.separate.iter().map(pass).sum())
    }
}

type Buffers = BTreeMap<Tensor, wgpu::Buffer>;

fn norm(gpu: &Gpu, op: &dyn Norm, tensors: &[(Slot, Tensor)], buffers: &Buffers) -> Result<Command> {
    let mut bindings = Bindings::new();
    for (slot, tensor) in tensors {
        bindings = bindings.set(*slot, &buffers[tensor]);
    }
    Ok(gpu.planner().plan(op)?.bind(&bindings)?.into())
}

impl Pass {
    fn bind(&self, kernels: &Kernels<'_>, buffers: &Buffers) -> Result<Command> {
        match self {
            Self::Norm(op, tensors) => norm(kernels.gpu, &**op, tensors, buffers),
            Self::Kernel(name, tensors) => {
                let packs = TOKENS * WIDTH / 4;
                let (row, rows) =
                    if *name == "rotate" { (WIDTH / HEADS / 4, HEADS) } else { (WIDTH / 4, TOKENS / SAMPLES) };
                let sizes = [packs, row, rows, 0].map(|n| n as u32);
                let parts: Vec<_> = tensors.iter().map(|(at, tensor)| (*at, Part::from(&buffers[tensor]))).collect();
                Ok(kernels.bind(name, &sizes, &parts, [packs.div_ceil(64), 1]))
            }
        }
    }
}

/// Microseconds of each list of commands, in turns.
fn times(gpu: &Gpu, lists: [&[Command]; 2]) -> Result<[f64; 2]> {
    let time = |commands: &[Command], steps: usize| -> Result<f64> {
        let start = Instant::now();
        run(gpu, commands, steps);
        gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
        Ok(start.elapsed().as_secs_f64() / steps as f64)
    };
    // Some 50 ms a time.
    let once = time(lists[0], 1)?.max(time(lists[0], 1)?);
    let steps = ((0.05 / once) as usize).clamp(1, 1000);
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (commands, times) in lists.into_iter().zip(&mut found) {
            times.push(time(commands, steps)?);
        }
    }
    Ok(found.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2] * 1e6
    }))
}
