//! The shaders of wgpu-norm on Vulkan, without wgpu: an example for an engine with a device of its own.
//!
//! `src/device.rs` has the Vulkan part: the device as `Caps`, a pipeline of each shader, and the dispatches of an op.
//! Here is what an engine does for an op, which is little: lower it, make its buffers, run its dispatches. The results
//! are compared with the f64 reference, for random tensors and for rows that a naive variance gets wrong.
#![warn(unsafe_op_in_unsafe_fn, clippy::pedantic, clippy::undocumented_unsafe_blocks)]

mod device;

use std::{collections::HashMap, process::ExitCode};

use wgpu_norm::{
    Access, BatchNorm, DType, GroupNorm, LayerNorm, Norm, Outputs, RmsNorm, RunningStats, Strategy, Tensors,
    shaders::{self, Buffer, Program},
    testing,
};

use device::{Device, Result};

fn ops() -> Vec<(&'static str, Box<dyn Norm>)> {
    let layer = LayerNorm::new(&[64, 384], 1..);
    let rms = RmsNorm::new(&[33, 130], 1..).dtype(DType::F16).residual(true).residual_output(true);
    let batch = BatchNorm::training(&[8, 6, 100]).running_stats(RunningStats::CUMULATIVE).save_stats(true);
    vec![
        ("layer norm", Box::new(layer.clone().save_stats(true))),
        ("RMS norm of a sum, f16", Box::new(rms)),
        ("layer norm, backward", Box::new(layer.backward())),
        ("batch norm, training", Box::new(batch)),
        ("group norm", Box::new(GroupNorm::new(&[3, 12, 50], 4))),
    ]
}

fn run(device: &mut Device, op: &dyn Norm, program: &Program, tensors: &Tensors<'_>) -> Result<Outputs<f32>> {
    let specs = op.tensors()?;
    let mut buffers = HashMap::new();
    // NaN in every type: what no shader writes does not pass.
    for &(scratch, bytes) in &program.scratch {
        buffers.insert(scratch, vec![0xff; usize::try_from(bytes)?]);
    }
    for spec in &specs {
        let unwritten = vec![0xff; usize::try_from(spec.bytes())?];
        buffers.insert(Buffer::Tensor(spec.slot), tensors.bytes(spec).unwrap_or(unwritten));
    }
    device.run(&program.dispatches, &mut buffers)?;
    let mut outputs = Outputs::default();
    for spec in specs.iter().filter(|spec| spec.access != Access::Read) {
        outputs.set_bytes(spec, &buffers[&Buffer::Tensor(spec.slot)]);
    }
    Ok(outputs)
}

/// Compares an op with the reference. Returns the number of its dispatches, and the largest error as a fraction of the
/// bound.
fn check(device: &mut Device, op: &dyn Norm) -> Result<(usize, f64)> {
    let program = shaders::program(op, &device.caps, Strategy::Inferred)?;
    Ok((program.dispatches.len(), check_program(device, op, &program)?))
}

/// Random tensors, and rows that a naive variance gets wrong. An error beyond the bound names the tensor.
fn check_program(device: &mut Device, op: &dyn Norm, program: &Program) -> Result<f64> {
    Ok(testing::conformance(op, |tensors| run(device, op, program, tensors))?)
}

fn main() -> ExitCode {
    let mut device = match Device::open() {
        Ok(device) => device,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", device.name);
    let mut code = ExitCode::SUCCESS;
    for (name, op) in ops() {
        match check(&mut device, &*op) {
            Ok((dispatches, error)) => {
                println!("{name:<24} {dispatches} dispatches, largest error {:.2} % of the bound", 100.0 * error);
            }
            Err(e) => {
                println!("{name:<24} WRONG: {e}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu_norm::{Caps, Method, Team};

    fn device() -> Device {
        Device::open().expect("a Vulkan device")
    }

    /// Checks the ops that the strategy and the device allow. Returns their programs.
    fn conforming(device: &mut Device, caps: &Caps, strategy: Strategy) -> Vec<Program> {
        let programs = ops().into_iter().filter_map(|(name, op)| {
            let program = shaders::program(&*op, caps, strategy).ok()?;
            check_program(device, &*op, &program).unwrap_or_else(|e| panic!("{name}: {e}"));
            Some(program)
        });
        programs.collect()
    }

    #[test]
    #[cfg_attr(target_vendor = "apple", ignore = "no Vulkan there")]
    fn every_op_conforms() {
        let mut device = device();
        let caps = device.caps.clone();
        let programs = conforming(&mut device, &caps, Strategy::Inferred);
        assert_eq!(programs.len(), ops().len());
        assert!(programs.iter().any(|program| program.dispatches.len() > 1 && !program.scratch.is_empty()));
    }

    #[test]
    #[cfg_attr(target_vendor = "apple", ignore = "no Vulkan there")]
    fn subgroups_compute_rows() {
        let mut device = device();
        let caps = device.caps.clone();
        let programs = conforming(&mut device, &caps, Strategy::Forced(Method::Resident(Team::Subgroup)));
        assert_eq!(programs.is_empty(), caps.subgroup_size.is_none());
    }

    #[test]
    #[cfg_attr(target_vendor = "apple", ignore = "no Vulkan there")]
    fn tensors_are_bound_in_parts() {
        let mut device = device();
        let mut caps = device.caps.clone();
        caps.max_storage_buffer_binding_size = 32 << 10;
        let programs = conforming(&mut device, &caps, Strategy::Inferred);
        let mut dispatches = programs.iter().flat_map(|program| &program.dispatches);
        assert!(dispatches.any(|dispatch| !dispatch.ranges.is_empty()));
    }

    #[test]
    #[cfg_attr(target_vendor = "apple", ignore = "no Vulkan there")]
    fn a_missing_dispatch_is_found() {
        let mut device = device();
        for (name, op) in ops() {
            let mut program = shaders::program(&*op, &device.caps, Strategy::Inferred).expect("a program");
            program.dispatches.pop();
            assert!(check_program(&mut device, &*op, &program).is_err(), "{name}");
        }
    }
}
