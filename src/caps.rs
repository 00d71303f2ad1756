//! The capabilities of a device, as far as lowering depends on them.

use crate::tuning::Tuning;

/// The capabilities of a device and its tuning table, as far as lowering depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// The adapter runs shaders on the CPU: barriers are expensive there, and memory latency is low.
    pub cpu: bool,
    /// The smallest and the largest subgroup size; `None` without the feature `SUBGROUP`.
    pub subgroup_size: Option<(u32, u32)>,
    /// Invocations of the largest one-dimensional workgroup.
    pub max_workgroup_size: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_storage: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups_per_dimension: u32,
    /// Bytes of the largest storage-buffer binding.
    pub max_storage_buffer_binding_size: u64,
    /// Storage buffers per shader.
    pub max_storage_buffers: u32,
    /// The required alignment of the offset of a storage-buffer binding, in bytes.
    pub storage_offset_alignment: u32,
    /// Whether one buffer may hold several tensors: shaders then bind all storage buffers `read_write`. The caller
    /// chooses this, not the device.
    pub shared_buffers: bool,
    /// The tuning table.
    pub tuning: Tuning,
}

impl Caps {
    /// The capabilities of a device.
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        Self::new(&device.adapter_info(), device.features(), &device.limits())
    }

    /// The capabilities of a device of this adapter with these features and limits.
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
    /// The capabilities of every WebGPU device: a GPU without subgroups, with the default limits.
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
