//! The features and limits to request from an adapter, and a report on a device.

use std::fmt;

use crate::{
    caps::Caps,
    lower::lower,
    ops::{BatchNorm, LayerNorm, Norm, op::Internal},
    types::Strategy,
};

/// The features and limits of an adapter that this crate uses. Put them into the [`wgpu::DeviceDescriptor`], together
/// with those that the rest of the program needs. A device with the defaults has no subgroups and binds at most 128
/// MiB, whatever the adapter supports.
///
/// ```no_run
/// # fn f(adapter: wgpu::Adapter) {
/// let (required_features, required_limits) = wgpu_norm::recommended(&adapter);
/// let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
/// let request = adapter.request_device(&descriptor);
/// # }
/// ```
#[must_use]
pub fn recommended(adapter: &wgpu::Adapter) -> (wgpu::Features, wgpu::Limits) {
    (adapter.features() & wgpu::Features::SUBGROUP, adapter.limits())
}

/// A printable report on a device: adapter, driver, features, limits, and the methods for some shapes.
///
/// ```
/// use wgpu_norm::{DeviceReport, wgpu};
///
/// # let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
/// let report = DeviceReport::new(&device);
/// println!("{report}");
/// assert!(report.to_string().contains("layer norm           [4096, 768] ")); // and the method for this shape
/// ```
#[derive(Clone, Debug)]
pub struct DeviceReport {
    info: wgpu::AdapterInfo,
    caps: Caps,
}

impl DeviceReport {
    /// The report of a device.
    #[must_use]
    pub fn new(device: &wgpu::Device) -> Self {
        Self { info: device.adapter_info(), caps: Caps::of(device) }
    }
}

impl fmt::Display for DeviceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { info, caps } = self;
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<20} {value}");
        line("adapter", &info.name)?;
        line("backend, type", &format_args!("{}, {:?}", info.backend, info.device_type))?;
        line("driver", &format!("{} {}", info.driver, info.driver_info).trim())?;
        match caps.subgroup_size {
            Some((min, max)) => line("subgroups", &format_args!("{min} to {max} lanes"))?,
            None => line("subgroups", &"no: the feature SUBGROUP was not requested, or is not there")?,
        }
        line(
            "workgroup",
            &format_args!("{} invocations, {} bytes", caps.max_workgroup_size, caps.max_workgroup_storage),
        )?;
        line("dispatch", &format_args!("{} workgroups a dimension", caps.max_workgroups_per_dimension))?;
        line("storage binding", &format_args!("{} bytes", caps.max_storage_buffer_binding_size))?;
        line("storage buffers", &format_args!("{} a shader", caps.max_storage_buffers))?;
        line("offset alignment", &format_args!("{} bytes", caps.storage_offset_alignment))?;
        for shape in [[1 << 16, 16], [4096, 768], [4096, 1023], [1024, 4096], [256, 16384], [1, 1 << 20]] {
            method(&mut line, "layer norm", &LayerNorm::new(&shape, 1..), &shape, caps)?;
        }
        for shape in [&[256, 1024][..], &[8, 64, 56, 56]] {
            method(&mut line, "batch norm training", &BatchNorm::training(shape), shape, caps)?;
        }
        Ok(())
    }
}

fn method(
    line: &mut impl FnMut(&str, &dyn fmt::Display) -> fmt::Result,
    name: &str,
    op: &impl Norm,
    shape: &[usize],
    caps: &Caps,
) -> fmt::Result {
    match op.operation(Internal).and_then(|operation| lower(&operation, caps, Strategy::Inferred)) {
        Ok(lowered) => match lowered.method {
            Some(method) => line(name, &format_args!("{shape:?} {method}")),
            None => Ok(()),
        },
        Err(e) => line(name, &format_args!("{shape:?} {e}")),
    }
}
