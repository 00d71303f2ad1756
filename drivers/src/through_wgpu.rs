//! Pipelines through wgpu, as the planner makes them. Nothing is dispatched.

use pollster::block_on;
use wgpu_norm::{Caps, recommended, wgpu};

use crate::{DeviceInfo, vulkan::trusted_module};

pub struct Adapter {
    device: wgpu::Device,
    _queue: wgpu::Queue,
}

impl Adapter {
    /// Opens the first adapter of Vulkan that is no CPU.
    pub fn open() -> Result<(Self, DeviceInfo), String> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            // A driver without its hardware has passed no conformance test on it.
            flags: wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
        let adapter = adapters.into_iter().find(|adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu);
        let adapter = adapter.ok_or("wgpu finds no adapter of Vulkan but CPUs")?;
        let (required_features, required_limits) = recommended(&adapter);
        let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
        let (device, queue) = block_on(adapter.request_device(&descriptor)).map_err(|e| e.to_string())?;
        let device_info = DeviceInfo::new(&adapter.get_info(), Caps::of(&device));
        Ok((Self { device, _queue: queue }, device_info))
    }

    /// Makes the pipeline of a shader.
    pub fn compile(&self, wgsl: &str, layout: &[wgpu::BindGroupLayoutEntry]) -> Result<(), String> {
        let device = &self.device;
        let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
            .map(|filter| device.push_error_scope(filter));
        let module = trusted_module(device, wgsl);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: layout });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let _pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        // Scopes end in reverse.
        let errors: Vec<_> = scopes.into_iter().rev().filter_map(|scope| block_on(scope.pop())).collect();
        errors.first().map_or(Ok(()), |e| Err(e.to_string()))
    }
}
