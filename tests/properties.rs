//! Random shapes and data: descriptors never panic, and what the adapter computes is what the reference says.

mod common;

use std::{collections::HashSet, sync::OnceLock};

use common::{Random, gpu, run};
use proptest::{prelude::*, strategy::Strategy as Generator};
use wgpu_norm::{
    BatchNorm, Caps, GroupNorm, InstanceNorm, LayerNorm, Method, Norm, RmsNorm, RunningStats, Strategy, Tensors,
    shaders, shaders::Shader, testing,
};

fn strategies() -> impl Generator<Value = Strategy> {
    prop_oneof![Just(Strategy::Inferred), proptest::sample::select(Method::ALL.to_vec()).prop_map(Strategy::Forced)]
}

/// What the tests without an adapter look at.
fn every_shader() -> &'static HashSet<Shader> {
    static ALL: OnceLock<HashSet<Shader>> = OnceLock::new();
    ALL.get_or_init(|| shaders::all().into_iter().collect())
}

fn axis() -> impl Generator<Value = usize> {
    prop_oneof![0..5_usize, 0..5000_usize, Just(1 << 16), Just(1 << 31), any::<usize>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_descriptor_is_lowered_or_refused(
        shape in prop::collection::vec(axis(), 0..7),
        (start, end) in (0..8_usize, 0..8_usize),
        (eps, momentum) in (any::<f32>(), any::<f32>()),
        (flags, strategy) in (any::<[bool; 4]>(), strategies()),
        (cpu, subgroup) in (any::<bool>(), prop_oneof![Just(None), Just(Some((4, 4))), Just(Some((8, 128))), Just(Some((32, 32)))]),
    ) {
        let mut caps = Caps::default();
        (caps.cpu, caps.subgroup_size) = (cpu, subgroup);
        let [weight, bias, save, training] = flags;
        let layer_norm = LayerNorm::new(&shape, start..end).eps(eps).weight(weight).bias(bias).save_stats(save);
        let mut batch_norm = BatchNorm::training(&shape).eps(eps).weight(weight).bias(bias).save_stats(save);
        batch_norm.training = training;
        batch_norm.running_stats = save.then_some(RunningStats::Onnx { momentum });
        let rms_norm = RmsNorm::new(&shape, start..end).eps(eps).weight(weight).save_stats(save);
        let group_norm = GroupNorm::new(&shape, start).eps(eps).weight(weight).bias(bias).save_stats(save);
        let instance_norm = InstanceNorm::new(&shape).eps(eps).weight(weight).bias(bias).save_stats(save);
        let programs = [
            shaders::program(&layer_norm, &caps, strategy),
            shaders::program(&rms_norm, &caps, strategy),
            shaders::program(&batch_norm, &caps, strategy),
            shaders::program(&group_norm, &caps, strategy),
            shaders::program(&instance_norm, &caps, strategy),
        ];
        for dispatch in programs.into_iter().flatten().flat_map(|program| program.dispatches) {
            prop_assert!(every_shader().contains(&dispatch.shader), "{} is not in shaders::all()", dispatch.shader);
            prop_assert!(dispatch.workgroups.iter().all(|&n| (1..=caps.max_workgroups_per_dimension).contains(&n)));
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
    testing::compare_outputs(&outputs, &truth, tensors.input)
        .map_err(|e| TestCaseError::fail(format!("{:?}: {e}", op.shape())))
}
