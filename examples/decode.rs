//! A decoder as an engine runs it: all tensors in one buffer, and another number of tokens in each step. A prompt of 37
//! tokens, then 64 tokens one at a time, then five at once.
//!
//! Four layers, 512 wide, with 8 heads of queries and 2 of keys and values, which share rows of 768 elements. RMS norms
//! update the stream of residuals in place, and normalize queries and keys in place. Activations are f16, weights f32.
//! Plain kernels of this file do the rest. Each kind of step compares its norms with the f64 reference.
//!
//! `cargo run --release --example decode`

use std::{
    error::Error,
    time::{Duration, Instant},
};

use wgpu_norm::{
    Access, Bindings, DType, Norm, Outputs, Planner, RmsNorm, RowsBound, RowsCall, RowsPlan, Slot, TensorSpec, Tensors,
    View,
    host::Gpu,
    testing::{self, Random},
    wgpu,
    wgpu::util::DeviceExt,
};

const LAYERS: usize = 4;
const WIDTH: usize = 512;
const HEAD: usize = 64;
const QUERIES: usize = 8;
const KEYS: usize = 2;
/// Queries, keys and values of a token.
const PACKED: usize = (QUERIES + 2 * KEYS) * HEAD;
const HIDDEN: usize = 1024;
const MAX_TOKENS: usize = 64;
const PROMPT: usize = 37;
const SINGLE: usize = 64;
const BATCH: usize = 5;
const CONTEXT: usize = PROMPT + SINGLE + BATCH;

/// Matrix products and attention, without a thought of speed. Offsets count words; activations are two f16 a word.
const PLAIN: &str = "
    struct Job { x: u32, w: u32, y: u32, rows: u32, inner: u32, outer: u32, past: u32, relu: u32 }
    @group(0) @binding(0) var<uniform> job: Job;
    @group(0) @binding(1) var<storage, read_write> arena: array<u32>;

    fn half(at: u32, i: u32) -> f32 {
        return unpack2x16float(arena[at + i / 2u])[i % 2u];
    }

    // y[rows, outer] = x[rows, inner] * w[outer, inner]
    @compute @workgroup_size(64)
    fn product(@builtin(global_invocation_id) id: vec3<u32>) {
        let words = job.outer / 2u;
        let row = id.x / words;
        if row >= job.rows { return; }
        let word = id.x % words;
        var sum = vec2<f32>();
        for (var i = 0u; i < job.inner / 2u; i += 1u) {
            let x = unpack2x16float(arena[job.x + row * job.inner / 2u + i]);
            let w = job.w + word * 2u * job.inner + i * 2u;
            sum.x += x.x * bitcast<f32>(arena[w]) + x.y * bitcast<f32>(arena[w + 1u]);
            let v = w + job.inner;
            sum.y += x.x * bitcast<f32>(arena[v]) + x.y * bitcast<f32>(arena[v + 1u]);
        }
        if job.relu == 1u { sum = max(sum, vec2<f32>()); }
        arena[job.y + row * words + word] = pack2x16float(sum);
    }

    // Appends keys and values, which follow the queries of a token, to the cache w.
    @compute @workgroup_size(64)
    fn append(@builtin(global_invocation_id) id: vec3<u32>) {
        let words = job.outer / 2u;
        let row = id.x / words;
        if row >= job.rows { return; }
        let packed = job.x + row * job.inner / 2u + (job.inner - job.outer) / 2u;
        arena[job.w + (job.past + row) * words + id.x % words] = arena[packed + id.x % words];
    }

    // The attention of one head of one token to the cache w.
    @compute @workgroup_size(64)
    fn attend(@builtin(global_invocation_id) id: vec3<u32>) {
        let row = id.x / 8u;
        if row >= job.rows { return; }
        let head = id.x % 8u;
        let key = head / 4u * 64u;
        let query = job.x + row * job.inner / 2u;
        let end = job.past + row + 1u;
        var largest = -3e38;
        var total = 0.0;
        var sum: array<f32, 64>;
        for (var position = 0u; position < end; position += 1u) {
            let cached = job.w + position * 128u;
            var score = 0.0;
            for (var i = 0u; i < 64u; i += 1u) { score += half(query, head * 64u + i) * half(cached, key + i); }
            let most = max(largest, score / 8.0);
            let keep = exp(largest - most);
            let weight = exp(score / 8.0 - most);
            for (var i = 0u; i < 64u; i += 1u) { sum[i] = sum[i] * keep + weight * half(cached, 128u + key + i); }
            total = total * keep + weight;
            largest = most;
        }
        for (var i = 0u; i < 32u; i += 1u) {
            let pair = vec2<f32>(sum[2u * i], sum[2u * i + 1u]) / total;
            arena[job.y + row * 256u + head * 32u + i] = pack2x16float(pair);
        }
    }
";

/// A part of the buffer, in bytes.
#[derive(Clone, Copy)]
struct Part {
    offset: u64,
    size: u64,
}

impl Part {
    fn view<'a>(&self, arena: &'a wgpu::Buffer) -> View<'a> {
        View::new(arena, self.offset, self.size)
    }

    fn word(&self) -> u32 {
        (self.offset / 4) as u32
    }

    fn skip(&self, elements: usize) -> Self {
        let bytes = elements as u64 * DType::F16.size();
        Self { offset: self.offset + bytes, size: self.size - bytes }
    }
}

/// The content of the buffer before the first token.
#[derive(Default)]
struct Content(Vec<u8>);

impl Content {
    /// Tensors follow each other at multiples of 16 bytes, which is a pack of four f32.
    fn part(&mut self, dtype: DType, values: &[f32]) -> Part {
        self.0.resize(self.0.len().next_multiple_of(16), 0);
        let offset = self.0.len() as u64;
        self.0.extend(dtype.encode(values));
        Part { offset, size: self.0.len() as u64 - offset }
    }

    fn activations(&mut self, elements: usize) -> Part {
        self.part(DType::F16, &vec![0.0; elements])
    }
}

/// The stream of residuals, and its normalization.
fn block_norm(tokens: usize) -> RmsNorm {
    let op = RmsNorm::new(&[tokens, WIDTH], 1..).dtype(DType::F16).affine_dtype(DType::F32);
    op.residual(true).residual_in_place(true)
}

fn head_norm(tokens: usize, heads: usize) -> RmsNorm {
    let op = RmsNorm::new(&[tokens, heads, HEAD], 2..).dtype(DType::F16).affine_dtype(DType::F32);
    op.in_place(true).strides(Slot::Input, &[PACKED, HEAD, 1])
}

fn query_norm(tokens: usize) -> RmsNorm {
    head_norm(tokens, QUERIES)
}

fn key_norm(tokens: usize) -> RmsNorm {
    head_norm(tokens, KEYS)
}

/// The kinds of norms, each with a plan.
const KINDS: [fn(usize) -> RmsNorm; 3] = [block_norm, query_norm, key_norm];

/// A norm of the network.
struct BoundNorm {
    kind: usize,
    bound: RowsBound,
    tensors: Vec<(Slot, Part)>,
    weight: Vec<f32>,
}

/// What a step of the network does, in order.
enum Action {
    Norm(BoundNorm),
    /// A plain kernel, with its numbers for one token, and its invocations for one token.
    Plain {
        kernel: usize,
        job: [u32; 8],
        lanes: usize,
    },
}

struct Decoder {
    gpu: Gpu,
    arena: wgpu::Buffer,
    /// Bytes of activations, which come first.
    activations: u64,
    plans: Vec<RowsPlan>,
    actions: Vec<Action>,
    /// The input of a step, and the stream of residuals.
    input: Part,
    residual: Part,
    kernels: Vec<wgpu::ComputePipeline>,
    /// One for each plain kernel of a step, as if each had buffers of its own.
    groups: Vec<wgpu::BindGroup>,
    /// The numbers of a step: of the calls of all plans, then of the jobs of plain kernels.
    ring: wgpu::Buffer,
    past: usize,
    times: Times,
}

/// Times on the host.
#[derive(Default)]
struct Times {
    /// Of all calls of a step.
    calls: Vec<Duration>,
    norms: Vec<Duration>,
    plain: Vec<Duration>,
}

/// The median, in microseconds: others use the processor too.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

impl Decoder {
    fn new(gpu: Gpu) -> Result<Self, Box<dyn Error>> {
        let mut random = Random::new(1);
        let mut content = Content::default();
        let [input, residual, normalized] = [WIDTH; 3].map(|width| content.activations(MAX_TOKENS * width));
        let packed = content.activations(MAX_TOKENS * PACKED);
        let [attended, hidden] = [WIDTH, HIDDEN].map(|width| content.activations(MAX_TOKENS * width));
        let caches: Vec<Part> = (0..LAYERS).map(|_| content.activations(CONTEXT * 2 * KEYS * HEAD)).collect();
        let activations = content.0.len() as u64;

        // What is to be bound, before the buffer is there.
        let mut norms = Vec::new();
        let mut actions = Vec::new();
        let mut norm = |content: &mut Content, kind: usize, random: &mut Random, mut tensors: Vec<(Slot, Part)>| {
            let weight = random.normal(if kind == 0 { WIDTH } else { HEAD }, 1.0, 0.2);
            tensors.push((Slot::Weight, content.part(DType::F32, &weight)));
            norms.push((kind, tensors, weight));
        };
        let product = |content: &mut Content, random: &mut Random, x: Part, y: Part, size: [usize; 2], relu: bool| {
            let [inner, outer] = size;
            let w = content.part(DType::F32, &random.normal(inner * outer, 0.0, (inner as f64).sqrt().recip()));
            let job = [x.word(), w.word(), y.word(), 1, inner as u32, outer as u32, 0, u32::from(relu)];
            Action::Plain { kernel: 0, job, lanes: outer / 2 }
        };
        let block = |x| vec![(Slot::Input, x), (Slot::Residual, residual), (Slot::Output, normalized)];
        let mut plain = Vec::new();
        for cache in caches {
            norm(&mut content, 0, &mut random, block(input));
            let keys = QUERIES * HEAD;
            norm(&mut content, 1, &mut random, vec![(Slot::Input, packed)]);
            norm(&mut content, 2, &mut random, vec![(Slot::Input, packed.skip(keys))]);
            norm(&mut content, 0, &mut random, block(input));
            let cached = 2 * KEYS * HEAD;
            let attention = |kernel, lanes| {
                let job = [packed.word(), cache.word(), attended.word(), 1, PACKED as u32, cached as u32, 0, 0];
                Action::Plain { kernel, job, lanes }
            };
            plain.push([
                product(&mut content, &mut random, normalized, packed, [WIDTH, PACKED], false),
                attention(1, cached / 2),
                attention(2, QUERIES),
                product(&mut content, &mut random, attended, input, [WIDTH, WIDTH], false),
                product(&mut content, &mut random, normalized, hidden, [WIDTH, HIDDEN], true),
                product(&mut content, &mut random, hidden, input, [HIDDEN, WIDTH], false),
            ]);
        }
        norm(&mut content, 0, &mut random, block(input));

        let device = gpu.device();
        let arena = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("arena"),
            contents: &content.0,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        });
        let ring = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("numbers of a step"),
            size: 1 << 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        // Once: compile for any number of tokens, and bind.
        let planner = Planner::new(device).shared_buffers(true).any_offset(true);
        let plans = KINDS.iter().map(|op| planner.plan_rows(op(1), MAX_TOKENS)).collect::<Result<Vec<_>, _>>()?;
        let mut norms = norms.into_iter().map(|(kind, tensors, weight)| {
            let bindings =
                tensors.iter().fold(Bindings::new(), |bindings, (slot, part)| bindings.set(*slot, part.view(&arena)));
            let bound = plans[kind].bind(&bindings, &ring)?;
            Ok::<_, wgpu_norm::Error>(Action::Norm(BoundNorm { kind, bound, tensors, weight }))
        });
        for [packed, append, attend, output, up, down] in plain {
            actions.extend([norms.next().transpose()?, Some(packed)].into_iter().flatten());
            actions.extend([norms.next().transpose()?, norms.next().transpose()?].into_iter().flatten());
            actions.extend([append, attend, output]);
            actions.extend(norms.next().transpose()?);
            actions.extend([up, down]);
        }
        actions.extend(norms.next().transpose()?);
        drop(norms);
        let (kernels, groups) = plain_kernels(device, &arena, &ring);
        let times = Times::default();
        Ok(Self { gpu, arena, activations, plans, actions, input, residual, kernels, groups, ring, past: 0, times })
    }

    /// Runs the tokens with these embeddings. With `check`, each norm is compared with the reference; the result is the
    /// largest error, as a fraction of the bound.
    fn step(&mut self, embeddings: &[f32], check: bool) -> Result<f64, Box<dyn Error>> {
        let tokens = embeddings.len() / WIDTH;
        let queue = self.gpu.queue();
        // The residuals of these tokens begin with zeros.
        let zeros = vec![0; embeddings.len() * 2];
        queue.write_buffer(&self.arena, self.input.offset, &DType::F16.encode(embeddings));
        queue.write_buffer(&self.arena, self.residual.offset, &zeros);

        // The numbers of the step: one call serves all norms of a kind.
        let began = Instant::now();
        let mut numbers = Vec::new();
        let mut calls = Vec::new();
        for kind in 0..KINDS.len() {
            let first = |action: &Action| matches!(action, Action::Norm(norm) if norm.kind == kind);
            let Some(Action::Norm(norm)) = self.actions.iter().find(|action| first(action)) else { continue };
            let call = norm.bound.call(tokens)?;
            let offset = numbers.len() as u32;
            numbers.extend(call.uniform());
            calls.push((call, offset));
        }
        self.times.calls.push(began.elapsed());
        let stride = self.gpu.device().limits().min_uniform_buffer_offset_alignment as usize;
        let mut jobs = Vec::new();
        for action in &self.actions {
            if let Action::Plain { job: [x, w, y, _, inner, outer, _, relu], .. } = *action {
                jobs.push(numbers.len() as u32);
                let job = [x, w, y, tokens as u32, inner, outer, self.past as u32, relu];
                numbers.extend(job.iter().flat_map(|number| number.to_ne_bytes()));
                numbers.resize(numbers.len().next_multiple_of(stride), 0);
            }
        }
        queue.write_buffer(&self.ring, 0, &numbers);

        let device = self.gpu.device().clone();
        let mut jobs = jobs.into_iter().zip(&self.groups);
        let mut worst = 0.0_f64;
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
        for action in &self.actions {
            let began = Instant::now();
            match action {
                Action::Norm(norm) => {
                    let (call, offset) = &calls[norm.kind];
                    if check {
                        drop(pass);
                        self.gpu.queue().submit([encoder.finish()]);
                        worst = worst.max(self.check(norm, call, *offset, tokens)?);
                        encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                        pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
                        continue;
                    }
                    norm.bound.record(&mut pass, call, *offset);
                    self.times.norms.push(began.elapsed());
                }
                Action::Plain { kernel, lanes, .. } => {
                    let Some((offset, group)) = jobs.next() else { continue };
                    pass.set_pipeline(&self.kernels[*kernel]);
                    pass.set_bind_group(0, group, &[offset]);
                    pass.dispatch_workgroups((lanes * tokens).div_ceil(64) as u32, 1, 1);
                    self.times.plain.push(began.elapsed());
                }
            }
        }
        drop(pass);
        self.gpu.queue().submit([encoder.finish()]);
        self.past += tokens;
        Ok(worst)
    }

    /// Runs a norm alone and compares what it writes with the reference.
    fn check(&self, norm: &BoundNorm, call: &RowsCall, offset: u32, tokens: usize) -> Result<f64, Box<dyn Error>> {
        let op = KINDS[norm.kind](tokens);
        let specs = op.tensors()?;
        let parts =
            || specs.iter().filter_map(|spec| Some((spec, norm.tensors.iter().find(|(s, _)| *s == spec.slot)?.1)));
        let bytes = |arena: &[u8], spec: &TensorSpec, part: Part| {
            arena[part.offset as usize..][..spec.bytes() as usize].to_vec()
        };
        let before = self.gpu.download(&self.arena, self.activations)?;
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        norm.bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), call, offset);
        self.gpu.queue().submit([encoder.finish()]);
        let after = self.gpu.download(&self.arena, self.activations)?;

        let read = parts().filter(|(spec, _)| spec.access != Access::Write && spec.slot != Slot::Weight);
        let read: Vec<(Slot, Vec<f32>)> =
            read.map(|(spec, part)| (spec.slot, spec.decode(&bytes(&before, spec, part)))).collect();
        let tensors = read.iter().fold(Tensors::default(), |tensors, (slot, values)| tensors.set(*slot, values));
        let truth = op.reference(&tensors.weight(&norm.weight))?;
        let mut outputs = Outputs::default();
        for (spec, part) in parts().filter(|(spec, _)| spec.access != Access::Read) {
            outputs.set_bytes(spec, &bytes(&after, spec, part));
        }
        testing::compare_outputs(&op, &outputs, &truth)?;
        Ok(testing::worst_error(&specs, &outputs, &truth)?)
    }
}

/// The kernels of this file, with the buffers that all of them bind.
fn plain_kernels(
    device: &wgpu::Device,
    arena: &wgpu::Buffer,
    ring: &wgpu::Buffer,
) -> (Vec<wgpu::ComputePipeline>, Vec<wgpu::BindGroup>) {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("plain"),
        source: wgpu::ShaderSource::Wgsl(PLAIN.into()),
    });
    let entry = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[
            entry(0, wgpu::BufferBindingType::Uniform, true),
            entry(1, wgpu::BufferBindingType::Storage { read_only: false }, false),
        ],
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let kernels = ["product", "append", "attend"].map(|entry_point| {
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    });
    let job = wgpu::BufferBinding { buffer: ring, offset: 0, size: wgpu::BufferSize::new(32) };
    let entries = [
        wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(job) },
        wgpu::BindGroupEntry { binding: 1, resource: arena.as_entire_binding() },
    ];
    let group =
        || device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
    (kernels.into(), (0..6 * LAYERS).map(|_| group()).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let gpu = Gpu::new()?;
    println!("{}", gpu.device().adapter_info().name);
    let mut decoder = Decoder::new(gpu)?;
    let kernels: usize = decoder.plans.iter().map(RowsPlan::kernels).sum();
    let norms = decoder.actions.iter().filter(|action| matches!(action, Action::Norm(_))).count();
    let parts = format!("{} MiB of one buffer", decoder.arena.size() >> 20);
    println!("{LAYERS} layers, {norms} norms of {} kinds, {kernels} kernels, {parts}", decoder.plans.len());

    // Nothing is compiled or bound from here on.
    let device = decoder.gpu.device().clone();
    let counts = || {
        let counters = device.get_internal_counters().hal;
        [counters.compute_pipelines.read(), counters.bind_groups.read()]
    };
    let before = counts();
    let mut random = Random::new(2);
    let mut worst = 0.0_f64;
    // The first step of each kind is compared with the reference.
    for (name, tokens, steps) in [("a prompt", PROMPT, 1), ("single tokens", 1, SINGLE), ("a batch", BATCH, 1)] {
        let began = Instant::now();
        for step in 0..steps {
            worst = worst.max(decoder.step(&random.normal(tokens * WIDTH, 0.1, 1.0), step == 0)?);
        }
        decoder.gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
        let each = began.elapsed().as_secs_f64() * 1e3 / steps as f64;
        println!("{name}: {tokens} at once, {steps} times, {each:.1} ms each, {} tokens so far", decoder.past);
    }
    if counts() != before {
        return Err("a pipeline or a bind group was made after the start".into());
    }
    println!("norms: {:.2} of the error bound at most", worst);
    let Times { calls, norms: recorded, plain } = &mut decoder.times;
    let (recorded, plain) = (median(recorded), median(plain));
    println!("recording: {recorded:.2} us a norm, {plain:.2} us a plain kernel with a dynamic offset");
    let call = median(calls) / norms as f64;
    println!("ok: {:.2} us of host time a norm call, {kernels} kernels", recorded + call);
    Ok(())
}
