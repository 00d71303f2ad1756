//! What the host does: plans, pipelines, bindings and recording.

use std::{
    collections::{HashMap, HashSet},
    hint::black_box,
    time::Instant,
};

use wgpu_norm::{
    BatchNorm, Bindings, Error, GroupNorm, LayerNorm, Norm, Planner, RmsNorm, RunningStats, Slot, Strategy,
    host::Gpu,
    shaders::{self, Buffer, Dispatch, Shader},
    wgpu,
};

use super::{
    Row, dimensions,
    timer::{Clock, median},
};
use crate::{Failure, say};

/// Fresh planners for each op.
const COLD: usize = 5;
/// Calls of what is fast.
const WARM: usize = 201;
/// Passes that are recorded, each way.
const PASSES: usize = 101;
/// Ops in each of them.
const RECORDS: usize = 200;

/// One op of each kind of program: one dispatch, several, few tensors, many.
fn ops() -> Vec<Box<dyn Norm>> {
    let layer = LayerNorm::new(&[4096, 768], 1..);
    vec![
        Box::new(layer.backward()),
        Box::new(layer),
        Box::new(RmsNorm::new(&[4096, 768], 1..)),
        Box::new(BatchNorm::training(&[8, 64, 56, 56]).running_stats(RunningStats::PYTORCH)),
        Box::new(GroupNorm::new(&[1, 320, 64, 64], 32)),
    ]
}

/// Times the host; appends the rows.
pub fn run(gpu: &Gpu, adapter: &str, rows: &mut Vec<Row>) -> Result<(), Failure> {
    say("\nbare: the time of recording over the time of the bare calls of wgpu")?;
    say(format!("{:<15} {:>11} {:>8} {:>6}  of", "host", "ms", "spread", "bare"))?;
    let mut table = Table { adapter, rows };
    let ops = ops();
    for op in &ops {
        let cold = seconds(COLD, || Planner::new(gpu.device()).plan(&**op).map(drop))?;
        table.row("plan cold", &**op, op.name().into(), cold, None)?;
    }
    // Some drivers compile when a kernel is first run.
    for op in &ops {
        let tensors = tensors(gpu, &**op)?;
        let bindings = tensors.iter().fold(Bindings::new(), |b, (slot, buffer)| b.set(*slot, buffer));
        let first = seconds(COLD, || {
            let bound = Planner::new(gpu.device()).plan(&**op)?.bind(&bindings)?;
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            gpu.queue().submit([encoder.finish()]);
            gpu.device().poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Device(e.to_string()))?;
            Ok(())
        })?;
        table.row("first result", &**op, op.name().into(), first, None)?;
    }
    let mut seen = HashSet::new();
    for op in &ops {
        for Dispatch { shader, .. } in program(gpu, &**op)?.dispatches {
            if seen.insert(shader) {
                let times = seconds(COLD, || {
                    black_box(build(gpu.device(), &shader));
                    Ok(())
                })?;
                table.row("build pipeline", &**op, shader.to_string(), times, None)?;
            }
        }
    }
    for op in &ops {
        gpu.planner().plan(&**op)?;
        let known = seconds(WARM, || gpu.planner().plan(&**op).map(drop))?;
        table.row("plan known", &**op, op.name().into(), known, None)?;
    }
    for op in &ops {
        let plan = gpu.planner().plan(&**op)?;
        let tensors = tensors(gpu, &**op)?;
        let scratch = (plan.scratch_size() > 0).then(|| storage(gpu, plan.scratch_size()));
        let bindings = tensors.iter().fold(Bindings::new(), |b, (slot, buffer)| b.set(*slot, buffer));
        let bindings = scratch.iter().fold(bindings, Bindings::scratch);
        table.row("bind", &**op, op.name().into(), seconds(WARM, || plan.bind(&bindings).map(drop))?, None)?;
    }
    for op in &ops {
        let (recorded, bare) = record(gpu, &**op)?;
        let ratio = recorded.0 / bare.0;
        table.row("record bare", &**op, op.name().into(), bare, None)?;
        table.row("record", &**op, op.name().into(), recorded, Some(ratio))?;
    }
    Ok(())
}

struct Table<'a> {
    adapter: &'a str,
    rows: &'a mut Vec<Row>,
}

impl Table<'_> {
    fn row(
        &mut self,
        what: &str,
        op: &dyn Norm,
        subject: String,
        (time, spread): (f64, f64),
        bare: Option<f64>,
    ) -> Result<(), Failure> {
        let ratio = bare.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let shape = dimensions(op.shape());
        // Of a kernel, its name alone; the JSON has its options.
        let name = subject.split(" {").next().unwrap_or(&subject);
        say(format!("{what:<15} {:>11.6} {:>7.0}% {ratio:>6}  {name} {shape}", time * 1e3, spread * 100.0))?;
        self.rows.push(Row {
            adapter: self.adapter.into(),
            engine: "host",
            op: what.into(),
            direction: if op.name().ends_with("_backward") { "backward" } else { "forward" },
            dtype: "f32".into(),
            outputs: 0,
            with: String::new(),
            shape,
            ms: time * 1e3,
            spread,
            gbps: None,
            percent_of_copy: None,
            ratio_to_bare: bare,
            subject: Some(subject),
            strategy: String::new(),
            timer: Clock::Wall.name(),
        });
        Ok(())
    }
}

/// Median and spread of the time of a call.
fn seconds(calls: usize, mut call: impl FnMut() -> Result<(), Error>) -> Result<(f64, f64), Error> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(&mut times))
}

fn program(gpu: &Gpu, op: &dyn Norm) -> Result<shaders::Program, Error> {
    shaders::program(op, gpu.planner().caps(), Strategy::Inferred)
}

/// A pipeline as the planner builds it.
#[allow(unsafe_code, reason = "so does the planner")]
fn build(device: &wgpu::Device, shader: &Shader) -> (wgpu::ComputePipeline, wgpu::BindGroupLayout) {
    let mut checks = wgpu::ShaderRuntimeChecks::checked();
    (checks.force_loop_bounding, checks.int_div_checks) = (false, false);
    let source = wgpu::ShaderSource::Wgsl(shader.wgsl().into());
    // SAFETY: it is a shader of the crate, with the uniform that comes with it: docs/safety.md.
    let module =
        unsafe { device.create_shader_module_trusted(wgpu::ShaderModuleDescriptor { label: None, source }, checks) };
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &shader.bind_group_layout(),
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    (pipeline, layout)
}

fn storage(gpu: &Gpu, size: u64) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: size.next_multiple_of(16),
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

fn tensors(gpu: &Gpu, op: &dyn Norm) -> Result<Vec<(Slot, wgpu::Buffer)>, Error> {
    Ok(op.tensors()?.iter().map(|spec| (spec.slot, storage(gpu, spec.bytes()))).collect())
}

/// What wgpu needs for a dispatch.
struct Bare {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// The dispatches of an op, put together by hand.
fn bare(gpu: &Gpu, op: &dyn Norm, tensors: &[(Slot, wgpu::Buffer)]) -> Result<Vec<Bare>, Error> {
    let program = program(gpu, op)?;
    let scratch = program.scratch.iter().map(|&(buffer, bytes)| (buffer, storage(gpu, bytes)));
    let tensors = tensors.iter().map(|(slot, buffer)| (Buffer::Tensor(*slot), buffer.clone()));
    let buffers: HashMap<Buffer, wgpu::Buffer> = tensors.chain(scratch).collect();
    let dispatch = |Dispatch { shader, params, workgroups, .. }: &Dispatch| {
        let (pipeline, layout) = build(gpu.device(), shader);
        let uniform = (!shader.params().is_empty()).then(|| {
            let uniform = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: params.len() as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            gpu.queue().write_buffer(&uniform, 0, params);
            (0, uniform)
        });
        let bound = shader.storage().into_iter().map(|storage| (storage.binding, buffers[&storage.buffer].clone()));
        let used: Vec<_> = uniform.into_iter().chain(bound).collect();
        let entries: Vec<_> = used
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding: *binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });
        Bare { pipeline, group, workgroups: *workgroups }
    };
    Ok(program.dispatches.iter().map(dispatch).collect())
}

/// Seconds to record an op by the crate and by the bare calls, in turns. Nothing is submitted.
#[expect(clippy::type_complexity, reason = "two medians with their spreads")]
fn record(gpu: &Gpu, op: &dyn Norm) -> Result<((f64, f64), (f64, f64)), Error> {
    let tensors = tensors(gpu, op)?;
    let bindings = tensors.iter().fold(Bindings::new(), |b, (slot, buffer)| b.set(*slot, buffer));
    let bound = gpu.planner().plan(op)?.bind(&bindings)?;
    let bare = bare(gpu, op, &tensors)?;
    let by_crate = |pass: &mut wgpu::ComputePass<'_>| bound.record(pass);
    let by_hand = |pass: &mut wgpu::ComputePass<'_>| {
        for Bare { pipeline, group, workgroups: [x, y, z] } in &bare {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, *z);
        }
    };
    let (mut recorded, mut handmade) = (Vec::new(), Vec::new());
    for round in 0..PASSES {
        // Neither is always the first.
        if round % 2 == 0 {
            recorded.push(pass(gpu.device(), &by_crate));
        }
        handmade.push(pass(gpu.device(), &by_hand));
        if round % 2 == 1 {
            recorded.push(pass(gpu.device(), &by_crate));
        }
    }
    Ok((median(&mut recorded), median(&mut handmade)))
}

/// Seconds of one of the records of a pass, without its begin and end.
fn pass(device: &wgpu::Device, record: &dyn Fn(&mut wgpu::ComputePass<'_>)) -> f64 {
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    let start = Instant::now();
    for _ in 0..RECORDS {
        record(&mut pass);
    }
    start.elapsed().as_secs_f64() / RECORDS as f64
}
