//! A layer norm of one's own in WGSL, held to the bound of this crate: `cargo run --example own_shader`.
//!
//! `testing::conformance` (feature `testing`) makes the data, the hard one too, and compares with the f64 reference. It
//! takes a closure, so the shader may run on whatever a program has; here on the device of `host::Gpu`.

use std::error::Error;

use wgpu_norm::{
    LayerNorm, Outputs, Slot, Tensors,
    host::Gpu,
    testing::conformance,
    wgpu::{self, util::DeviceExt},
};

const ROWS: usize = 8;
const LEN: usize = 96;

/// An invocation goes through a row. `VARIANCE` is where the two differ.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
override LEN: u32;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = id.x * LEN;
    if first >= arrayLength(&input) { return; }
    var sum = 0.0;
    for (var i = 0u; i < LEN; i++) { sum += input[first + i]; }
    let mean = sum / f32(LEN);
    VARIANCE
    let rstd = inverseSqrt(max(variance, 0.0) + 1e-5);
    for (var i = 0u; i < LEN; i++) {
        output[first + i] = ((input[first + i] - mean) - rest) * rstd * weight[i] + bias[i];
    }
}
";

/// Half of the tutorials: a small difference of large numbers.
const MEAN_OF_SQUARES: &str = "
    var squares = 0.0;
    for (var i = 0u; i < LEN; i++) { squares += input[first + i] * input[first + i]; }
    let variance = squares / f32(LEN) - mean * mean;
    let rest = 0.0;
";

/// Squares of deviations, from a mean with what f32 lost of it.
const DEVIATIONS: &str = "
    var lost = 0.0;
    for (var i = 0u; i < LEN; i++) { lost += input[first + i] - mean; }
    let rest = lost / f32(LEN);
    var squares = 0.0;
    for (var i = 0u; i < LEN; i++) { let d = (input[first + i] - mean) - rest; squares += d * d; }
    let variance = squares / f32(LEN);
";

fn main() -> Result<(), Box<dyn Error>> {
    let gpu = Gpu::new()?;
    // What the shader is meant to compute.
    let op = LayerNorm::new(&[ROWS, LEN], 1..);
    let check = |variance| {
        let pipeline = pipeline(&gpu, &SHADER.replace("VARIANCE", variance));
        conformance(&op, |tensors| run(&gpu, &pipeline, tensors))
    };
    match check(MEAN_OF_SQUARES) {
        Ok(_) => return Err("the mean of the squares should not conform".into()),
        Err(wrong) => println!("the mean of the squares does not conform:\n{wrong}\n"),
    }
    // In a test: assert!(check(DEVIATIONS).is_ok())
    println!("squares of deviations conform: at most {:.3} of the bound", check(DEVIATIONS)?);
    Ok(())
}

fn pipeline(gpu: &Gpu, source: &str) -> wgpu::ComputePipeline {
    let device = gpu.device();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[("LEN", LEN as f64)],
            ..Default::default()
        },
        cache: None,
    })
}

/// The tensors that the op reads, by their slots; what the shader wrote.
fn run(gpu: &Gpu, pipeline: &wgpu::ComputePipeline, tensors: &Tensors<'_>) -> wgpu_norm::Result<Outputs<f32>> {
    let device = gpu.device();
    let read = [Slot::Input, Slot::Weight, Slot::Bias].map(|slot| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some(slot.name()),
            contents: bytemuck::cast_slice(tensors.get(slot).unwrap_or_default()),
            usage: wgpu::BufferUsages::STORAGE,
        })
    });
    let bytes = (ROWS * LEN * 4) as u64;
    let output = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("output"),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let entries: Vec<_> = read
        .iter()
        .chain([&output])
        .zip(0..)
        .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(ROWS.div_ceil(64) as u32, 1, 1);
    }
    gpu.queue().submit([encoder.finish()]);
    let mut outputs = Outputs::default();
    outputs.set(Slot::Output, bytemuck::pod_collect_to_vec(&gpu.download(&output, bytes)?));
    Ok(outputs)
}
