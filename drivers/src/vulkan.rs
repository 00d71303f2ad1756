//! A Vulkan driver, as wgpu uses it: what the device can do, and pipelines with what the compiler says of them.
//! All that is unsafe in this program is here.

use std::ffi::{CStr, c_char};

use ash::{ext, khr, vk};
use wgpu_norm::{
    Caps,
    shaders::{Backend, translate},
    wgpu,
};

use crate::{
    DeviceInfo,
    statistics::{Executable, Names, Statistics},
};

/// A device of a driver. Nothing is ever destroyed but what belongs to one shader: the process ends soon.
pub struct Driver {
    device: ash::Device,
    executables: Option<khr::pipeline_executable_properties::Device>,
    names: Option<&'static Names>,
    /// wgpu allows any subgroup size on devices with the feature `SUBGROUP`.
    stage_flags: vk::PipelineShaderStageCreateFlags,
    _entry: ash::Entry,
    _instance: ash::Instance,
}

/// What the driver says of the device, in wgpu's terms.
struct Adapter {
    info: wgpu::AdapterInfo,
    features: wgpu::Features,
    limits: wgpu::Limits,
}

fn failed(what: &str) -> impl Fn(vk::Result) -> String {
    move |e| format!("{what}: {e}")
}

fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|&c| c.cast_unsigned()).collect();
    CStr::from_bytes_until_nul(&bytes).map_or_else(|_| "?".into(), |text| text.to_string_lossy().into_owned())
}

impl Driver {
    /// Opens the first device.
    pub fn open(name: &str) -> Result<(Self, DeviceInfo), String> {
        // SAFETY: the loader is a library that any program may load, and its entry points are those of Vulkan.
        let entry = unsafe { ash::Entry::load() }.map_err(|e| format!("no Vulkan: {e}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: what `create` points to outlives the call; so it is in all the calls below.
        let instance = unsafe { entry.create_instance(&create, None) }.map_err(failed("no instance"))?;
        // SAFETY: the instance is alive; so it is in all the calls below.
        let devices = unsafe { instance.enumerate_physical_devices() }.map_err(failed("no devices"))?;
        let physical = *devices.first().ok_or("the driver has no device")?;
        // SAFETY: the device is the instance's; so it is in all the calls below.
        let extensions = unsafe { instance.enumerate_device_extension_properties(physical) };
        let extensions = extensions.map_err(failed("no extensions"))?;
        let has = |name: &CStr| extensions.iter().any(|e| e.extension_name_as_c_str() == Ok(name));

        let adapter = adapter(&instance, physical, &has);
        let names = Names::of(name);

        let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut statistics = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
        let mut sizes = vk::PhysicalDeviceSubgroupSizeControlFeatures::default();
        let mut features = vk::PhysicalDeviceFeatures2::default();
        let mut enabled = Vec::new();
        if has(ext::robustness2::NAME) {
            features = features.push_next(&mut robustness);
            enabled.push(ext::robustness2::NAME.as_ptr());
        }
        if has(khr::pipeline_executable_properties::NAME) {
            features = features.push_next(&mut statistics);
            enabled.push(khr::pipeline_executable_properties::NAME.as_ptr());
        }
        if has(ext::subgroup_size_control::NAME) {
            features = features.push_next(&mut sizes);
            enabled.push(ext::subgroup_size_control::NAME.as_ptr());
        }
        // SAFETY: each struct of the chain belongs to an extension that the device has.
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        // Of the core features, wgpu enables this one, and others that compute shaders do not use.
        let robust = features.features.robust_buffer_access;
        features.features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(robust != 0);
        // SAFETY: as above.
        let families = unsafe { instance.get_physical_device_queue_family_properties(physical) };
        let family = families.iter().position(|family| family.queue_flags.contains(vk::QueueFlags::COMPUTE));
        let family = u32::try_from(family.ok_or("no queue for compute")?).map_err(|e| e.to_string())?;
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
        let create = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&enabled)
            .push_next(&mut features);
        // SAFETY: the device has the extensions, and reported the features itself.
        let device = unsafe { instance.create_device(physical, &create, None) }.map_err(failed("no device"))?;
        let (robust, has_statistics) =
            (robustness.robust_buffer_access2 != 0, statistics.pipeline_executable_info != 0);
        let executables = has_statistics.then(|| khr::pipeline_executable_properties::Device::new(&instance, &device));
        let stage_flags = if adapter.features.contains(wgpu::Features::SUBGROUP) {
            vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE
        } else {
            vk::PipelineShaderStageCreateFlags::empty()
        };
        let mut device_info =
            DeviceInfo::new(&adapter.info, Caps::new(&adapter.info, adapter.features, &adapter.limits));
        device_info.names = names.filter(|_| has_statistics);
        if !robust {
            device_info
                .notes
                .push("no robustBufferAccess2: wgpu would clamp indices of buffers, the SPIR-V here does not");
        }
        if device_info.names.is_none() {
            device_info.notes.push("statistics of this driver are not known: shaders are only compiled");
        }
        Ok((Self { device, executables, names, stage_flags, _entry: entry, _instance: instance }, device_info))
    }

    /// Makes the pipeline of a shader. Returns its statistics, if they are known.
    pub fn compile(&self, wgsl: &str, layout: &[wgpu::BindGroupLayoutEntry]) -> Result<Option<Statistics>, String> {
        let spirv = translate(wgsl, Backend::SpirV).map_err(|e| e.to_string())?;
        let words: Result<Vec<u32>, _> = spirv.lines().map(|word| u32::from_str_radix(word, 16)).collect();
        let words = words.map_err(|e| e.to_string())?;
        let binding = |entry: &wgpu::BindGroupLayoutEntry| {
            let ty = match entry.ty {
                wgpu::BindingType::Buffer { has_dynamic_offset: true, .. } => {
                    vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC
                }
                wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, .. } => {
                    vk::DescriptorType::UNIFORM_BUFFER
                }
                _ => vk::DescriptorType::STORAGE_BUFFER,
            };
            vk::DescriptorSetLayoutBinding::default()
                .binding(entry.binding)
                .descriptor_type(ty)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = layout.iter().map(binding).collect();
        let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        // SAFETY: the device is alive, as in all the calls below, and the bindings outlive the call.
        let set =
            unsafe { self.device.create_descriptor_set_layout(&create, None) }.map_err(failed("no set layout"))?;
        let sets = [set];
        let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
        // SAFETY: the set layout is the device's.
        let layout = unsafe { self.device.create_pipeline_layout(&create, None) }.map_err(failed("no layout"))?;
        let create = vk::ShaderModuleCreateInfo::default().code(&words);
        // SAFETY: naga has validated the module and written it as SPIR-V.
        let module = unsafe { self.device.create_shader_module(&create, None) }.map_err(failed("no module"))?;
        let result = self.pipeline(layout, module);
        // SAFETY: nothing uses them any longer, as the pipeline is gone.
        unsafe {
            self.device.destroy_shader_module(module, None);
            self.device.destroy_pipeline_layout(layout, None);
            self.device.destroy_descriptor_set_layout(set, None);
        }
        result
    }

    fn pipeline(&self, layout: vk::PipelineLayout, module: vk::ShaderModule) -> Result<Option<Statistics>, String> {
        let flags = if self.executables.is_some() {
            vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
        } else {
            vk::PipelineCreateFlags::empty()
        };
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .flags(self.stage_flags)
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main");
        let create = [vk::ComputePipelineCreateInfo::default().flags(flags).layout(layout).stage(stage)];
        // SAFETY: the module has the entry point `main`, and the layout has its bindings.
        let pipelines = unsafe { self.device.create_compute_pipelines(vk::PipelineCache::null(), &create, None) };
        let pipeline = pipelines.map_err(|(_, e)| failed("no pipeline")(e))?[0];
        let result = self.statistics(pipeline);
        // SAFETY: no command uses it.
        unsafe { self.device.destroy_pipeline(pipeline, None) };
        result
    }

    fn statistics(&self, pipeline: vk::Pipeline) -> Result<Option<Statistics>, String> {
        let (Some(executables), Some(names)) = (&self.executables, self.names) else { return Ok(None) };
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline is the device's, which has the extension and the feature.
        let properties = unsafe { executables.get_pipeline_executable_properties(&info) };
        let properties = properties.map_err(failed("no executables"))?;
        let mut found = Vec::new();
        for (index, executable) in (0..).zip(&properties) {
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(index);
            // SAFETY: as above, the pipeline was made with CAPTURE_STATISTICS, and has so many executables.
            let values = unsafe { executables.get_pipeline_executable_statistics(&info) };
            let values = values.map_err(failed("no statistics"))?;
            let numbers = values.iter().map(|value| (text(&value.name), number(value))).collect();
            found.push(Executable { subgroup_size: executable.subgroup_size, numbers });
        }
        names.statistics(&found).map(Some)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no count of a driver is a fraction")]
fn number(value: &vk::PipelineExecutableStatisticKHR<'_>) -> u64 {
    // SAFETY: the format says which field of the union the driver has written.
    unsafe {
        match value.format {
            vk::PipelineExecutableStatisticFormatKHR::BOOL32 => u64::from(value.value.b32),
            vk::PipelineExecutableStatisticFormatKHR::INT64 => value.value.i64.try_into().unwrap_or(0),
            vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => value.value.f64 as u64,
            _ => value.value.u64,
        }
    }
}

/// The device in wgpu's terms, as wgpu-hal 30 would report it, as far as this crate looks at it.
fn adapter(instance: &ash::Instance, physical: vk::PhysicalDevice, has: &dyn Fn(&CStr) -> bool) -> Adapter {
    let mut sizes = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
    let mut subgroups = vk::PhysicalDeviceSubgroupProperties::default();
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut sizes).push_next(&mut subgroups);
    properties = properties.push_next(&mut driver);
    // SAFETY: drivers pass over structs that they do not know.
    unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
    let properties = properties.properties;
    let has_sizes = properties.api_version >= vk::API_VERSION_1_3 || has(ext::subgroup_size_control::NAME);

    let device_type = match properties.device_type {
        vk::PhysicalDeviceType::INTEGRATED_GPU => wgpu::DeviceType::IntegratedGpu,
        vk::PhysicalDeviceType::DISCRETE_GPU => wgpu::DeviceType::DiscreteGpu,
        vk::PhysicalDeviceType::VIRTUAL_GPU => wgpu::DeviceType::VirtualGpu,
        vk::PhysicalDeviceType::CPU => wgpu::DeviceType::Cpu,
        _ => wgpu::DeviceType::Other,
    };
    let mut info = wgpu::AdapterInfo::new(device_type, wgpu::Backend::Vulkan);
    info.name = text(&properties.device_name);
    (info.vendor, info.device) = (properties.vendor_id, properties.device_id);
    (info.driver, info.driver_info) = (text(&driver.driver_name), text(&driver.driver_info));
    if has_sizes {
        (info.subgroup_min_size, info.subgroup_max_size) = (sizes.min_subgroup_size, sizes.max_subgroup_size);
    }

    let operations = vk::SubgroupFeatureFlags::BASIC
        | vk::SubgroupFeatureFlags::VOTE
        | vk::SubgroupFeatureFlags::ARITHMETIC
        | vk::SubgroupFeatureFlags::BALLOT
        | vk::SubgroupFeatureFlags::SHUFFLE
        | vk::SubgroupFeatureFlags::SHUFFLE_RELATIVE
        | vk::SubgroupFeatureFlags::QUAD;
    let stages = vk::ShaderStageFlags::COMPUTE | vk::ShaderStageFlags::FRAGMENT;
    let has_subgroups =
        has_sizes && subgroups.supported_operations.contains(operations) && subgroups.supported_stages.contains(stages);
    let features = if has_subgroups { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() };

    let limits = &properties.limits;
    let [width, height, depth] = limits.max_compute_work_group_count;
    let offset_alignment = u32::try_from(limits.min_storage_buffer_offset_alignment).unwrap_or(u32::MAX);
    // wgpu's cap of a binding, i32::MAX, in whole words.
    let binding = u64::from(limits.max_storage_buffer_range).min(0x7fff_ffff) & !3;
    let limits = wgpu::Limits {
        max_storage_buffers_per_shader_stage: limits
            .max_per_stage_descriptor_storage_buffers
            .min(limits.max_descriptor_set_storage_buffers / 2),
        max_storage_buffer_binding_size: binding,
        min_storage_buffer_offset_alignment: offset_alignment.max(32),
        max_compute_workgroup_storage_size: limits.max_compute_shared_memory_size,
        max_compute_invocations_per_workgroup: limits.max_compute_work_group_invocations,
        max_compute_workgroup_size_x: limits.max_compute_work_group_size[0],
        max_compute_workgroups_per_dimension: width.min(height).min(depth),
        ..wgpu::Limits::default()
    };
    Adapter { info, features, limits }
}

/// A module without checks of loops and divisors, as the planner makes it.
pub fn trusted_module(device: &wgpu::Device, wgsl: &str) -> wgpu::ShaderModule {
    let checks = wgpu::ShaderRuntimeChecks {
        force_loop_bounding: false,
        int_div_checks: false,
        ..wgpu::ShaderRuntimeChecks::checked()
    };
    let descriptor = wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
    // SAFETY: the source is the crate's: no divisor is zero, and every loop ends. Nothing executes it either.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}
