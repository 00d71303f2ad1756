//! What examples in the documentation hide.

/// Hidden lines: wgpu's noop device, which validates and computes nothing; buffers of so many elements of 4 bytes; a
/// compute pass.
macro_rules! noop {
    () => {
        "\
# use wgpu_norm::wgpu;
# let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
# let buffer = |elements: u64| device.create_buffer(&wgpu::BufferDescriptor {
#     label: None, size: elements * 4, usage: wgpu::BufferUsages::STORAGE, mapped_at_creation: false,
# });
# let mut encoder = device.create_command_encoder(&Default::default());
# let mut pass = encoder.begin_compute_pass(&Default::default());"
    };
}
pub(crate) use noop;
