//! Speed of each op in % of copy bandwidth, on the adapter of this machine, in one run; and the time that the host
//! takes to plan, bind and record.
//!
//! % of copy bandwidth is 100 times the time of a copy shader over the time of the op, for as many bytes as the op must
//! move. Higher is better.
//!
//! `wgpu-norm bench [--quick] [--cases FILE] [--host] [--filter OP] [--json FILE] [--rounds N] [--all-methods]
//! [--tuning FILE] [--tune FILE]`

mod cases;
mod file;
mod host;
mod timer;
mod tune;

use std::{
    cell::Cell,
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pollster::block_on;
use serde::Serialize;
use timer::{Clock, Timer, Work, median};
use wgpu_norm::{
    Access, Bindings, Bound, DType, Error, Method, Norm, Plan, Planner, Slot, Strategy, TensorSpec, Tuning, View,
    host::Gpu, wgpu,
};

use crate::{Failure, adapter, progress, say};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "options")]
pub struct Args {
    /// Writes the rows as a JSON list.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only ops whose name contains this.
    #[arg(long, value_name = "OP", default_value = "")]
    filter: String,
    /// A short list, of a minute.
    #[arg(long, conflicts_with = "cases")]
    quick: bool,
    /// Only the cases of this JSON list: op, direction (forward), dtype (f32), shape, groups for
    /// `group_norm`, residual for norms of rows.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Only the host's times: to plan, build, bind and record.
    #[arg(long, conflicts_with_all = ["quick", "cases", "filter", "all_methods"])]
    host: bool,
    /// Only copies, by each form of the copy shader: lanes of a workgroup, loads of a lane, checked accesses or not.
    #[arg(long, conflicts_with_all = ["quick", "cases", "host", "filter", "all_methods"])]
    copies: bool,
    /// Times every method that can compute an op, not only the one that is chosen.
    #[arg(long)]
    all_methods: bool,
    /// Timed rounds at most; each times the copy and the op once. A case of more than 1.5 s gets fewer.
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The table by which kernels are chosen, in place of the adapter's own.
    #[arg(long, value_name = "FILE")]
    tuning: Option<PathBuf>,
    /// Measures a table for the adapter and writes it; nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "cases", "filter", "all_methods", "host", "json"])]
    tune: Option<PathBuf>,
}

/// Rounds that a GPU is given at a time, and seconds that it may take for them.
const AT_ONCE: usize = 16;
const AT_ONCE_TIME: f64 = 0.1;
/// How long there are rounds before the timed ones: for page faults and caches, and on a CPU for the cores that had
/// nothing to do while one of them compiled.
const WARM_UP_TIME: Duration = Duration::from_millis(20);
const CPU_WARM_UP_TIME: Duration = Duration::from_millis(300);
/// How long the cores of a CPU adapter are kept busy before the first case. On a virtual machine they may be one core
/// for a second or two after a rest, so that all takes twice as long.
const WAKE_TIME: Duration = Duration::from_secs(2);
/// What they write again and again.
const WAKE_BYTES: u64 = 4 << 20;
/// No more rounds after this, warm-up included, but not the compilation.
const CASE_TIME: Duration = Duration::from_millis(1500);
/// Timed rounds, whatever they take.
const MIN_ROUNDS: usize = 3;
/// What a case may move on a CPU adapter.
const CPU_BYTES: u64 = 64 << 20;
/// Seconds that a GPU is given something to do while the host prepares a case.
const AWAKE_TIME: f64 = 0.2;
/// More than the last-level cache of a GPU.
const BEYOND_CACHE: u64 = 256 << 20;

/// Drivers keep on disk what they compiled; the first start of a program is what counts.
pub const NO_CACHE_ON_DISK: [(&str, &str); 2] =
    [("MESA_SHADER_CACHE_DISABLE", "true"), ("__GL_SHADER_DISK_CACHE", "0")];

pub fn run(args: &Args, adapter: Option<&str>) -> Result<(), Failure> {
    // Files first: a wrong path should not cost a run. What is in them stays until there is something new.
    let given = args.cases.as_deref().map(file::read).transpose().map_err(Failure::usage)?;
    let tuning = args.tuning.as_deref().map(read_tuning).transpose().map_err(Failure::usage)?;
    for path in [&args.json, &args.tune].into_iter().flatten() {
        let open = File::options().append(true).create(true).open(path);
        open.map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    }

    let mut bench = Bench::new(args, adapter, tuning)?;
    say(&bench.adapter)?;
    if let Some(path) = &args.tune {
        let table = tune::run(&bench)?;
        say(format!("\n{}", table.trim_end()))?;
        return save(path, &table);
    }
    if !args.host {
        print_head()?;
        match given {
            _ if args.copies => bench.copy_shaders()?,
            Some(ops) => bench.ops(&ops, args)?,
            None if args.quick => {
                bench.copies(&cases::QUICK_COPIES, args)?;
                bench.ops(&cases::quick(), args)?;
            }
            None => {
                bench.copies(&cases::COPIES, args)?;
                bench.ops(&cases::full(), args)?;
            }
        }
    }
    if args.host || (args.cases.is_none() && !args.quick && !args.copies && args.filter.is_empty()) {
        host::run(&bench.gpu, &bench.adapter, &mut bench.rows)?;
    }
    if !args.host {
        bench.left_out.print()?;
    }
    if bench.rows.is_empty() {
        return Err(Failure::failed("nothing was timed: no op fits the filter and the device"));
    }
    match (&args.json, serde_json::to_string_pretty(&bench.rows)) {
        (Some(path), Ok(rows)) => save(path, &(rows + "\n")),
        (Some(path), Err(e)) => Err(Failure::failed(format!("{}: {e}", path.display()))),
        (None, _) => Ok(()),
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))
}

fn read_tuning(path: &Path) -> Result<Tuning, String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string());
    text.and_then(|text| text.parse().map_err(|e: Error| e.to_string())).map_err(|e| format!("{}: {e}", path.display()))
}

/// A line of the table, and an object of the JSON.
#[derive(Serialize)]
struct Row {
    adapter: String,
    engine: &'static str,
    op: String,
    direction: &'static str,
    dtype: String,
    /// Tensors that are written: tells rows of one op apart that are asked for different gradients.
    outputs: usize,
    /// Tensors of its options, which tell fused norms apart.
    #[serde(skip_serializing_if = "String::is_empty")]
    with: String,
    shape: String,
    ms: f64,
    /// The distance between the quartiles, in parts of the median.
    spread: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gbps: Option<f64>,
    /// % of copy bandwidth.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent_of_copy: Option<f64>,
    /// The time of recording over the time of the bare calls of wgpu.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_to_bare: Option<f64>,
    /// The op or shader that the host works at.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    strategy: String,
    timer: &'static str,
}

fn print_head() -> Result<(), Failure> {
    say("copy: % of copy bandwidth, higher is better")?;
    say(format!(
        "{:<28} {:<14} {:<4} out {:>9} {:>8} {:>7} {:>6}  strategy",
        "op", "shape", "type", "ms", "spread", "GB/s", "copy"
    ))
}

impl Row {
    fn print(&self) -> Result<(), Failure> {
        let Self { op, shape, dtype, outputs, with, ms, strategy, .. } = self;
        let (spread, gbps, percent) =
            (self.spread * 100.0, self.gbps.unwrap_or(f64::NAN), self.percent_of_copy.unwrap_or(f64::NAN));
        let speed = format!("{gbps:>7.2} {percent:>5.0}%");
        let with = if with.is_empty() { String::new() } else { format!(", with {with}") };
        say(format!("{op:<28} {shape:<14} {dtype:<4} {outputs:>3} {ms:>9.3} {spread:>7.0}% {speed}  {strategy}{with}"))
    }
}

fn dimensions(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// Cases that were not timed, by reason.
#[derive(Default)]
struct LeftOut {
    large_for_cpu: usize,
    beyond_limits: usize,
    out_of_memory: usize,
}

impl LeftOut {
    fn print(&self) -> Result<(), Failure> {
        let reasons = [
            (self.large_for_cpu, format!("move more than {} MiB, on a CPU adapter", CPU_BYTES >> 20)),
            (self.beyond_limits, "are beyond the device's limits".into()),
            (self.out_of_memory, "do not fit the device's memory".into()),
        ];
        let all: usize = reasons.iter().map(|(count, _)| count).sum();
        if all > 0 {
            let told: Vec<_> =
                reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
            say(format!("\n{all} cases left out: {}", told.join(", ")))?;
        }
        Ok(())
    }
}

struct Bench {
    gpu: Gpu,
    adapter: String,
    cpu: bool,
    limits: wgpu::Limits,
    rounds: usize,
    copy: Copier,
    /// By scalars, as rows of an odd length are read.
    copy_x1: Copier,
    fill: wgpu::ComputePipeline,
    /// What is written to empty the caches; none on a CPU adapter.
    flush: Option<wgpu::Buffer>,
    /// How often it is written in `AWAKE_TIME`.
    awake_fills: u32,
    seed: Cell<u32>,
    timer: Timer,
    rows: Vec<Row>,
    left_out: LeftOut,
}

/// A copy shader whose lanes move `loads` elements each, `lanes` apart. With several, the elements must be those of
/// whole workgroups.
fn copy_shader(element: &str, lanes: u32, loads: u32) -> String {
    let all = |line: &dyn Fn(u32) -> String| (0..loads).map(|k| line(k * lanes)).collect::<String>();
    let read = all(&|k| format!("let v{k} = src[i + {k}u];"));
    let write = all(&|k| format!("dst[i + {k}u] = v{k};"));
    format!(
        "
@group(0) @binding(0) var<storage, read> src: array<{element}>;
@group(0) @binding(1) var<storage, read_write> dst: array<{element}>;
@compute @workgroup_size({lanes})
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) n: vec3<u32>,
    @builtin(local_invocation_index) l: u32,
) {{
    let i = (id.y * n.x + id.x) * {}u + l;
    if i + {}u < arrayLength(&src) {{
        {read}
        {write}
    }}
}}",
        lanes * loads,
        lanes * (loads - 1),
    )
}

/// Pseudo-random bits where `mask` has ones, `base` elsewhere.
const FILL: &str = "
struct Params { base: u32, mask: u32, seed: u32, unused: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> dst: array<vec4<u32>>;

fn hash(x: vec4<u32>) -> vec4<u32> {
    let s = x * 747796405u + 2891336453u;
    let w = ((s >> ((s >> vec4(28u)) + 4u)) ^ s) * 277803737u;
    return (w >> vec4(22u)) ^ w;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) n: vec3<u32>,
    @builtin(local_invocation_index) l: u32,
) {
    let i = (id.y * n.x + id.x) * 64u + l;
    if i < arrayLength(&dst) {
        dst[i] = hash(vec4(4u * i) + vec4(0u, 1u, 2u, 3u) + params.seed) & vec4(params.mask) | vec4(params.base);
    }
}";

/// A buffer with the same tensor of every set, one after the other.
struct Arena {
    buffer: wgpu::Buffer,
    stride: u64,
    bytes: u64,
}

impl Arena {
    fn view(&self, set: usize) -> View<'_> {
        View::new(&self.buffer, set as u64 * self.stride, self.bytes)
    }

    fn binding(&self, set: usize, part: &Range<u64>) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: set as u64 * self.stride + part.start,
            size: (part.end - part.start).try_into().ok(),
        })
    }
}

/// A copy shader.
struct Copier {
    pipeline: wgpu::ComputePipeline,
    /// What a workgroup moves.
    workgroup_bytes: u64,
}

impl Copier {
    /// `checked`: whether accesses of buffers are, as in any shader that wgpu does not have to trust.
    fn new(device: &wgpu::Device, [lanes, loads]: [u32; 2], single: bool, checked: bool) -> Self {
        let (element, bytes) = if single { ("f32", 4) } else { ("vec4<f32>", 16) };
        let pipeline = pipeline(device, "copy", &copy_shader(element, lanes, loads), checked);
        Self { pipeline, workgroup_bytes: u64::from(lanes * loads * bytes) }
    }
}

#[allow(unsafe_code, reason = "a copy without checks is what the fastest op is compared with")]
fn pipeline(device: &wgpu::Device, label: &str, source: &str, checked: bool) -> wgpu::ComputePipeline {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(source.into()) };
    let module = if checked {
        device.create_shader_module(descriptor)
    } else {
        // SAFETY: a copy shader compares its last index with the length of the source, and the destination is as long.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(label),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    })
}

/// Source and destination of copies.
struct Copies {
    src: Arena,
    dst: Arena,
    /// Of each set: its parts, each no larger than a binding may be, and their bytes.
    groups: Vec<Vec<(wgpu::BindGroup, u64)>>,
}

fn copy<'a>(copier: &'a Copier, groups: &'a [(wgpu::BindGroup, u64)]) -> Work<'a> {
    Work::pass(move |pass| {
        pass.set_pipeline(&copier.pipeline);
        for (group, bytes) in groups {
            let (x, y) = grid(*bytes, copier.workgroup_bytes);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(x, y, 1);
        }
    })
}

fn driver_copy(copies: &Copies, set: usize) -> Work<'_> {
    let Copies { src, dst, .. } = copies;
    let offset = set as u64 * src.stride;
    Work::Commands(Box::new(move |encoder| {
        encoder.copy_buffer_to_buffer(&src.buffer, offset, &dst.buffer, offset, src.bytes);
    }))
}

fn recorded(bound: &Bound) -> Work<'_> {
    Work::pass(move |pass| bound.record(pass))
}

/// Workgroups, one for each so many bytes.
fn grid(bytes: u64, workgroup_bytes: u64) -> (u32, u32) {
    let workgroups = bytes.div_ceil(workgroup_bytes);
    let y = workgroups.div_ceil(65535);
    (workgroups.div_ceil(y) as u32, y as u32)
}

/// What must move: each tensor once, both ways where it is updated.
fn moved(tensors: &[TensorSpec]) -> u64 {
    tensors.iter().map(|spec| if spec.access == Access::ReadWrite { 2 * spec.bytes() } else { spec.bytes() }).sum()
}

/// The type of the tensors, and how many are written.
fn kind(plan: &Plan) -> (String, usize) {
    let large = plan.tensors().iter().max_by_key(|spec| spec.bytes());
    let outputs = plan.tensors().iter().filter(|spec| spec.access != Access::Read).count();
    (large.map_or_else(String::new, |spec| spec.dtype.to_string()), outputs)
}

/// Tensors that ops have without an option, or that statistics and gradients are.
const PLAIN: [Slot; 15] = [
    Slot::Input,
    Slot::Weight,
    Slot::Bias,
    Slot::Output,
    Slot::Mean,
    Slot::Rstd,
    Slot::Statistics,
    Slot::RunningMean,
    Slot::RunningVar,
    Slot::RunningLow,
    Slot::NumBatchesTracked,
    Slot::GradOutput,
    Slot::GradInput,
    Slot::GradWeight,
    Slot::GradBias,
];

/// The other tensors, by name.
fn options(plan: &Plan) -> String {
    let slots = plan.tensors().iter().map(|spec| spec.slot);
    slots.filter(|slot| !PLAIN.contains(slot)).map(Slot::name).collect::<Vec<_>>().join(", ")
}

/// The tensors, but for their shapes.
fn signature(plan: &Plan) -> Vec<(Slot, DType, Access)> {
    plan.tensors().iter().map(|spec| (spec.slot, spec.dtype, spec.access)).collect()
}

/// A copy of as many bytes moves half of them each way.
fn half(moved: u64) -> u64 {
    (moved / 2).next_multiple_of(16)
}

impl Bench {
    fn new(args: &Args, name: Option<&str>, tuning: Option<Tuning>) -> Result<Self, Failure> {
        let adapter = adapter(name)?;
        let (features, required_limits) = wgpu_norm::recommended(&adapter);
        let (device, queue) = block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("bench"),
            required_features: features | (adapter.features() & Timer::FEATURES),
            required_limits,
            ..Default::default()
        }))
        .map_err(|e| Error::Device(e.to_string()))?;
        let [copy, copy_x1] = [false, true].map(|single| Copier::new(&device, [64, 1], single, true));
        let fill = pipeline(&device, "fill", FILL, true);
        let (info, limits) = (device.adapter_info(), device.limits());
        let cpu = info.device_type == wgpu::DeviceType::Cpu;
        let planner = Planner::new(&device);
        let planner = match tuning {
            None => planner,
            Some(tuning) => planner.tuning(tuning),
        };
        let mut bench = Self {
            adapter: info.name,
            cpu,
            rounds: args.rounds as usize,
            copy,
            copy_x1,
            fill,
            flush: None,
            awake_fills: 0,
            seed: Cell::new(0),
            timer: Timer::new(&device),
            rows: Vec::new(),
            left_out: LeftOut::default(),
            gpu: Gpu::from_parts(queue, planner),
            limits,
        };
        if cpu {
            bench.wake()?;
        } else {
            bench.flush = bench.buffer(BEYOND_CACHE.min(bench.limits.max_buffer_size));
            bench.awake_fills = bench.fills(AWAKE_TIME)?;
        }
        Ok(bench)
    }

    /// Times copies alone, by the shaders and by the driver, in turns.
    fn copies(&mut self, sizes: &[u64], args: &Args) -> Result<(), Failure> {
        const NAMES: [&str; 3] = ["copy", "copy_x1", "copy_buffer_to_buffer"];
        if !NAMES.iter().any(|name| name.contains(&args.filter)) {
            return Ok(());
        }
        for &moved in sizes {
            if !self.takes(moved, half(moved), true) {
                continue;
            }
            let sets = self.sets(moved);
            let (Some(copies), Some(copies_x1)) =
                (self.copy_sets(&self.copy, moved, sets), self.copy_sets(&self.copy_x1, moved, sets))
            else {
                self.left_out.out_of_memory += 1;
                continue;
            };
            self.flush();
            let times = self.rounds(|round| {
                let set = round % sets;
                [
                    copy(&self.copy, &copies.groups[set]),
                    copy(&self.copy_x1, &copies_x1.groups[set]),
                    driver_copy(&copies, set),
                ]
            })?;
            let clock = self.timer.clock();
            let clocks = [clock, clock, self.timer.encoder_clock(&self.gpu)];
            let times = times.map(|mut times| median(&mut times));
            for (i, strategy) in ["copy shader", "copy shader, scalars", "driver"].into_iter().enumerate() {
                let row = Row {
                    op: NAMES[i].into(),
                    dtype: DType::F32.to_string(),
                    outputs: 1,
                    shape: (half(moved) / 4).to_string(),
                    strategy: strategy.into(),
                    ..self.row("copy", moved, times[i], times[0].0, clocks[i])
                };
                row.print()?;
                self.rows.push(row);
            }
        }
        Ok(())
    }

    /// Times each form of the copy shader.
    fn copy_shaders(&mut self) -> Result<(), Failure> {
        for &moved in cases::COPIES.iter().rev().take(2) {
            let sets = self.sets(moved);
            if !self.takes(moved, half(moved), true) {
                continue;
            }
            let Some(mut copies) = self.copy_sets(&self.copy, moved, sets) else {
                self.left_out.out_of_memory += 1;
                continue;
            };
            let plain = std::mem::take(&mut copies.groups);
            for lanes in [64, 128, 256, 512, 1024] {
                for (loads, checked) in [1, 2, 4, 8].into_iter().flat_map(|loads| [(loads, true), (loads, false)]) {
                    if lanes > self.limits.max_compute_invocations_per_workgroup {
                        continue;
                    }
                    let form = Copier::new(self.gpu.device(), [lanes, loads], false, checked);
                    let groups = self.copy_groups(&form, &copies.src, &copies.dst, sets);
                    let [mut base, mut times] = self.rounds(|round| {
                        let set = round % sets;
                        [copy(&self.copy, &plain[set]), copy(&form, &groups[set])]
                    })?;
                    let strategy = format!("{lanes} lanes, {loads} loads{}", if checked { "" } else { ", unchecked" });
                    let (base, time) = (median(&mut base), median(&mut times));
                    let row = Row {
                        op: "copy".into(),
                        dtype: DType::F32.to_string(),
                        outputs: 1,
                        shape: (half(moved) / 4).to_string(),
                        strategy,
                        ..self.row("copy", moved, time, base.0, self.timer.clock())
                    };
                    row.print()?;
                    self.rows.push(row);
                }
            }
        }
        Ok(())
    }

    fn ops(&mut self, ops: &[Box<dyn Norm>], args: &Args) -> Result<(), Failure> {
        // Whoever writes a list knows what to expect of a CPU.
        let capped = args.cases.is_none();
        let mut timed = Vec::new();
        let bar = progress(ops.len());
        for op in ops.iter().filter(|op| op.name().contains(&args.filter)) {
            bar.inc(1);
            bar.set_message(format!("{} {}", op.name(), dimensions(op.shape())));
            let tensors = op.tensors()?;
            let moved = moved(&tensors);
            let largest = tensors.iter().map(TensorSpec::bytes).max().unwrap_or(0);
            if !self.takes(moved, largest.max(half(moved)), capped) {
                continue;
            }
            let chosen = match self.gpu.planner().plan(&**op) {
                Err(Error::Limit { .. }) => {
                    self.left_out.beyond_limits += 1;
                    continue;
                }
                chosen => chosen?,
            };
            if args.all_methods {
                for method in Method::ALL.iter().copied().filter(|&method| Some(method) != chosen.method()) {
                    match self.gpu.planner().plan_with(&**op, Strategy::Forced(method)) {
                        Ok(plan) => self.plan(&**op, &plan)?,
                        Err(Error::Unsupported { .. }) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
            }
            self.plan(&**op, &chosen)?;
            timed.push((&**op, chosen));
        }
        self.neighbours(&timed)
    }

    /// Whether a case is for this device; counts it where not.
    fn takes(&mut self, moved: u64, largest: u64, capped: bool) -> bool {
        if largest > self.limits.max_buffer_size {
            self.left_out.beyond_limits += 1;
            return false;
        }
        if self.cpu && capped && moved > CPU_BYTES {
            self.left_out.large_for_cpu += 1;
            return false;
        }
        true
    }

    /// How many sets of buffers a case takes turns with: none is met again while a cache may still hold it.
    fn sets(&self, moved: u64) -> usize {
        if self.cpu {
            return 1;
        }
        let enough = BEYOND_CACHE / moved.max(1) + 1;
        // No more than there are timed rounds, and a few before them.
        (enough as usize).min(self.rounds + 3)
    }

    /// Times a plan and a copy in turns; appends their rows.
    fn plan(&mut self, op: &dyn Norm, plan: &Plan) -> Result<(), Failure> {
        self.stay_awake();
        let moved = moved(plan.tensors());
        let sets = self.sets(moved);
        let (Some(bounds), Some(copies)) = (self.bind(plan, sets)?, self.copy_sets(&self.copy, moved, sets)) else {
            self.left_out.out_of_memory += 1;
            return Ok(());
        };
        self.flush();
        let [mut copies, mut ops] = self.rounds(|round| {
            let set = round % sets;
            [copy(&self.copy, &copies.groups[set]), recorded(&bounds[set])]
        })?;

        let (copy, op_time) = (median(&mut copies), median(&mut ops));
        let strategy = plan.method().map_or_else(String::new, |method| method.to_string());
        let direction = if op.name().ends_with("_backward") { "backward" } else { "forward" };
        let (dtype, outputs) = kind(plan);
        for (engine, name, direction, time, strategy, with) in [
            ("copy", "copy", "", copy, "copy shader".to_owned(), String::new()),
            ("wgpu-norm", op.name(), direction, op_time, strategy, options(plan)),
        ] {
            let row = Row {
                op: name.into(),
                direction,
                dtype: dtype.clone(),
                outputs,
                with,
                shape: dimensions(op.shape()),
                strategy,
                ..self.row(engine, moved, time, copy.0, self.timer.clock())
            };
            row.print()?;
            self.rows.push(row);
        }
        Ok(())
    }

    /// How many times as fast as a plan another one is, in turns; `None` where the memory is not there.
    fn faster(&self, plan: &Plan, other: &Plan) -> Result<Option<f64>, Error> {
        self.stay_awake();
        let moved = moved(plan.tensors());
        let sets = self.sets(moved);
        let (Some(one), Some(other)) = (self.bind(plan, sets)?, self.bind(other, sets)?) else {
            return Ok(None);
        };
        self.flush();
        // Neither is always the first, and a ratio is of what was timed within a moment.
        let [one, other, more_other, more_one] = self.rounds(|round| {
            let [set, next] = [2 * round, 2 * round + 1].map(|set| set % sets);
            [recorded(&one[set]), recorded(&other[set]), recorded(&other[next]), recorded(&one[next])]
        })?;
        let both = |first: &[f64], second: &[f64]| first.iter().zip(second).map(|(a, b)| a + b).collect::<Vec<_>>();
        let mut ratios: Vec<_> =
            both(&one, &more_one).iter().zip(both(&other, &more_other)).map(|(one, other)| one / other).collect();
        Ok(Some(median(&mut ratios).0))
    }

    /// What rows have in common. `copy`: seconds of the copy shader for as many bytes.
    fn row(&self, engine: &'static str, moved: u64, (time, spread): (f64, f64), copy: f64, clock: Clock) -> Row {
        Row {
            adapter: self.adapter.clone(),
            engine,
            op: String::new(),
            direction: "",
            dtype: String::new(),
            outputs: 0,
            with: String::new(),
            shape: String::new(),
            ms: time * 1e3,
            spread,
            gbps: Some(moved as f64 / time * 1e-9),
            percent_of_copy: Some(100.0 * copy / time),
            ratio_to_bare: None,
            subject: None,
            strategy: String::new(),
            timer: clock.name(),
        }
    }

    /// Warms up, then times until there are enough rounds or the time is over. A GPU gets many rounds at once.
    fn rounds<'a, const N: usize>(&self, round: impl Fn(usize) -> [Work<'a>; N]) -> Result<[Vec<f64>; N], Error> {
        let mut done = 0;
        let mut run = |rounds: usize| {
            let works: Vec<_> = (done..done + rounds).flat_map(&round).collect();
            done += rounds;
            self.timer.run(&self.gpu, &works)
        };
        // Compiles, and waits for what the device was given to stay awake.
        run(1)?;
        let start = Instant::now();
        run(1)?;
        let (at_once, warm_up) = if self.cpu {
            (1, CPU_WARM_UP_TIME)
        } else {
            ((AT_ONCE_TIME / start.elapsed().as_secs_f64()).clamp(1.0, AT_ONCE as f64) as usize, WARM_UP_TIME)
        };
        while start.elapsed() < warm_up {
            run(at_once)?;
        }
        let mut times = [const { Vec::new() }; N];
        while times[0].len() < self.rounds && (times[0].len() < MIN_ROUNDS || start.elapsed() < CASE_TIME) {
            let left = self.rounds - times[0].len();
            for round in run(left.min(at_once))?.chunks_exact(N) {
                for (times, &time) in times.iter_mut().zip(round) {
                    times.push(time);
                }
            }
        }
        Ok(times)
    }

    /// The tensors of a plan, in sets; `None` where the memory is not there.
    fn bind(&self, plan: &Plan, sets: usize) -> Result<Option<Vec<Bound>>, Error> {
        let mut arenas = Vec::new();
        for spec in plan.tensors() {
            let Some(arena) = self.arena(spec.bytes(), spec.dtype, sets) else { return Ok(None) };
            arenas.push((spec.slot, arena));
        }
        let scratch = if plan.scratch_size() > 0 {
            let Some(scratch) = self.buffer(plan.scratch_size()) else { return Ok(None) };
            Some(scratch)
        } else {
            None
        };
        let bounds = (0..sets).map(|set| {
            let bindings = arenas.iter().fold(Bindings::new(), |b, (slot, arena)| b.set(*slot, arena.view(set)));
            plan.bind(&scratch.iter().fold(bindings, Bindings::scratch))
        });
        Ok(Some(bounds.collect::<Result<_, _>>()?))
    }

    /// The tensors of a copy that moves as much.
    fn copy_sets(&self, copier: &Copier, moved: u64, sets: usize) -> Option<Copies> {
        let bytes = half(moved);
        let (src, dst) = (self.arena(bytes, DType::F32, sets)?, self.arena(bytes, DType::F32, sets)?);
        Some(Copies { groups: self.copy_groups(copier, &src, &dst, sets), src, dst })
    }

    /// The bindings of a copy, for each set and part.
    fn copy_groups(&self, copier: &Copier, src: &Arena, dst: &Arena, sets: usize) -> Vec<Vec<(wgpu::BindGroup, u64)>> {
        let group = |set, part: Range<u64>| {
            let group = self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &copier.pipeline.get_bind_group_layout(0),
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: src.binding(set, &part) },
                    wgpu::BindGroupEntry { binding: 1, resource: dst.binding(set, &part) },
                ],
            });
            (group, part.end - part.start)
        };
        (0..sets).map(|set| self.parts(src.bytes).map(|part| group(set, part)).collect()).collect()
    }

    /// Tensors of pseudo-random values in [1, 2): no subnormals, no constant rows, positive variances.
    fn arena(&self, bytes: u64, dtype: DType, sets: usize) -> Option<Arena> {
        let alignment = u64::from(self.limits.min_storage_buffer_offset_alignment).max(16);
        let stride = bytes.next_multiple_of(alignment);
        let buffer = self.buffer(stride * sets as u64)?;
        let (base, mask) = match dtype {
            DType::F16 => (0x3c00_3c00, 0x03ff_03ff),
            DType::BF16 => (0x3f80_3f80, 0x007f_007f),
            _ => (0x3f80_0000, 0x007f_ffff),
        };
        self.fill(&buffer, base, mask);
        Some(Arena { buffer, stride, bytes })
    }

    /// A buffer, unless the memory is not there.
    fn buffer(&self, bytes: u64) -> Option<wgpu::Buffer> {
        if bytes > self.limits.max_buffer_size {
            return None;
        }
        let scope = self.gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes.next_multiple_of(16),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        block_on(scope.pop()).is_none().then_some(buffer)
    }

    fn fill(&self, buffer: &wgpu::Buffer, base: u32, mask: u32) {
        self.fill_again(buffer, base, mask, 1);
    }

    fn fill_again(&self, buffer: &wgpu::Buffer, base: u32, mask: u32, times: u32) {
        let device = self.gpu.device();
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for Range { start, end } in self.parts(buffer.size()) {
            self.seed.set(self.seed.get().wrapping_add(0x9e37_79b9));
            let params = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            self.gpu.queue().write_buffer(&params, 0, bytemuck::cast_slice(&[base, mask, self.seed.get(), 0]));
            let part = wgpu::BufferBinding { buffer, offset: start, size: (end - start).try_into().ok() };
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &self.fill.get_bind_group_layout(0),
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: params.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Buffer(part) },
                ],
            });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let (x, y) = grid(end - start, 64 * 16);
            pass.set_pipeline(&self.fill);
            pass.set_bind_group(0, &group, &[]);
            for _ in 0..times {
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// Parts of a buffer that can be bound, at offsets that are allowed.
    fn parts(&self, bytes: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        let step = self.limits.max_storage_buffer_binding_size.min(1 << 30) & !4095;
        (0..bytes.div_ceil(step)).map(move |i| i * step..((i + 1) * step).min(bytes))
    }

    /// Leaves nothing of a case's tensors in the caches.
    fn flush(&self) {
        if let Some(buffer) = &self.flush {
            self.fill(buffer, 0, u32::MAX);
        }
    }

    /// How often what is beyond the caches is written in so many seconds.
    fn fills(&self, seconds: f64) -> Result<u32, Error> {
        // The first time the pipeline and the pages are made.
        self.flush();
        self.idle()?;
        let start = Instant::now();
        self.flush();
        self.idle()?;
        Ok((seconds / start.elapsed().as_secs_f64()) as u32)
    }

    /// Returns when the device has nothing to do.
    fn idle(&self) -> Result<(), Error> {
        self.gpu.device().poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Device(e.to_string()))?;
        Ok(())
    }

    /// Keeps the cores of a CPU adapter busy for `WAKE_TIME`.
    fn wake(&self) -> Result<(), Error> {
        let Some(buffer) = self.buffer(WAKE_BYTES) else { return Ok(()) };
        let start = Instant::now();
        while start.elapsed() < WAKE_TIME {
            self.fill(&buffer, 0, u32::MAX);
            self.idle()?;
        }
        Ok(())
    }

    /// Gives a GPU something to do while the host prepares a case. One that has nothing to do lowers its clock, and
    /// takes seconds to raise it: an H100 copies at half of its bandwidth then.
    fn stay_awake(&self) {
        if let Some(buffer) = &self.flush {
            self.fill_again(buffer, 0, u32::MAX, self.awake_fills);
        }
    }

    /// The speed, in bytes, of rows whose length is no multiple of four, over that of their neighbours of whole packs,
    /// where both are among the ops. In turns, once more: machines get faster and slower between two cases.
    fn neighbours(&self, timed: &[(&dyn Norm, Plan)]) -> Result<(), Failure> {
        let mut first = true;
        for (rows, even, odd) in cases::NEIGHBOURS {
            let of_len = |len| timed.iter().filter(move |(op, _)| op.shape() == [rows, len]);
            for (odd, odd_plan) in odd.iter().flat_map(|&len| of_len(len)) {
                let alike = |(even, even_plan): &&(&dyn Norm, Plan)| {
                    even.name() == odd.name() && signature(even_plan) == signature(odd_plan)
                };
                let Some((even, even_plan)) = of_len(even).find(alike) else { continue };
                let Some(speed) = self.faster(even_plan, odd_plan)? else { continue };
                if std::mem::take(&mut first) {
                    say("")?;
                }
                let (name, odd, even, (dtype, outputs)) =
                    (odd.name(), dimensions(odd.shape()), dimensions(even.shape()), kind(odd_plan));
                let speed = speed * moved(odd_plan.tensors()) as f64 / moved(even_plan.tensors()) as f64;
                say(format!(
                    "{name:<28} {odd:<14} {dtype:<4} {outputs:>3} {speed:.2} times as many bytes a second as {even}"
                ))?;
            }
        }
        Ok(())
    }
}
