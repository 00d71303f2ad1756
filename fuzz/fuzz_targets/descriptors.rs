//! Any descriptor is lowered for any device, or refused; where it is lowered, its grid is one that WebGPU takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgpu_norm::shaders;

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
    let ops = descriptor.ops();
    let op = &ops[usize::from(which) % ops.len()];
    let Ok(program) = shaders::program(&**op, &caps, descriptor.strategy()) else { return };
    for dispatch in program.dispatches {
        assert!(dispatch.workgroups.iter().all(|n| (1..=caps.max_workgroups_per_dimension).contains(n)));
        // Places for offsets that the shader takes.
        let places = dispatch.places(|_| 16 * u64::from(which));
        assert!(!dispatch.shader.has_places() || places.len() % 16 == 0);
    }
});
