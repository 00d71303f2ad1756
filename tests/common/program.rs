//! Runs of ops as a program with a pipeline manager of its own would do them: by `shaders::program` and wgpu alone.

use std::collections::HashMap;

use wgpu_norm::{
    Access, Norm, Outputs, Tensors,
    host::Gpu,
    shaders::{Buffer, Program},
    wgpu,
};

/// Runs a program of an op on a device, which may differ from the one that it was lowered for.
pub fn run_program(gpu: &Gpu, op: &dyn Norm, program: &Program, tensors: &Tensors<'_>) -> Outputs<f32> {
    let device = gpu.device();
    let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffer = |size, usage| {
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let storage = |bytes| buffer(bytes, usage | wgpu::BufferUsages::STORAGE);
    let specs = op.tensors().expect("it is right");
    let mut buffers: HashMap<Buffer, wgpu::Buffer> =
        program.scratch.iter().map(|&(scratch, bytes)| (scratch, storage(bytes))).collect();
    for spec in &specs {
        let buffer = storage(spec.bytes());
        if let Some(bytes) = tensors.bytes(spec) {
            gpu.queue().write_buffer(&buffer, 0, &bytes);
        }
        buffers.insert(Buffer::Tensor(spec.slot), buffer);
    }

    fn entry(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
        wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
    }
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for dispatch in &program.dispatches {
        assert!(dispatch.ranges.is_empty(), "the tests have no tensor that is larger than a binding");
        let shader = &dispatch.shader;
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &shader.bind_group_layout(),
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(shader.wgsl().into()),
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
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let uniform = buffer(dispatch.params.len() as u64, usage | wgpu::BufferUsages::UNIFORM);
        gpu.queue().write_buffer(&uniform, 0, &dispatch.params);
        let storage = shader.storage();
        let bound = storage.iter().map(|storage| entry(storage.binding, &buffers[&storage.buffer]));
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &[entry(0, &uniform)].into_iter().chain(bound).collect::<Vec<_>>(),
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        let [x, y, z] = dispatch.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
    gpu.queue().submit([encoder.finish()]);

    let mut outputs = Outputs::default();
    for spec in specs.iter().filter(|spec| spec.access != Access::Read) {
        let bytes = gpu.download(&buffers[&Buffer::Tensor(spec.slot)], spec.bytes()).expect("it is readable");
        outputs.set_bytes(spec, &bytes);
    }
    outputs
}
