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
    /// The offsets of tensors in their buffers. The caller chooses them, not the device.
    pub offsets: Offsets,
    /// Whether few kernels serve all numbers of rows and image sizes. The caller chooses this, not the device.
    pub few_kernels: bool,
    /// The tuning table.
    pub tuning: Tuning,
}

/// The offsets of tensors in their buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Offsets {
    /// Those that the device binds: multiples of `storage_offset_alignment`.
    #[default]
    Binding,
    /// Those of whole packs: shaders add the rest of an offset, as
    /// [`Dispatch::places`](crate::shaders::Dispatch::places) says.
    Pack,
    /// Those of elements. Shaders load and store one element at a time.
    Element,
}

impl Caps {
    /// The capabilities of a device.
    #[cfg(feature = "wgpu")]
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        Self::new(&device.adapter_info(), device.features(), &device.limits())
    }

    /// The capabilities of a device of this adapter with these features and limits.
    #[cfg(feature = "wgpu")]
    #[must_use]
    pub fn new(info: &wgpu::AdapterInfo, features: wgpu::Features, limits: &wgpu::Limits) -> Self {
        Self {
            cpu: info.device_type == wgpu::DeviceType::Cpu,
            subgroup_size: features.contains(wgpu::Features::SUBGROUP).then(|| subgroup_size(info)),
            max_workgroup_size: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_offset_alignment: limits.min_storage_buffer_offset_alignment,
            shared_buffers: false,
            offsets: Offsets::Binding,
            few_kernels: false,
            tuning: Tuning::of(info),
        }
    }
}

impl Caps {
    /// The same for each choice of offsets that a plan has, the fastest first.
    #[cfg(feature = "wgpu")]
    pub(crate) fn alternatives(&self) -> impl Iterator<Item = Self> + '_ {
        let elements = (self.offsets == Offsets::Pack).then_some(Offsets::Element);
        [self.offsets].into_iter().chain(elements).map(|offsets| Self { offsets, ..self.clone() })
    }

    /// Bytes of a tensor in the largest binding, which may begin before the tensor.
    pub(crate) fn max_tensor_binding_size(&self) -> u64 {
        let before = if self.offsets == Offsets::Binding { 0 } else { u64::from(self.storage_offset_alignment) };
        self.max_storage_buffer_binding_size.saturating_sub(before)
    }
}

impl Default for Caps {
    /// The capabilities of every WebGPU device: a GPU without subgroups, with the default limits.
    fn default() -> Self {
        Self {
            cpu: false,
            subgroup_size: None,
            max_workgroup_size: 256,
            max_workgroup_storage: 16384,
            max_workgroups_per_dimension: 65535,
            max_storage_buffer_binding_size: 128 << 20,
            max_storage_buffers: 8,
            storage_offset_alignment: 256,
            shared_buffers: false,
            offsets: Offsets::Binding,
            few_kernels: false,
            tuning: Tuning::GPU,
        }
    }
}

/// The smallest and the largest subgroup that the driver takes. A cluster has four lanes, so no size is below four.
#[cfg(feature = "wgpu")]
fn subgroup_size(info: &wgpu::AdapterInfo) -> (u32, u32) {
    // wgpu reports 4 to 64 for every device of Metal, which has no query for it. Apple's GPUs take 32.
    if info.backend == wgpu::Backend::Metal && info.name.starts_with("Apple") {
        return (32, 32);
    }
    (info.subgroup_min_size.max(4), info.subgroup_max_size.max(4))
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_webgpu_guarantees() {
        let info = wgpu::AdapterInfo::new(wgpu::DeviceType::DiscreteGpu, wgpu::Backend::Vulkan);
        let guaranteed = Caps::new(&info, wgpu::Features::empty(), &wgpu::Limits::default());
        assert_eq!(Caps::default(), guaranteed);
    }

    #[test]
    fn a_vendor_has_the_subgroups_and_the_table_of_its_driver() {
        use wgpu::Backend::{Dx12, Metal, Vulkan};
        // What wgpu reports.
        let amd = (Vulkan, 0x1002, "AMD Radeon RX 7900 XTX (RADV NAVI31)", "Mesa 25.0.7", (32, 64));
        let vega = (Vulkan, 0x1002, "AMD Radeon RX Vega (RADV VEGA10)", "Mesa 25.0.7", (64, 64));
        let intel = (Vulkan, 0x8086, "Intel(R) Arc(tm) A770M Graphics (DG2)", "Mesa 25.0.7", (8, 32));
        let nvk = (Vulkan, 0x10de, "NVIDIA GeForce RTX 3060 (NVK GA106)", "Mesa 25.0.7", (32, 32));
        let adreno = (Vulkan, 0x5143, "Turnip Adreno (TM) 740", "Mesa 25.0.7", (64, 128));
        let nvidia = (Vulkan, 0x10de, "NVIDIA H100", "550.90", (32, 32));
        let nvidia_dx12 = (Dx12, 0x10de, "NVIDIA GeForce RTX 3060", "32.0.15.6603", (32, 32));
        let apple = (Metal, 0, "Apple M1 Pro", "", (4, 64));
        let amd_mac = (Metal, 0, "AMD Radeon Pro 5500M", "", (4, 64));
        let gpu = Tuning::GPU;
        for (device, sizes, tuning) in [
            (amd, (32, 64), gpu.clone()),
            (vega, (64, 64), gpu.clone()),
            (intel, (8, 32), gpu.clone()),
            (nvk, (32, 32), gpu.clone()),
            (adreno, (64, 128), gpu.clone()),
            (nvidia, (32, 32), Tuning::NVIDIA_VULKAN),
            (nvidia_dx12, (32, 32), Tuning::NVIDIA),
            (apple, (32, 32), gpu.clone()),
            (amd_mac, (4, 64), gpu),
        ] {
            let (backend, vendor, name, driver, reported) = device;
            let mut info = wgpu::AdapterInfo::new(wgpu::DeviceType::DiscreteGpu, backend);
            (info.vendor, info.name, info.driver_info) = (vendor, name.into(), driver.into());
            (info.subgroup_min_size, info.subgroup_max_size) = reported;
            let caps = Caps::new(&info, wgpu::Features::SUBGROUP, &wgpu::Limits::default());
            assert_eq!((caps.subgroup_size, &caps.tuning), (Some(sizes), &tuning), "{name}");
            let without = Caps::new(&info, wgpu::Features::empty(), &wgpu::Limits::default());
            assert_eq!(without.subgroup_size, None, "{name}");
        }
    }
}
