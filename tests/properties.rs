//! Random shapes and data: descriptors never panic, and the adapter agrees with the reference.

mod common;

use std::{collections::HashSet, sync::Mutex};

use common::{calls::call_any_rows, descriptors::Descriptor, gpu, run};
use proptest::{prelude::*, strategy::Strategy as Generator};
use wgpu_norm::{
    BatchNorm, GroupNorm, LayerNorm, Norm, Planner, RunningStats, Strategy, Tensors, shaders,
    shaders::{Backend, Shader, translate},
    testing::{self, Random},
    wgpu,
};

/// Whether naga accepts a shader. Each shader is validated once.
fn is_valid(shader: &Shader) -> Result<(), String> {
    static SEEN: Mutex<Option<HashSet<Shader>>> = Mutex::new(None);
    let is_new = SEEN.lock().expect("not poisoned").get_or_insert_default().insert(*shader);
    if is_new {
        translate(&shader.wgsl(), Backend::SpirV).map(|_| ()).map_err(|e| format!("{shader}: {e}"))
    } else {
        Ok(())
    }
}

fn axis() -> impl Generator<Value = usize> {
    prop_oneof![0..5_usize, 0..5000_usize, Just(1 << 16), Just(1 << 31), any::<usize>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_descriptor_is_lowered_or_refused(
        shape in prop::collection::vec(axis(), 0..7),
        axes in (0..8_usize, 0..8_usize),
        (eps, momentum) in (any::<f32>(), any::<f32>()),
        (flags, dtypes, activation, gate) in any::<([bool; 16], [u8; 5], u8, u8)>(),
        stride in axis(),
        (cpu, subgroups, method) in any::<(bool, u8, Option<u8>)>(),
    ) {
        let descriptor =
            Descriptor { shape, axes, eps, momentum, flags, dtypes, activation, gate, stride, cpu, subgroups, method };
        let (caps, strategy) = (descriptor.caps(), descriptor.strategy());
        for op in descriptor.ops() {
            let Ok(program) = shaders::program(&*op, &caps, strategy) else { continue };
            for dispatch in program.dispatches {
                is_valid(&dispatch.shader).map_err(TestCaseError::fail)?;
                let limit = caps.max_workgroups_per_dimension;
                prop_assert!(dispatch.workgroups.iter().all(|&n| (1..=limit).contains(&n)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_number_of_rows_is_called_or_refused(
        shape in prop::collection::vec(1..20_usize, 1..5),
        axes in (0..4_usize, 0..5_usize),
        (flags, dtypes, activation, gate) in any::<([bool; 16], [u8; 5], u8, u8)>(),
        stride in 1..40_usize,
        (cpu, subgroups) in any::<(bool, u8)>(),
        (max_rows, rows) in (0..40_usize, 0..50_usize),
    ) {
        let (eps, momentum, method) = (1e-5, 0.1, None);
        let descriptor =
            Descriptor { shape, axes, eps, momentum, flags, dtypes, activation, gate, stride, cpu, subgroups, method };
        let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let planner = Planner::new(&device).any_offset(flags[0]).shared_buffers(flags[1]).few_kernels(flags[2]);
        for op in descriptor.ops() {
            call_any_rows(&planner, op, max_rows, rows).map_err(TestCaseError::fail)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layer_norm_of_any_shape(rows in 1..40_usize, len in 1..3000_usize, seed in any::<u64>(), offset in -1e6..1e6) {
        let mut random = Random::new(seed);
        let input = random.normal(rows * len, offset, 1.0);
        let (weight, bias) = (random.normal(len, 1.0, 0.5), random.normal(len, 0.0, 1.0));
        let op = LayerNorm::new(&[rows, len], 1..).save_stats(true);
        check(&op, &Tensors::new(&input).weight(&weight).bias(&bias))?;
    }

    #[test]
    fn group_norm_of_any_shape(
        (n, groups, channels, spatial) in (1..10_usize, 1..8_usize, 1..8_usize, 1..100_usize),
        (seed, offset) in (any::<u64>(), -1e6..1e6),
    ) {
        let mut random = Random::new(seed);
        let c = groups * channels;
        let input = random.normal(n * c * spatial, offset, 1.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        let op = GroupNorm::new(&[n, c, spatial], groups).save_stats(true);
        check(&op, &Tensors::new(&input).weight(&weight).bias(&bias))?;
    }

    #[test]
    fn batch_norm_of_any_shape(
        (n, c, spatial) in (2..30_usize, 1..40_usize, 1..100_usize),
        (seed, offset) in (any::<u64>(), -1e6..1e6),
    ) {
        let mut random = Random::new(seed);
        let input = random.normal(n * c * spatial, offset, 1.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        let (mean, var) = (random.normal(c, offset, 1.0), vec![1.0; c]);
        let op = BatchNorm::training(&[n, c, spatial]).save_stats(true).running_stats(RunningStats::PYTORCH);
        check(&op, &Tensors::new(&input).weight(&weight).bias(&bias).running(&mean, &var))?;
    }
}

fn check(op: &impl Norm, tensors: &Tensors<'_>) -> Result<(), TestCaseError> {
    let outputs = run(gpu(), op, tensors, Strategy::Inferred).expect("run");
    let truth = op.reference(tensors).expect("reference");
    testing::compare_outputs(op, &outputs, &truth).map_err(|e| TestCaseError::fail(format!("{:?}: {e}", op.shape())))
}
