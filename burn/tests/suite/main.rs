//! The ops on burn's tensors, on whatever adapter burn finds. One program, as each links burn and starts its devices.

mod devices;
mod modules;
mod ops;

use std::sync::OnceLock;

use burn::tensor::{
    Device, DeviceKind, read_sync,
    wgpu::{MemoryConfiguration, WgpuSetup},
};
use wgpu_norm_burn::wgpu_norm::wgpu;

/// burn's own device, whose pools have many tensors in one buffer.
fn pooled() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| wgpu_norm_burn::init(Device::wgpu_options()).expect("an adapter")).clone()
}

/// burn's own device with a buffer for each tensor. Another kind is another runtime, and lavapipe is both kinds.
fn exclusive() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let options = || Device::wgpu_options().device_kind(DeviceKind::Cpu);
    let device = || wgpu_norm_burn::init(options().memory_config(MemoryConfiguration::ExclusivePages));
    DEVICE.get_or_init(|| device().expect("a CPU adapter")).clone()
}

/// A device that burn took over from this program.
fn imported() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let device = || {
        let setup = setup();
        let device = Device::wgpu_options().setup(setup.clone()).init().expect("burn takes the device");
        wgpu_norm_burn::register(&device, &setup);
        device
    };
    DEVICE.get_or_init(device).clone()
}

/// A device as docs/burn.md says: burn chooses kernels by the adapter's features, so the device has all of them.
fn setup() -> WgpuSetup {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = read_sync(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).expect("an adapter");
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS,
        required_limits: adapter.limits(),
        // SAFETY: no shader of these tests uses an experimental feature; burn's own device enables them too.
        experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
        ..Default::default()
    };
    let (device, queue) = read_sync(adapter.request_device(&descriptor)).expect("a device");
    let backend = adapter.get_info().backend;
    WgpuSetup { instance, adapter, device, queue, backend }
}
