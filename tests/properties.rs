//! Random shapes and data: descriptors never panic, and what the adapter computes is what the reference says.

mod common;

use std::{collections::HashSet, sync::Mutex};

use common::{Random, gpu, run};
use proptest::{prelude::*, strategy::Strategy as Generator};
use wgpu_norm::{
    Activation, BatchMoments, BatchNorm, Caps, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm,
    LpNormalize, Method, Norm, RmsNorm, RunningStats, Strategy, Tensors, shaders,
    shaders::{Backend, Shader, translate},
    testing,
};

fn strategies() -> impl Generator<Value = Strategy> {
    prop_oneof![Just(Strategy::Inferred), proptest::sample::select(Method::ALL.to_vec()).prop_map(Strategy::Forced)]
}

/// Whether naga takes a shader, asked once for each.
fn is_valid(shader: &Shader) -> Result<(), String> {
    static SEEN: Mutex<Option<HashSet<Shader>>> = Mutex::new(None);
    let first = SEEN.lock().expect("not poisoned").get_or_insert_default().insert(*shader);
    if first {
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
        (start, end) in (0..8_usize, 0..8_usize),
        (eps, momentum) in (any::<f32>(), any::<f32>()),
        (flags, strategy) in (any::<[bool; 16]>(), strategies()),
        dtypes in prop::array::uniform5(proptest::sample::select(DType::FLOATS.to_vec())),
        activation in proptest::sample::select(Activation::ALL.to_vec()),
        stride in axis(),
        (cpu, subgroup) in (any::<bool>(), prop_oneof![Just(None), Just(Some((4, 4))), Just(Some((8, 128))), Just(Some((32, 32)))]),
    ) {
        let mut caps = Caps::default();
        (caps.cpu, caps.subgroup_size) = (cpu, subgroup);
        let [weight, bias, save, training, zero_centered, per_sample, residual, sum, in_place, last, tracked, ..] = flags;
        let layout = if last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
        let convention = RunningStats::Onnx { momentum };
        // The options that all ops have, for each of them.
        macro_rules! with_options {
            ($op:expr) => {{
                let mut op = $op.eps(eps);
                let o = &mut op.options;
                (o.weight, o.bias, o.save_stats, o.zero_centered) = (weight, bias, save, zero_centered && weight);
                (o.per_sample, o.residual, o.residual_output) = (per_sample, residual, residual && sum);
                (o.activation, o.in_place) = (activation, in_place);
                let [input, output, of_residual, of_sum, params] = dtypes;
                (o.types.input, o.types.output, o.types.params) = (input, output, params);
                (o.types.residual, o.types.residual_output) = (of_residual, of_sum);
                op
            }};
        }
        let mut layer_norm = with_options!(LayerNorm::new(&shape, start..end));
        layer_norm.input_row_stride = tracked.then_some(stride);
        let rms_norm = with_options!(RmsNorm::new(&shape, start..end));
        let mut batch_norm = with_options!(BatchNorm::training(&shape)).layout(layout);
        (batch_norm.options.residual_output, batch_norm.options.per_sample) = (false, false);
        batch_norm.training = training;
        batch_norm.running_stats = (tracked && training).then_some(convention);
        batch_norm.options.save_stats &= training;
        batch_norm.options.keep_statistics = training && flags[15];
        let group_norm = with_options!(GroupNorm::new(&shape, start)).layout(layout);
        let mut instance_norm = with_options!(InstanceNorm::new(&shape)).layout(layout);
        instance_norm.running_stats = tracked.then_some(convention);
        let lp = LpNormalize::new(&shape, start..end).eps(eps).save_stats(save).in_place(in_place).dtype(dtypes[0]);
        let window = LocalResponseNorm::new(&shape, stride).alpha(eps).beta(momentum).layout(layout);
        let window = window.input_dtype(dtypes[0]).output_dtype(dtypes[1]);
        let moments = BatchMoments::new(&shape).layout(layout).dtype(dtypes[0]);
        let mut ops: Vec<Box<dyn Norm>> = Vec::new();
        macro_rules! and_backward {
            ($($op:expr),*) => { $(
                let mut backward = $op.backward().accumulate(flags[11]);
                let g = &mut backward.gradients;
                (g.input, g.weight, g.bias) = (flags[12], g.weight && flags[13], g.bias && flags[14]);
                g.param_dtype = dtypes[3];
                ops.push(Box::new(backward));
                ops.push(Box::new($op));
            )* };
        }
        and_backward!(layer_norm, rms_norm, batch_norm, group_norm, instance_norm, lp, window);
        ops.push(Box::new(moments));
        for op in ops {
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
