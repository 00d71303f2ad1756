//! Layer norm between two compute passes of a program that has its own device, buffers and encoder: nothing is copied,
//! and everything goes to the GPU in one submission.

use std::error::Error;

use wgpu_norm::{Bindings, DType, DeviceReport, LayerNorm, Norm, Planner, Tensors, host, testing, wgpu};

const ROWS: usize = 256;
const LEN: usize = 768;
const ELEMENTS: usize = ROWS * LEN;
const WORKGROUP: usize = 64;

/// The program's own shaders: one makes the activations, one uses them after the norm.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read_write> data: array<f32>;

@compute @workgroup_size(64)
fn produce(@builtin(global_invocation_id) id: vec3<u32>) {
    data[id.x] = f32(id.x * 7919u % 1009u) / 64.0 - 8.0;
}

@compute @workgroup_size(64)
fn relu(@builtin(global_invocation_id) id: vec3<u32>) {
    data[id.x] = max(data[id.x], 0.0);
}
";

/// What `produce` computes; every step is exact.
fn produced() -> Vec<f32> {
    (0..ELEMENTS as u32).map(|i| (i * 7919 % 1009) as f32 / 64.0 - 8.0).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    // The program makes its device with what the crate makes use of, and whatever else it needs itself.
    let adapter = host::adapter(None)?;
    let (required_features, required_limits) = wgpu_norm::recommended(&adapter);
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features,
        required_limits,
        ..Default::default()
    }))?;
    print!("{}", DeviceReport::new(&device));

    let buffer = |usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: (ELEMENTS * size_of::<f32>()) as u64,
            usage: wgpu::BufferUsages::STORAGE | usage,
            mapped_at_creation: false,
        })
    };
    let (hidden, normalized) = (buffer(wgpu::BufferUsages::empty()), buffer(wgpu::BufferUsages::COPY_SRC));
    let produce = Kernel::new(&device, "produce", &hidden);
    let relu = Kernel::new(&device, "relu", &normalized);

    // Once: compile the norm and bind it to the program's buffers.
    let op = LayerNorm::new(&[ROWS, LEN], 1..).weight(false).bias(false);
    let planner = Planner::new(&device);
    let plan = planner.plan(&op)?;
    let norm = plan.bind(&Bindings::new().input(&hidden).output(&normalized))?;

    // Each step: three passes, one encoder, one submission.
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    produce.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    norm.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    relu.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    queue.submit([encoder.finish()]);

    // For the check alone: back to the host, beside the f64 reference.
    let bytes = host::Gpu::from_parts(queue, planner).download(&normalized, normalized.size())?;
    let actual: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    let mut expected = op.reference(&Tensors::new(&produced()))?.output().to_vec();
    expected.iter_mut().for_each(|x| *x = x.max(0.0));
    testing::compare("output", &actual, &expected)?;
    let error = testing::max_error("output", DType::F32, &actual, &expected)?;
    println!("\n{ELEMENTS} values through produce, layer norm and relu, off by {error:.1e} at most");
    Ok(())
}

/// A kernel of the program, over all elements of a buffer.
struct Kernel {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
}

impl Kernel {
    fn new(device: &wgpu::Device, entry_point: &str, data: &wgpu::Buffer) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(entry_point),
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: None,
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(entry_point),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: data.as_entire_binding() }],
        });
        Self { pipeline, bind_group }
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups((ELEMENTS / WORKGROUP) as u32, 1, 1);
    }
}
