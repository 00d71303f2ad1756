//! Any descriptor is lowered for any device, or refused; where it is lowered, its grid is one that WebGPU takes. Small
//! ones are also called with any number of rows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgpu_norm::{Planner, shaders, wgpu};

#[path = "../../tests/common/calls.rs"]
mod calls;
#[path = "../../tests/common/descriptors.rs"]
mod descriptors;

fuzz_target!(|input: (u8, descriptors::Descriptor)| {
    let (which, mut descriptor) = input;
    // Most numbers make no tensor: small ones, powers of two, and some of any kind.
    for n in &mut descriptor.shape {
        *n = match *n % 4 {
            0 => *n / 4 % 5,
            1 => *n / 4 % 5000,
            2 => 1 << (*n / 4 % 33),
            _ => *n,
        };
    }
    descriptor.shape.truncate(8);
    descriptor.axes = (descriptor.axes.0 % 9, descriptor.axes.1 % 9);
    let caps = descriptor.caps();
    let mut ops = descriptor.ops();
    let op = ops.swap_remove(usize::from(which) % ops.len());
    let [any_offset, shared_buffers, few_kernels, ..] = descriptor.flags;
    let Ok(program) = shaders::program(&*op, &caps, descriptor.strategy()) else { return };
    for dispatch in program.dispatches {
        assert!(dispatch.workgroups.iter().all(|n| (1..=caps.max_workgroups_per_dimension).contains(n)));
        // Places for offsets that the shader takes.
        let places = dispatch.places(|_| 16 * u64::from(which));
        assert!(!dispatch.shader.has_places() || places.len() % 16 == 0);
    }
    let elements = descriptor.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    if elements.is_some_and(|elements| elements < 1 << 12) {
        thread_local! {
            static DEVICE: wgpu::Device = wgpu::Device::noop(&wgpu::DeviceDescriptor::default()).0;
        }
        let planner = DEVICE.with(Planner::new).any_offset(any_offset).shared_buffers(shared_buffers);
        let planner = planner.few_kernels(few_kernels);
        let rows = usize::from(which);
        calls::call_any_rows(&planner, op, rows % 16, rows / 8).unwrap();
    }
});
