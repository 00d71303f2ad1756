//! The copy shader that an op's speed is measured against.

use wgpu_norm::{host::Gpu, wgpu};

/// A vec4 for each invocation.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read> src: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dst: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&src) {
        dst[id.x] = src[id.x];
    }
}";
const WORKGROUP_BYTES: u64 = 64 * 16;

/// A copy of one buffer to another of the same size.
pub struct Copier {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: u32,
}

impl Copier {
    /// `size`: bytes of either buffer, a multiple of 16.
    pub fn new(gpu: &Gpu, [src, dst]: [&wgpu::Buffer; 2], size: u64) -> Self {
        let source = wgpu::ShaderSource::Wgsl(SHADER.into());
        let module = gpu.device().create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("copy"), source });
        let pipeline = gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("copy"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: src.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: dst.as_entire_binding() },
            ],
        });
        Self { pipeline, group, workgroups: size.div_ceil(WORKGROUP_BYTES) as u32 }
    }

    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(self.workgroups, 1, 1);
    }
}
