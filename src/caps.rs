//! What a device can do, as far as lowering looks at it.

use crate::tuning::Tuning;

/// What a device can do and what is fast on it, as far as lowering looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// The adapter runs shaders on the CPU: barriers are dear there, and memory is near.
    pub cpu: bool,
    /// The smallest and the largest subgroup; `None` without the `SUBGROUP` feature.
    pub subgroup_size: Option<(u32, u32)>,
    /// The largest one-dimensional workgroup.
    pub max_workgroup_size: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_storage: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups_per_dimension: u32,
    /// Bytes of the largest storage-buffer binding.
    pub max_storage_buffer_binding_size: u64,
    /// Storage buffers of a shader.
    pub max_storage_buffers: u32,
    /// What the offset of a storage-buffer binding must be a multiple of.
    pub storage_offset_alignment: u32,
    /// Whether tensors may be parts of one buffer: shaders bind all storage buffers `read_write` then. Not the device's, but the
    /// caller's choice.
    pub shared_buffers: bool,
    /// What is fast.
    pub tuning: Tuning,
}

impl Caps {
    /// The capabilities of a device.
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        Self::new(&device.adapter_info(), device.features(), &device.limits())
    }

    /// The capabilities that a device made from this adapter with these features and limits has.
    #[must_use]
    pub fn new(info: &wgpu::AdapterInfo, features: wgpu::Features, limits: &wgpu::Limits) -> Self {
        Self {
            cpu: info.device_type == wgpu::DeviceType::Cpu,
            subgroup_size: features
                .contains(wgpu::Features::SUBGROUP)
                .then_some((info.subgroup_min_size.max(4), info.subgroup_max_size.max(4))),
            max_workgroup_size: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_offset_alignment: limits.min_storage_buffer_offset_alignment,
            shared_buffers: false,
            tuning: Tuning::of(info),
        }
    }
}

impl Default for Caps {
    /// What every WebGPU device has: a GPU without subgroups, with the default limits.
    fn default() -> Self {
        let limits = wgpu::Limits::default();
        Self {
            cpu: false,
            subgroup_size: None,
            max_workgroup_size: limits.max_compute_invocations_per_workgroup,
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_offset_alignment: limits.min_storage_buffer_offset_alignment,
            shared_buffers: false,
            tuning: Tuning::GPU,
        }
    }
}
