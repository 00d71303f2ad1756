//! A Vulkan device that runs dispatches. All that is unsafe in this program is here.

use std::{collections::HashMap, error::Error, num::ParseIntError, result};

use ash::{ext, vk};
use wgpu_norm::{
    Caps, Tuning,
    shaders::{Backend, Buffer, Dispatch, Shader, UNIFORM, translate},
};

pub type Result<T> = result::Result<T, Box<dyn Error>>;

/// The first device of the system, with a pipeline of each shader that it has run. Ops share them.
pub struct Device {
    pub name: String,
    pub caps: Caps,
    logical: ash::Device,
    queue: vk::Queue,
    family: u32,
    memory: vk::PhysicalDeviceMemoryProperties,
    pipelines: HashMap<Shader, Pipeline>,
    instance: ash::Instance,
    /// The loader's library, which must outlive all above.
    _entry: ash::Entry,
}

/// What a shader needs, with null handles for what was not made.
#[derive(Default)]
struct Pipeline {
    set: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    handle: vk::Pipeline,
}

impl Device {
    /// Opens the first device.
    pub fn open() -> Result<Self> {
        // SAFETY: the loader is a library that any program may load, and its entry points are those of Vulkan.
        let entry = unsafe { ash::Entry::load() }?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: what `create` points to outlives the call; so it is in all the calls below.
        let instance = unsafe { entry.create_instance(&create, None) }?;
        match open(&instance) {
            Ok((physical, family, device)) => {
                let (name, caps) = describe(&instance, physical);
                // SAFETY: the device has a queue of this family, and `physical` is the instance's.
                let (queue, memory) = unsafe {
                    (device.get_device_queue(family, 0), instance.get_physical_device_memory_properties(physical))
                };
                let pipelines = HashMap::new();
                Ok(Self { name, caps, logical: device, queue, family, memory, pipelines, instance, _entry: entry })
            }
            Err(e) => {
                // SAFETY: it has no device.
                unsafe { instance.destroy_instance(None) };
                Err(e)
            }
        }
    }

    /// Fills a buffer with each of these bytes, runs the dispatches, and reads all buffers back.
    ///
    /// A program that runs an op often keeps the buffers, descriptor sets and commands, as it does the pipelines.
    pub fn run(&mut self, dispatches: &[Dispatch], buffers: &mut HashMap<Buffer, Vec<u8>>) -> Result<()> {
        if dispatches.is_empty() {
            // An empty batch: Vulkan has no pool of no descriptor sets.
            return Ok(());
        }
        for shader in dispatches.iter().map(|dispatch| dispatch.shader) {
            if !self.pipelines.contains_key(&shader) {
                let mut pipeline = Pipeline::default();
                if let Err(e) = self.make(shader, &mut pipeline) {
                    pipeline.destroy(&self.logical);
                    return Err(e);
                }
                self.pipelines.insert(shader, pipeline);
            }
        }
        let mut run =
            Run { on: self, memory: Vec::new(), pool: <_>::default(), commands: <_>::default(), fence: <_>::default() };
        let mut places = HashMap::new();
        for (&buffer, bytes) in &*buffers {
            places.insert(buffer, run.buffer(bytes, vk::BufferUsageFlags::STORAGE_BUFFER)?);
        }
        run.execute(dispatches, &places)?;
        for (buffer, bytes) in buffers {
            // SAFETY: the memory is mapped and coherent, has so many bytes, and the device has finished with it.
            unsafe { places[buffer].mapped.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        }
        Ok(())
    }

    /// Makes the pipeline of a shader. If that fails, `made` has a part of it.
    fn make(&self, shader: Shader, made: &mut Pipeline) -> Result<()> {
        let spirv = translate(&shader.wgsl(), Backend::SpirV)?;
        let words = spirv.lines().map(|word| u32::from_str_radix(word, 16));
        let words = words.collect::<result::Result<Vec<u32>, ParseIntError>>()?;
        let binding = |binding, ty| {
            let binding = vk::DescriptorSetLayoutBinding::default().binding(binding).descriptor_type(ty);
            binding.descriptor_count(1).stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let storage = shader.storage();
        let storage = storage.iter().map(|storage| binding(storage.binding, vk::DescriptorType::STORAGE_BUFFER));
        let uniform = (!shader.params().is_empty()).then(|| binding(UNIFORM, vk::DescriptorType::UNIFORM_BUFFER));
        let bindings: Vec<_> = uniform.into_iter().chain(storage).collect();
        let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        // SAFETY: the device is alive, as in all the calls below.
        made.set = unsafe { self.logical.create_descriptor_set_layout(&create, None) }?;
        let create = vk::PipelineLayoutCreateInfo::default().set_layouts(std::slice::from_ref(&made.set));
        // SAFETY: the set layout is the device's.
        made.layout = unsafe { self.logical.create_pipeline_layout(&create, None) }?;
        let create = vk::ShaderModuleCreateInfo::default().code(&words);
        // SAFETY: naga has validated the module and written it as SPIR-V.
        let module = unsafe { self.logical.create_shader_module(&create, None) }?;
        // Any size of subgroups between those of the caps, as the shaders expect.
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE)
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main");
        let create = [vk::ComputePipelineCreateInfo::default().layout(made.layout).stage(stage)];
        // SAFETY: the module has the entry point `main`, and the layout its bindings. No pipeline keeps the module.
        let pipelines = unsafe {
            let pipelines = self.logical.create_compute_pipelines(vk::PipelineCache::null(), &create, None);
            self.logical.destroy_shader_module(module, None);
            pipelines
        };
        made.handle = pipelines.map_err(|(_, e)| e)?[0];
        Ok(())
    }
}

impl Pipeline {
    fn destroy(&self, device: &ash::Device) {
        // SAFETY: no command that uses them is pending, and null handles are passed over.
        unsafe {
            device.destroy_pipeline(self.handle, None);
            device.destroy_pipeline_layout(self.layout, None);
            device.destroy_descriptor_set_layout(self.set, None);
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        for pipeline in self.pipelines.values() {
            pipeline.destroy(&self.logical);
        }
        // SAFETY: nothing of the device is left, as each run destroys what it made.
        unsafe {
            self.logical.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

/// What one run makes, and destroys when it is dropped. Null handles are of what was not made.
struct Run<'a> {
    on: &'a Device,
    memory: Vec<(vk::Buffer, vk::DeviceMemory)>,
    pool: vk::DescriptorPool,
    commands: vk::CommandPool,
    fence: vk::Fence,
}

/// A buffer, and where the host sees it.
#[derive(Clone, Copy)]
struct Place {
    buffer: vk::Buffer,
    mapped: *mut u8,
}

impl Run<'_> {
    /// A buffer that has these bytes, in memory that the host sees. A faster one would be the device's alone.
    fn buffer(&mut self, bytes: &[u8], usage: vk::BufferUsageFlags) -> Result<Place> {
        let device = &self.on.logical;
        // Vulkan has no empty buffer.
        let create = vk::BufferCreateInfo::default().size(bytes.len().max(4) as u64).usage(usage);
        // SAFETY: the device is alive.
        let buffer = unsafe { device.create_buffer(&create, None) }?;
        self.memory.push((buffer, vk::DeviceMemory::null()));
        // SAFETY: the buffer is the device's.
        let needed = unsafe { device.get_buffer_memory_requirements(buffer) };
        let visible = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let fits = |(i, ty): &(u32, &vk::MemoryType)| {
            needed.memory_type_bits & (1 << i) != 0 && ty.property_flags.contains(visible)
        };
        let found = (0..).zip(self.on.memory.memory_types_as_slice()).find(fits);
        let (index, _) = found.ok_or("no memory that the host sees")?;
        let allocate = vk::MemoryAllocateInfo::default().allocation_size(needed.size).memory_type_index(index);
        // SAFETY: the device has a memory type of this index.
        let memory = unsafe { device.allocate_memory(&allocate, None) }?;
        self.memory.last_mut().expect("it was pushed").1 = memory;
        // SAFETY: the memory is as large as the buffer needs, of a type that it can have, and mapped once.
        let mapped = unsafe {
            device.bind_buffer_memory(buffer, memory, 0)?;
            device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast::<u8>()
        };
        // SAFETY: the mapping has at least so many bytes, and nothing else knows of it.
        unsafe { mapped.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(Place { buffer, mapped })
    }

    /// Runs the dispatches one after the other, and waits.
    fn execute(&mut self, dispatches: &[Dispatch], places: &HashMap<Buffer, Place>) -> Result<()> {
        let device = &self.on.logical;
        let create = vk::CommandPoolCreateInfo::default().queue_family_index(self.on.family);
        // SAFETY: the device has a queue of the family.
        self.commands = unsafe { device.create_command_pool(&create, None) }?;
        let allocate = vk::CommandBufferAllocateInfo::default().command_pool(self.commands).command_buffer_count(1);
        // SAFETY: the pool is new.
        let commands = unsafe { device.allocate_command_buffers(&allocate) }?[0];
        let begin = vk::CommandBufferBeginInfo::default().flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        // SAFETY: the command buffer is new.
        unsafe { device.begin_command_buffer(commands, &begin) }?;

        let sets = self.sets(dispatches, places)?;
        let device = &self.on.logical;
        for (dispatch, set) in dispatches.iter().zip(sets) {
            let pipeline = &self.on.pipelines[&dispatch.shader];
            let [x, y, z] = dispatch.workgroups;
            let compute = vk::PipelineBindPoint::COMPUTE;
            // SAFETY: the set has every binding of the pipeline. No write leaves its buffer: see docs/safety.md.
            unsafe {
                device.cmd_bind_pipeline(commands, compute, pipeline.handle);
                device.cmd_bind_descriptor_sets(commands, compute, pipeline.layout, 0, &[set], &[]);
                device.cmd_dispatch(commands, x, y, z);
            }
            // Each dispatch reads what those before have written, and may write what they have read.
            let access = vk::AccessFlags::SHADER_READ | vk::AccessFlags::SHADER_WRITE;
            self.barrier(commands, vk::PipelineStageFlags::COMPUTE_SHADER, access);
        }
        // The fence alone does not make the results visible to the host.
        self.barrier(commands, vk::PipelineStageFlags::HOST, vk::AccessFlags::HOST_READ);

        // SAFETY: the command buffer is recorded; all that it uses lives until the fence is signaled.
        self.fence = unsafe { device.create_fence(&vk::FenceCreateInfo::default(), None) }?;
        let recorded = [commands];
        let submit = [vk::SubmitInfo::default().command_buffers(&recorded)];
        // SAFETY: as above, and this program uses the queue in one thread.
        unsafe {
            device.end_command_buffer(commands)?;
            device.queue_submit(self.on.queue, &submit, self.fence)?;
            device.wait_for_fences(&[self.fence], true, u64::MAX)?;
        }
        Ok(())
    }

    /// What shaders wrote is there for what follows.
    fn barrier(&self, commands: vk::CommandBuffer, stage: vk::PipelineStageFlags, access: vk::AccessFlags) {
        let written = vk::MemoryBarrier::default().src_access_mask(vk::AccessFlags::SHADER_WRITE);
        let barrier = [written.dst_access_mask(access)];
        let compute = vk::PipelineStageFlags::COMPUTE_SHADER;
        // SAFETY: the command buffer is being recorded, outside of a render pass.
        unsafe {
            let flags = vk::DependencyFlags::empty();
            self.on.logical.cmd_pipeline_barrier(commands, compute, stage, flags, &barrier, &[], &[]);
        }
    }

    /// A descriptor set of each dispatch: its uniform, and its tensors and scratch.
    fn sets(&mut self, dispatches: &[Dispatch], places: &HashMap<Buffer, Place>) -> Result<Vec<vk::DescriptorSet>> {
        let count = u32::try_from(dispatches.len())?;
        let storage = u32::try_from(dispatches.iter().map(|dispatch| dispatch.shader.storage().len()).sum::<usize>())?;
        let size = |ty, count| vk::DescriptorPoolSize { ty, descriptor_count: count };
        let sizes =
            [size(vk::DescriptorType::UNIFORM_BUFFER, count), size(vk::DescriptorType::STORAGE_BUFFER, storage)];
        let create = vk::DescriptorPoolCreateInfo::default().max_sets(count).pool_sizes(&sizes);
        // SAFETY: the device is alive.
        self.pool = unsafe { self.on.logical.create_descriptor_pool(&create, None) }?;
        let layouts: Vec<_> = dispatches.iter().map(|dispatch| self.on.pipelines[&dispatch.shader].set).collect();
        let allocate = vk::DescriptorSetAllocateInfo::default().descriptor_pool(self.pool).set_layouts(&layouts);
        // SAFETY: the pool has so many sets and descriptors.
        let sets = unsafe { self.on.logical.allocate_descriptor_sets(&allocate) }?;
        for (dispatch, &set) in dispatches.iter().zip(&sets) {
            let write = |binding, ty, buffer, offset, range| {
                let info = [vk::DescriptorBufferInfo { buffer, offset, range }];
                let write = vk::WriteDescriptorSet::default().dst_set(set).dst_binding(binding);
                // SAFETY: no command uses the set yet, and its layout has a binding of this number and type.
                unsafe {
                    self.on.logical.update_descriptor_sets(&[write.descriptor_type(ty).buffer_info(&info)], &[]);
                }
            };
            for storage in dispatch.shader.storage() {
                // A tensor that is larger than a binding is bound in part.
                let part = dispatch.ranges.iter().find(|range| Buffer::Tensor(range.slot) == storage.buffer);
                let (offset, range) = part.map_or((0, vk::WHOLE_SIZE), |part| (part.offset, part.size));
                let place = places.get(&storage.buffer).ok_or("a buffer is missing")?;
                write(storage.binding, vk::DescriptorType::STORAGE_BUFFER, place.buffer, offset, range);
            }
            if !dispatch.params.is_empty() {
                let uniform = self.buffer(&dispatch.params, vk::BufferUsageFlags::UNIFORM_BUFFER)?.buffer;
                write(UNIFORM, vk::DescriptorType::UNIFORM_BUFFER, uniform, 0, vk::WHOLE_SIZE);
            }
        }
        Ok(sets)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let device = &self.on.logical;
        // SAFETY: the device has finished, or is lost. Null handles are passed over, and pools free what is theirs.
        unsafe {
            let _ = device.device_wait_idle();
            device.destroy_fence(self.fence, None);
            device.destroy_command_pool(self.commands, None);
            device.destroy_descriptor_pool(self.pool, None);
            for &(buffer, memory) in &self.memory {
                device.destroy_buffer(buffer, None);
                device.free_memory(memory, None);
            }
        }
    }
}

/// The first device, a family of queues for compute, and the device opened with the features that the shaders need.
fn open(instance: &ash::Instance) -> Result<(vk::PhysicalDevice, u32, ash::Device)> {
    // SAFETY: the instance is alive; so it is in all the calls below.
    let physical = *unsafe { instance.enumerate_physical_devices() }?.first().ok_or("no device")?;
    // SAFETY: the device is the instance's; so it is in all the calls below.
    let (properties, extensions, families) = unsafe {
        (
            instance.get_physical_device_properties(physical),
            instance.enumerate_device_extension_properties(physical)?,
            instance.get_physical_device_queue_family_properties(physical),
        )
    };
    if properties.api_version < vk::API_VERSION_1_3 {
        // SPIR-V 1.3 needs Vulkan 1.1. The sizes of subgroups, and any size in a pipeline, come with 1.3.
        return Err("the device has no Vulkan 1.3".into());
    }
    let family = families.iter().position(|family| family.queue_flags.contains(vk::QueueFlags::COMPUTE));
    let family = u32::try_from(family.ok_or("no queue for compute")?)?;

    // Some idle lanes read past the end of a table and use nothing of it, see docs/safety.md. With robustBufferAccess2
    // they read zeros, with robustBufferAccess, which every device has, anything of the buffer's memory.
    let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
    let mut sizes = vk::PhysicalDeviceSubgroupSizeControlFeatures::default().subgroup_size_control(true);
    let mut enabled = Vec::new();
    if extensions.iter().any(|e| e.extension_name_as_c_str() == Ok(ext::robustness2::NAME)) {
        let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut robust);
        // SAFETY: the struct belongs to an extension that the device has.
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        enabled.push(ext::robustness2::NAME.as_ptr());
    }
    let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
    let mut create = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_extension_names(&enabled)
        .enabled_features(&features)
        .push_next(&mut sizes);
    if !enabled.is_empty() {
        create = create.push_next(&mut robust);
    }
    // SAFETY: the device has the extension and the features: those of Vulkan 1.3, and those that it reported.
    Ok((physical, family, unsafe { instance.create_device(physical, &create, None) }?))
}

/// The name of a device, and what lowering needs to know of it.
fn describe(instance: &ash::Instance, physical: vk::PhysicalDevice) -> (String, Caps) {
    let mut sizes = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
    let mut subgroups = vk::PhysicalDeviceSubgroupProperties::default();
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut sizes).push_next(&mut subgroups);
    properties = properties.push_next(&mut driver);
    // SAFETY: the instance and its device are alive, and the device knows these structs of Vulkan 1.1 to 1.3.
    unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
    let (properties, limits) = (properties.properties, properties.properties.limits);
    let name = properties.device_name_as_c_str().unwrap_or_default().to_string_lossy();
    let driver_name = driver.driver_name_as_c_str().unwrap_or_default().to_string_lossy();
    let driver_info = driver.driver_info_as_c_str().unwrap_or_default().to_string_lossy();

    let mut caps = Caps::default();
    caps.cpu = properties.device_type == vk::PhysicalDeviceType::CPU;
    let needed =
        vk::SubgroupFeatureFlags::BASIC | vk::SubgroupFeatureFlags::ARITHMETIC | vk::SubgroupFeatureFlags::SHUFFLE;
    let has_subgroups = subgroups.supported_operations.contains(needed)
        && subgroups.supported_stages.contains(vk::ShaderStageFlags::COMPUTE);
    // A cluster has four lanes, so no size is below.
    let lanes = (sizes.min_subgroup_size.max(4), sizes.max_subgroup_size.max(4));
    caps.subgroup_size = has_subgroups.then_some(lanes);
    caps.max_workgroup_size = limits.max_compute_work_group_invocations.min(limits.max_compute_work_group_size[0]);
    caps.max_workgroup_storage = limits.max_compute_shared_memory_size;
    let [x, y, z] = limits.max_compute_work_group_count;
    caps.max_workgroups_per_dimension = x.min(y).min(z);
    // Whole words.
    caps.max_storage_buffer_binding_size = u64::from(limits.max_storage_buffer_range & !3);
    caps.max_storage_buffers = limits.max_per_stage_descriptor_storage_buffers;
    caps.storage_offset_alignment = u32::try_from(limits.min_storage_buffer_offset_alignment).unwrap_or(u32::MAX);
    caps.tuning = match driver.driver_id {
        _ if caps.cpu && driver_info.starts_with("Mesa 22.") => Tuning::MESA_22,
        _ if caps.cpu => Tuning::SOFTWARE,
        vk::DriverId::NVIDIA_PROPRIETARY => Tuning::NVIDIA_VULKAN,
        _ => Tuning::GPU,
    };
    (format!("{name}, {driver_name} {driver_info}"), caps)
}
