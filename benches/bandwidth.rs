//! Time of each op beside a copy of as many bytes, on the adapter of this machine, in one run.
//!
//! `cargo bench --bench bandwidth [-- --json FILE] [--filter OP] [--rounds N] [--all-methods]`

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use wgpu_norm::{
    Access, BatchNorm, Bindings, Bound, DType, Error, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm,
    Method, Norm, Plan, Planner, RmsNorm, RunningStats, Strategy,
    host::{self, Gpu},
    shaders, wgpu,
};

/// Time of each op beside a copy of as many bytes.
#[derive(Parser)]
struct Args {
    /// Writes the rows as a JSON list.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Times only the cases of a JSON list.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Only ops whose name contains this.
    #[arg(long, value_name = "OP", default_value = "")]
    filter: String,
    /// Times every method that can compute an op, not only the one that is chosen.
    #[arg(long)]
    all_methods: bool,
    /// Timed rounds; each times the copy and the op once.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The adapter whose name contains this.
    #[arg(long, value_name = "NAME-PART")]
    adapter: Option<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rounds before the timed ones: page faults, clocks and caches.
const WARM_UP: u32 = 3;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bandwidth: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let gpu = Gpu::with_adapter(&host::adapter(args.adapter.as_deref())?)?;
    let bench = Bench::new(gpu, args.rounds);
    println!("{}", bench.gpu.device().adapter_info().name);
    println!(
        "{:<28} {:<14} {:<4} out {:>9} {:>8} {:>7} {:>6}  strategy",
        "op", "shape", "type", "ms", "spread", "GB/s", "/copy"
    );
    let mut rows = Vec::new();
    if let Some(path) = &args.cases {
        for case in serde_json::from_str::<Vec<serde_json::Value>>(&std::fs::read_to_string(path)?)? {
            bench.op(&*case_op(&case)?, args, &mut rows)?;
        }
    } else {
        host_costs(&bench.gpu, &mut rows)?;
        models(&bench, args, &mut rows)?;
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    Ok(())
}

/// The op of a case: `{"op": "layer_norm", "direction": "forward", "dtype": "f32", "shape": [1024, 1024]}`.
fn case_op(case: &serde_json::Value) -> Result<Box<dyn Norm>, String> {
    let field = |name: &str| case[name].as_str().ok_or_else(|| format!("{case} has no {name:?}"));
    let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).map_err(|e| format!("{case}: {e}"))?;
    let dtype = [DType::F32, DType::F16, DType::BF16]
        .into_iter()
        .find(|dtype| field("dtype").is_ok_and(|name| name == dtype.to_string()));
    let dtype = dtype.ok_or_else(|| format!("{case}: no such dtype"))?;
    let last = shape.len().saturating_sub(1);
    let backward = match field("direction")? {
        "forward" => false,
        "backward" => true,
        other => return Err(format!("{case}: no direction {other:?}")),
    };
    macro_rules! op {
        ($op:expr) => {{
            let op = $op.dtype(dtype);
            if backward { Box::new(op.backward()) } else { Box::new(op) }
        }};
    }
    Ok(match field("op")? {
        "layer_norm" => op!(LayerNorm::new(&shape, last..)),
        "rms_norm" => op!(RmsNorm::new(&shape, last..)),
        "batch_norm_inference" => op!(BatchNorm::inference(&shape)),
        "batch_norm_training" => op!(BatchNorm::training(&shape)),
        "instance_norm" => op!(InstanceNorm::new(&shape)),
        "group_norm" => {
            let groups = case["groups"].as_u64().ok_or_else(|| format!("{case} has no \"groups\""))?;
            op!(GroupNorm::new(&shape, groups as usize))
        }
        other => return Err(format!("no op {other:?}")),
    })
}

/// What the host pays: for a plan whose kernels are known, for its bindings, and to record it beside the bare wgpu calls.
fn host_costs(gpu: &Gpu, rows: &mut Vec<serde_json::Value>) -> Result<(), Error> {
    const RECORDS: usize = 1000;
    let device = gpu.device();
    let mut row = |op: &str, seconds: f64, to_bare: Option<f64>| {
        let ratio = to_bare.map_or(String::new(), |ratio| format!(", {ratio:.2} of the bare calls"));
        println!("host: {op}: {:.3} us{ratio}", seconds * 1e6);
        rows.push(serde_json::json!({
            "adapter": device.adapter_info().name,
            "engine": "host",
            "op": op,
            "ms": seconds * 1e3,
            "ratio_to_bare": to_bare,
        }));
    };
    let op = LayerNorm::new(&[64, 384], 1..);
    let start = Instant::now();
    let plan = Planner::new(device).plan(&op)?;
    row("first plan", start.elapsed().as_secs_f64(), None);
    gpu.planner().plan(&op)?;
    let mut known = [0.0; 101].map(|_: f64| {
        let start = Instant::now();
        let plan = gpu.planner().plan(&op);
        (start.elapsed().as_secs_f64(), plan).0
    });
    row("plan of known kernels", median(&mut known).0, None);

    let buffers: Vec<_> = plan
        .tensors()
        .iter()
        .map(|spec| {
            let usage = wgpu::BufferUsages::STORAGE;
            let size = spec.bytes();
            let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            (spec.slot, device.create_buffer(&descriptor))
        })
        .collect();
    let bindings = buffers.iter().fold(Bindings::new(), |b, (slot, buffer)| b.set(*slot, buffer));
    let mut binds = [0.0; 101].map(|_: f64| {
        let start = Instant::now();
        let bound = plan.bind(&bindings);
        (start.elapsed().as_secs_f64(), bound).0
    });
    row("bind", median(&mut binds).0, None);

    // The bare calls: an op with one dispatch, put together from its shader by hand.
    let bound = plan.bind(&bindings)?;
    let program = shaders::program(&op, gpu.planner().caps(), Strategy::Inferred)?;
    let dispatch = &program.dispatches[0];
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(dispatch.shader.wgsl().into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let uniform = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: dispatch.params.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&uniform, 0, &dispatch.params);
    let entries: Vec<_> = [(0, &uniform)]
        .into_iter()
        .chain(buffers.iter().map(|(slot, buffer)| (slot.binding(), buffer)))
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = pipeline.get_bind_group_layout(0);
    let group =
        device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
    let [x, y, z] = dispatch.workgroups;
    let time = |record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let start = Instant::now();
        for _ in 0..RECORDS {
            record(&mut pass);
        }
        start.elapsed().as_secs_f64() / RECORDS as f64
    };
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..51 {
        ours.push(time(&|pass| bound.record(pass)));
        bare.push(time(&|pass| {
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }));
    }
    let (ours, bare) = (median(&mut ours).0, median(&mut bare).0);
    row("record", ours, Some(ours / bare));
    Ok(())
}

/// Shapes of models, and such as break a careless kernel.
fn models(bench: &Bench, args: &Args, rows: &mut Vec<serde_json::Value>) -> Result<(), Error> {
    for shape in [
        [1024, 1024],
        [4096, 256],
        [4096, 768],
        [256, 8192],
        [64, 384],
        [1024, 1023],
        [1024, 1025],
        [256, 4096],
        [256, 4097],
        [65536, 16],
        [1, 1 << 20],
    ] {
        let (layer, rms) = (LayerNorm::new(&shape, 1..), RmsNorm::new(&shape, 1..));
        bench.op(&layer, args, rows)?;
        for dtype in [DType::F16, DType::BF16] {
            bench.op(&layer.clone().dtype(dtype), args, rows)?;
        }
        bench.op(&layer.backward(), args, rows)?;
        bench.op(&layer.backward().grad_weight(false).grad_bias(false), args, rows)?;
        bench.op(&rms, args, rows)?;
        bench.op(&rms.backward(), args, rows)?;
        bench.op(&rms.residual(true).residual_output(true), args, rows)?;
    }
    for shape in [[8, 96, 56, 56], [2, 768, 14, 14]] {
        bench.op(&LayerNorm::new(&shape, 1..2), args, rows)?;
        bench.op(&LayerNorm::new(&shape, 1..2).backward(), args, rows)?;
    }
    for shape in [&[8, 64, 56, 56][..], &[32, 256, 14, 14], &[32, 512, 7, 7], &[4096, 256]] {
        bench.op(&BatchNorm::inference(shape), args, rows)?;
        let training = BatchNorm::training(shape).running_stats(RunningStats::PYTORCH);
        bench.op(&training, args, rows)?;
        bench.op(&training.backward(), args, rows)?;
        bench.op(&training.keep_statistics(true).backward(), args, rows)?;
    }
    for (shape, groups) in [([1, 320, 64, 64], 32), ([8, 64, 56, 56], 8), ([8, 512, 7, 7], 32)] {
        let group = GroupNorm::new(&shape, groups);
        bench.op(&group, args, rows)?;
        bench.op(&group.backward(), args, rows)?;
        bench.op(&InstanceNorm::new(&shape), args, rows)?;
    }
    let window = LocalResponseNorm::new(&[8, 64, 56, 56], 5);
    bench.op(&window, args, rows)?;
    bench.op(&window.backward(), args, rows)?;
    for (shape, groups) in [([8, 56, 56, 64], 8), ([1, 64, 64, 320], 32)] {
        let group = GroupNorm::new(&shape, groups).layout(Layout::ChannelsLast);
        bench.op(&group, args, rows)?;
        bench.op(&group.backward(), args, rows)?;
        bench.op(&BatchNorm::training(&shape).layout(Layout::ChannelsLast), args, rows)?;
        bench.op(&BatchNorm::training(&shape).layout(Layout::ChannelsLast).backward(), args, rows)?;
    }
    Ok(())
}

struct Bench {
    gpu: Gpu,
    rounds: u32,
    copy: wgpu::ComputePipeline,
    timer: Timer,
}

/// What is timed.
enum Work<'a> {
    Copy(&'a wgpu::BindGroup, u64),
    Op(&'a Bound),
}

const COPY: &str = "
@group(0) @binding(0) var<storage, read> src: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dst: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>, @builtin(local_invocation_index) l: u32) {
    let i = (id.y * n.x + id.x) * 64u + l;
    if i < arrayLength(&src) {
        dst[i] = src[i];
    }
}";

impl Bench {
    fn new(gpu: Gpu, rounds: u32) -> Self {
        let device = gpu.device();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("copy"),
            source: wgpu::ShaderSource::Wgsl(COPY.into()),
        });
        let copy = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("copy"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let timer = Timer::new(device);
        Self { gpu, rounds, copy, timer }
    }

    fn op(&self, op: &(impl Norm + ?Sized), args: &Args, rows: &mut Vec<serde_json::Value>) -> Result<(), Error> {
        if !op.name().contains(&args.filter) {
            return Ok(());
        }
        let chosen = self.gpu.planner().plan(op)?;
        if args.all_methods {
            for method in Method::ALL.iter().copied().filter(|&method| Some(method) != chosen.method()) {
                match self.gpu.planner().plan_with(op, Strategy::Forced(method)) {
                    Ok(plan) => self.plan(op, &plan, rows)?,
                    Err(Error::Unsupported { .. }) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        self.plan(op, &chosen, rows)
    }

    /// Times a plan and a copy in turns; appends their rows.
    fn plan(&self, op: &(impl Norm + ?Sized), plan: &Plan, rows: &mut Vec<serde_json::Value>) -> Result<(), Error> {
        let buffers: Vec<_> = plan.tensors().iter().map(|spec| (spec.slot, self.buffer(spec.bytes()))).collect();
        let bindings = buffers.iter().fold(Bindings::new(), |b, (slot, buffer)| b.set(*slot, buffer));
        let bound = plan.bind(&bindings)?;
        // What must move: each tensor once, both ways where it is updated. A copy of as many bytes moves half of them each way.
        let moved: u64 = plan
            .tensors()
            .iter()
            .map(|spec| if spec.access == Access::ReadWrite { 2 * spec.bytes() } else { spec.bytes() })
            .sum();
        let bytes = (moved / 2).next_multiple_of(16);
        let (src, dst) = (self.buffer(bytes), self.buffer(bytes));
        let group = self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.copy.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: src.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: dst.as_entire_binding() },
            ],
        });

        let (mut copies, mut ops) = (Vec::new(), Vec::new());
        for round in 0..WARM_UP + self.rounds {
            let copy = self.time(&Work::Copy(&group, bytes))?;
            let op = self.time(&Work::Op(&bound))?;
            if round >= WARM_UP {
                copies.push(copy);
                ops.push(op);
            }
        }
        let (copy, _) = median(&mut copies);
        let strategy = plan.method().map_or_else(String::new, |method| method.to_string());
        let direction = if op.name().ends_with("_backward") { "backward" } else { "forward" };
        let large = plan.tensors().iter().max_by_key(|spec| spec.bytes());
        let dtype = large.map_or_else(String::new, |spec| spec.dtype.to_string());
        // Tells rows of one op apart that are asked for different gradients.
        let outputs = plan.tensors().iter().filter(|spec| spec.access != Access::Read).count();
        for (engine, name, direction, mut times, strategy) in
            [("copy", "copy", "", copies, "copy shader".to_owned()), ("wgpu-norm", op.name(), direction, ops, strategy)]
        {
            let (time, spread) = median(&mut times);
            let shape = op.shape().iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            let (ms, gbps, ratio) = (time * 1e3, moved as f64 / time * 1e-9, time / copy);
            let spread = spread * 100.0;
            println!(
                "{name:<28} {shape:<14} {dtype:<4} {outputs:>3} {ms:>9.3} {spread:>7.0}% {gbps:>7.2} {ratio:>6.2}  {strategy}"
            );
            rows.push(serde_json::json!({
                "adapter": self.gpu.device().adapter_info().name,
                "engine": engine,
                "op": name,
                "direction": direction,
                "dtype": dtype,
                "outputs": outputs,
                "shape": shape,
                "ms": ms,
                "gbps": gbps,
                "ratio_to_copy": ratio,
                "strategy": strategy,
                "timer": self.timer.name(),
                "spread": spread / 100.0,
            }));
        }
        Ok(())
    }

    /// A buffer of pseudo-random values in [1, 2): no subnormals, no constant rows, positive variances.
    fn buffer(&self, bytes: u64) -> wgpu::Buffer {
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut state = 1_u32;
        let words: Vec<u32> = (0..bytes / 4)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                0x3f80_0000 | state >> 9
            })
            .collect();
        self.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
        buffer
    }

    /// Seconds of one piece of work, on the GPU's clock where there is one.
    fn time(&self, work: &Work<'_>) -> Result<f64, Error> {
        let device = self.gpu.device();
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: self.timer.writes() });
        match work {
            Work::Op(bound) => bound.record(&mut pass),
            Work::Copy(group, bytes) => {
                let workgroups = (bytes / 16).div_ceil(64);
                let y = workgroups.div_ceil(65535);
                pass.set_pipeline(&self.copy);
                pass.set_bind_group(0, *group, &[]);
                pass.dispatch_workgroups(workgroups.div_ceil(y) as u32, y as u32, 1);
            }
        }
        drop(pass);
        self.timer.resolve(&mut encoder);
        let commands = encoder.finish();
        let start = Instant::now();
        self.gpu.queue().submit([commands]);
        device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Device(e.to_string()))?;
        let wall = start.elapsed().as_secs_f64();
        Ok(self.timer.read(&self.gpu)?.unwrap_or(wall))
    }
}

/// The median, and the distance between the quartiles in parts of it.
fn median(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    (at(0.5), (at(0.75) - at(0.25)) / at(0.5))
}

/// Timestamps around a pass, where the device has them.
struct Timer(Option<(wgpu::QuerySet, wgpu::Buffer)>);

impl Timer {
    fn new(device: &wgpu::Device) -> Self {
        Self(device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            let resolved = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (queries, resolved)
        }))
    }

    fn name(&self) -> &'static str {
        if self.0.is_some() { "timestamp" } else { "wall" }
    }

    fn writes(&self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        self.0.as_ref().map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        })
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        if let Some((queries, resolved)) = &self.0 {
            encoder.resolve_query_set(queries, 0..2, resolved, 0);
        }
    }

    fn read(&self, gpu: &Gpu) -> Result<Option<f64>, Error> {
        let Some((_, resolved)) = &self.0 else { return Ok(None) };
        let ticks = bytemuck::pod_collect_to_vec::<u8, u64>(&gpu.download(resolved, 16)?);
        Ok(Some((ticks[1] - ticks[0]) as f64 * f64::from(gpu.queue().get_timestamp_period()) * 1e-9))
    }
}
