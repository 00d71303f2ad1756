//! What the adapters of this machine are, and how the crate would compute some ops on them.

use wgpu_norm::{DeviceReport, host, host::Gpu, wgpu};

use crate::{Failure, adapter, say};

/// What a machine without an adapter may install.
pub const REMEDY: &str = if cfg!(target_os = "linux") {
    "; lavapipe needs no GPU: `apt-get install mesa-vulkan-drivers libvulkan1` on Debian and Ubuntu, `dnf install \
     mesa-vulkan-drivers` on Fedora, `pacman -S vulkan-swrast` on Arch"
} else {
    ""
};

fn all() -> Result<Vec<wgpu::Adapter>, Failure> {
    let adapters = host::adapters();
    if adapters.is_empty() {
        return Err(Failure::usage(format!("no adapter: wgpu found none on this machine{REMEDY}")));
    }
    Ok(adapters)
}

/// An adapter in a line.
pub fn line(info: &wgpu::AdapterInfo) -> String {
    let line = format!("{}, {}, {:?}, {} {}", info.name, info.backend, info.device_type, info.driver, info.driver_info);
    line.trim_end().to_owned()
}

/// Prints all, one a line.
pub fn list() -> Result<(), Failure> {
    all()?.iter().try_for_each(|adapter| say(line(&adapter.get_info())))
}

/// Prints what the one that is taken can do.
pub fn taken(name: Option<&str>) -> Result<(), Failure> {
    let gpu = Gpu::with_adapter(&adapter(name)?)?;
    say(DeviceReport::new(gpu.device()).to_string().trim_end())
}

/// Prints what each can do, or the one of this name.
pub fn run(name: Option<&str>) -> Result<(), Failure> {
    if name.is_some() {
        return taken(name);
    }
    for adapter in all()? {
        match Gpu::with_adapter(&adapter) {
            Ok(gpu) => say(DeviceReport::new(gpu.device()))?,
            Err(e) => say(format!("{}: {e}\n", adapter.get_info().name))?,
        }
    }
    Ok(())
}
