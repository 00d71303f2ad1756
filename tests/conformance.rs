//! Every op on the adapter of this machine, by every method, against the f64 reference.

mod common;

use std::collections::BTreeMap;

use common::{golden::Golden, gpu, methods::*, run};
use wgpu_norm::{
    BatchNorm, DType, Error, GroupNorm, InstanceNorm, LayerNorm, Method, Norm, RmsNorm, RunningStats, Slot, Strategy,
    Tensors,
    testing::{Data, REAL_DATA, Random, compare, compare_outputs, hard_rows, largest, max_error},
};

fn layer_norm(shapes: &[(&str, usize, usize)]) {
    let mut ran = BTreeMap::new();
    for (i, &(why, rows, len)) in shapes.iter().enumerate() {
        let mut random = Random::new(i as u64);
        let input = random.normal(rows * len, 3.0, 2.0);
        let (weight, bias) = (random.normal(len, 1.0, 0.5), random.normal(len, 0.0, 1.0));
        let op = LayerNorm::new(&[rows, len], 1..).save_stats(true);
        let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
        by_every_method_counted(why, &op, &tensors, &|method| layer_norm_can(method, len), &mut ran);
    }
    assert_all_ran(&ran, &methods_of_rows());
}

/// All but those for statistics that are no rows'.
fn methods_of_rows() -> Vec<Method> {
    Method::ALL.iter().copied().filter(|m| !STATISTICS_ONLY.contains(m)).collect()
}

#[test]
fn layer_norm_by_every_method() {
    layer_norm(ROWS);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_of_more_shapes() {
    layer_norm(MORE_ROWS);
}

fn rms_norm(shapes: &[(&str, usize, usize)]) {
    let mut ran = BTreeMap::new();
    for (i, &(why, rows, len)) in shapes.iter().enumerate() {
        let mut random = Random::new(i as u64);
        let input = random.normal(rows * len, 3.0, 2.0);
        let weight = random.normal(len, 1.0, 0.5);
        for (has_weight, stats) in [(true, true), (false, false)] {
            let op = RmsNorm::new(&[rows, len], 1..).weight(has_weight).save_stats(stats);
            let tensors = optional(Tensors::new(&input), has_weight.then_some(&weight), None);
            by_every_method_counted(why, &op, &tensors, &|method| layer_norm_can(method, len), &mut ran);
        }
    }
    assert_all_ran(&ran, &methods_of_rows());
}

#[test]
fn rms_norm_by_every_method() {
    rms_norm(TWO_ROWS);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn rms_norm_of_more_shapes() {
    rms_norm(ROWS);
    rms_norm(MORE_ROWS);
}

fn rms_norm_of_hard_rows(lengths: &[usize]) {
    for &len in lengths {
        for (name, row) in hard_rows(len) {
            // The documented end of the range: squares that f32 can't hold.
            if row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() > f64::from(f32::MAX) {
                continue;
            }
            let op = RmsNorm::new(&[1, len], 1..).weight(false).save_stats(true);
            let name = format!("{name}, {len}");
            by_every_method(&name, &op, &Tensors::new(&row), &|method| layer_norm_can(method, len));
        }
    }
}

#[test]
fn rms_norm_of_hard_rows_by_every_method() {
    rms_norm_of_hard_rows(&[33, 384]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn rms_norm_of_more_hard_rows() {
    rms_norm_of_hard_rows(&[768, 1023, 4096]);
}

/// With weight and bias, or without.
const BOTH: [(bool, bool); 2] = [(true, true), (false, false)];
const EACH: [(bool, bool); 4] = [(true, true), (false, false), (true, false), (false, true)];

fn group_norm(shapes: &[(&str, &[usize], usize)], affine: &[(bool, bool)]) {
    let mut ran = BTreeMap::new();
    for (i, &(why, shape, groups)) in shapes.iter().enumerate() {
        let mut random = Random::new(i as u64);
        let c = shape[1];
        let spatial: usize = shape[2..].iter().product();
        let len = c / groups * spatial;
        let input = random.normal(shape.iter().product(), 3.0, 2.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        for &(has_weight, has_bias) in affine {
            let op = GroupNorm::new(shape, groups).weight(has_weight).bias(has_bias).save_stats(has_weight);
            let tensors = optional(Tensors::new(&input), has_weight.then_some(&weight), has_bias.then_some(&bias));
            by_every_method_counted(why, &op, &tensors, &|method| rows_can(method, len), &mut ran);
        }
    }
    assert_all_ran(&ran, &methods_of_rows());
}

#[test]
fn group_norm_by_every_method() {
    group_norm(GROUPS, &BOTH);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn group_norm_of_more_shapes() {
    group_norm(GROUPS, &EACH);
    group_norm(MORE_GROUPS, &EACH);
}

fn instance_norm(shapes: &[&[usize]]) {
    for &shape in shapes {
        let mut random = Random::new(9);
        let c = shape[1];
        let spatial: usize = shape[2..].iter().product();
        let input = random.normal(shape.iter().product(), 1e6, 1.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        for affine in [false, true] {
            let op = InstanceNorm::new(shape).weight(affine).bias(affine).save_stats(true);
            let mut tensors = Tensors::new(&input);
            if affine {
                tensors = tensors.weight(&weight).bias(&bias);
            }
            by_every_method("instance", &op, &tensors, &|method| rows_can(method, spatial));
        }
    }
}

#[test]
fn instance_norm_by_every_method() {
    instance_norm(&[&[3, 5, 7], &[2, 3, 4, 3]]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn instance_norm_of_more_shapes() {
    instance_norm(&[&[2, 3, 8, 8], &[2, 3, 2, 3, 4], &[1, 2, 40000]]);
}

#[test]
fn a_zero_centered_weight_is_a_gain_of_one_more() {
    let mut random = Random::new(10);
    let input = random.normal(6 * 8 * 12, 1.0, 2.0);
    let (weight, bias) = (random.normal(96, 0.0, 0.5), random.normal(96, 0.0, 1.0));
    let tensors = Tensors::new(&input).weight(&weight[..12]).bias(&bias[..12]);
    let op = LayerNorm::new(&[6 * 8, 12], 1..).zero_centered(true);
    by_lanes("layer norm", &op, &tensors, &|method| layer_norm_can(method, 12));
    let op = RmsNorm::new(&[6 * 8, 12], 1..).zero_centered(true);
    let tensors = Tensors::new(&input).weight(&weight[..12]);
    by_lanes("RMS norm", &op, &tensors, &|method| layer_norm_can(method, 12));
    let tensors = Tensors::new(&input).weight(&weight[..8]).bias(&bias[..8]);
    let op = GroupNorm::new(&[6, 8, 12], 4).zero_centered(true);
    by_lanes("group norm", &op, &tensors, &|method| rows_can(method, 24));
    let op = InstanceNorm::new(&[6, 8, 12]).weight(true).bias(true).zero_centered(true);
    by_lanes("instance norm", &op, &tensors, &|method| rows_can(method, 12));
    let shape = [6, 8, 12];
    let op = BatchNorm::training(&shape).zero_centered(true);
    by_lanes("batch norm", &op, &tensors, &|method| batch_norm_can(method, &shape, true));
}

#[test]
fn layer_norm_with_every_set_of_optional_tensors() {
    let (rows, len) = (5, 12);
    let mut random = Random::new(1);
    let input = random.normal(rows * len, -1.0, 3.0);
    let (weight, bias) = (random.normal(len, 1.0, 0.5), random.normal(len, 0.0, 1.0));
    for (has_weight, has_bias) in [(false, false), (true, false), (false, true), (true, true)] {
        for stats in [false, true] {
            for eps in [0.0, 1e-12, 1e-5, 10.0] {
                let op = LayerNorm::new(&[rows, len], 1..).weight(has_weight).bias(has_bias).save_stats(stats).eps(eps);
                let tensors = optional(Tensors::new(&input), has_weight.then_some(&weight), has_bias.then_some(&bias));
                by_lanes("optional", &op, &tensors, &|method| layer_norm_can(method, len));
            }
        }
    }
}

#[test]
fn layer_norm_over_several_axes() {
    let mut random = Random::new(2);
    for (shape, axis) in [(&[2, 3, 3, 4][..], 1), (&[2, 3, 3, 4], 2), (&[2, 3, 3, 4], 3), (&[4], 0)] {
        let n = shape.iter().product();
        let len: usize = shape[axis..].iter().product();
        let input = random.normal(n, 0.0, 1.0);
        let (weight, bias) = (random.normal(len, 1.0, 0.5), random.normal(len, 0.0, 1.0));
        let op = LayerNorm::new(shape, axis..).save_stats(true);
        let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
        by_every_method("axes", &op, &tensors, &|method| layer_norm_can(method, len));
    }
}

#[test]
fn golden_vectors() {
    for file in Golden::all("minilm") {
        file.with_op(|op, tensors| {
            let expected = file.expected(tensors);
            let expected = expected.output();
            let actual = run(gpu(), op, tensors, Strategy::Inferred).expect("run");
            let error = max_error(&file.name, DType::F32, actual.output(), expected).unwrap();
            let allowed = REAL_DATA * largest(expected);
            assert!(error < allowed, "{}: off by {error:e}, real data must be within {allowed:e}", file.name);
        });
    }
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn golden_vectors_of_pytorch() {
    for file in Golden::all("pytorch") {
        file.with_op(|op, tensors| {
            let actual = run(gpu(), op, tensors, Strategy::Inferred).expect("run");
            // PyTorch's values, with the reference's scales of what they are made of.
            let (theirs, mut expected) = (file.expected(tensors), op.reference(tensors).expect("reference"));
            for slot in theirs.slots() {
                expected.set(slot, theirs.get(slot).unwrap_or_default().to_vec());
            }
            compare_outputs(op, &actual, &expected).unwrap_or_else(|e| panic!("{}: {e}", file.name));
        });
    }
}

fn layer_norm_of_hard_rows(lengths: &[usize]) {
    for &len in lengths {
        for (name, row) in hard_rows(len) {
            let op = LayerNorm::new(&[1, len], 1..).weight(false).bias(false).save_stats(true);
            let name = format!("{name}, {len}");
            by_every_method(&name, &op, &Tensors::new(&row), &|method| layer_norm_can(method, len));
        }
    }
}

#[test]
fn layer_norm_of_hard_rows_by_every_method() {
    layer_norm_of_hard_rows(&[33, 384, 33000]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_of_more_hard_rows() {
    layer_norm_of_hard_rows(&[768, 1023, 4096]);
}

#[test]
fn a_nan_touches_its_own_row_only() {
    for (rows, len) in [(5, 384), (3, 33), (2, 33000)] {
        for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let clean = Random::new(4).normal(rows * len, 1.0, 1.0);
            let op = LayerNorm::new(&[rows, len], 1..).weight(false).bias(false).save_stats(true);
            for method in Method::ALL.iter().copied().filter(|&m| layer_norm_can(m, len)) {
                let strategy = Strategy::Forced(method);
                let expected = run(gpu(), &op, &Tensors::new(&clean), strategy).expect("clean").output().to_vec();
                for at in [len, len + 1, 2 * len - 1] {
                    let mut input = clean.clone();
                    input[at] = poison;
                    let output = run(gpu(), &op, &Tensors::new(&input), strategy).expect("poisoned").output().to_vec();
                    for (i, (a, e)) in output.iter().zip(&expected).enumerate() {
                        let own = i / len == at / len;
                        assert!(if own { a.is_nan() } else { a == e }, "{method} {poison} at {at}: output[{i}] = {a}");
                    }
                }
            }
        }
    }
}

fn batch_norm_inference_of(shapes: &[(&str, &[usize])], affine: &[(bool, bool)]) {
    let mut ran = BTreeMap::new();
    for (i, &(why, shape)) in shapes.iter().enumerate() {
        let mut random = Random::new(i as u64);
        let c = shape[1];
        let input = random.normal(shape.iter().product(), 3.0, 2.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        let mean = random.normal(c, 3.0, 1.0);
        let var: Vec<f32> = (0..c).map(|_| random.uniform() as f32 + 0.5).collect();
        for &(has_weight, has_bias) in affine {
            let op = BatchNorm::inference(shape).weight(has_weight).bias(has_bias);
            let tensors = optional(
                Tensors::new(&input).running(&mean, &var),
                has_weight.then_some(&weight),
                has_bias.then_some(&bias),
            );
            by_every_method_counted(why, &op, &tensors, &|method| batch_norm_can(method, shape, false), &mut ran);
        }
    }
    assert_all_ran(&ran, &[Method::Elementwise]);
}

#[test]
fn batch_norm_inference() {
    batch_norm_inference_of(IMAGES, &BOTH);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn batch_norm_inference_of_more_shapes() {
    batch_norm_inference_of(IMAGES, &EACH);
    batch_norm_inference_of(MORE_IMAGES, &EACH);
}

fn batch_norm_training_of(shapes: &[(&str, &[usize])]) {
    let mut ran = BTreeMap::new();
    for (i, &(why, shape)) in shapes.iter().enumerate() {
        let mut random = Random::new(i as u64);
        let c = shape[1];
        let input = random.normal(shape.iter().product(), 3.0, 2.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        let (mean, var) = (random.normal(c, 3.0, 1.0), vec![2.0; c]);
        let op = BatchNorm::training(shape).save_stats(true).running_stats(RunningStats::PYTORCH);
        let tensors = Tensors::new(&input).weight(&weight).bias(&bias).running(&mean, &var);
        by_every_method_counted(why, &op, &tensors, &|method| batch_norm_can(method, shape, true), &mut ran);
    }
    let methods: Vec<Method> =
        Method::ALL.iter().copied().filter(|m| matches!(m, Method::Split(_) | Method::Columns)).collect();
    assert_all_ran(&ran, &methods);
}

#[test]
fn batch_norm_training_by_every_method() {
    batch_norm_training_of(IMAGES);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn batch_norm_training_of_more_shapes() {
    batch_norm_training_of(MORE_IMAGES);
}

#[test]
fn batch_norm_running_statistics_of_every_convention() {
    let conventions = [
        None,
        Some(RunningStats::PYTORCH),
        Some(RunningStats::CUMULATIVE),
        Some(RunningStats::ONNX),
        Some(RunningStats::KERAS),
        Some(RunningStats::PyTorch { momentum: Some(0.0) }),
        Some(RunningStats::PyTorch { momentum: Some(1.0) }),
        Some(RunningStats::PyTorch { momentum: Some(-1.2) }),
        Some(RunningStats::Onnx { momentum: 0.0 }),
    ];
    for shape in [&[9, 12][..], &[3, 5, 7, 3], &[2, 4, 8, 8]] {
        let mut random = Random::new(5);
        let c = shape[1];
        let input = random.normal(shape.iter().product(), 1.0, 2.0);
        let (weight, bias) = (random.normal(c, 1.0, 0.5), random.normal(c, 0.0, 1.0));
        let (mean, var) = (random.normal(c, 0.0, 1.0), random.normal(c, 2.0, 0.1));
        for convention in conventions {
            for (affine, stats) in [(false, true), (true, false)] {
                let mut op = BatchNorm::training(shape).weight(affine).bias(affine).save_stats(stats);
                op.running_stats = convention;
                let mut tensors = Tensors::new(&input);
                if affine {
                    tensors = tensors.weight(&weight).bias(&bias);
                }
                if convention.is_some() {
                    tensors = tensors.running(&mean, &var);
                }
                if convention == Some(RunningStats::CUMULATIVE) {
                    tensors = tensors.num_batches_tracked(3);
                }
                let can = |method| batch_norm_can(method, shape, true);
                by_every_method(&format!("{convention:?}"), &op, &tensors, &can);
            }
        }
    }
}

#[test]
fn batch_norm_of_hard_channels() {
    // Three channels of the same hard data, with its order and its neighbours changed: [N, C, L] and [N, C].
    for (name, column) in hard_rows(1200).into_iter().chain(hard_rows(33000)) {
        for shape in [&[4, 3, 300][..], &[12, 3, 100], &[4, 3, 299], &[1200, 3], &[3, 1, 11000]] {
            let spatial: usize = shape[2..].iter().product();
            let input: Vec<f32> = (0..shape.iter().product())
                .map(|i| {
                    let (sample, channel, position) = (i / spatial / 3, i / spatial % 3, i % spatial);
                    column[(sample * spatial + position + channel * 17) % column.len()]
                })
                .collect();
            let op = BatchNorm::training(shape).weight(false).bias(false).save_stats(true);
            let name = format!("{name}, {shape:?}");
            let can = |method| batch_norm_can(method, shape, true);
            by_every_method(&name, &op, &Tensors::new(&input), &can);
        }
    }
}

#[test]
fn a_nan_touches_its_own_channel_only() {
    for shape in [&[6, 3, 10][..], &[6, 4, 16], &[60, 4], &[60, 3]] {
        let spatial: usize = shape[2..].iter().product();
        let clean = Random::new(6).normal(shape.iter().product(), 1.0, 1.0);
        let op = BatchNorm::training(shape).weight(false).bias(false);
        let inference = BatchNorm::inference(shape).weight(false).bias(false);
        let (mean, var) = (vec![0.5; shape[1]], vec![2.0; shape[1]]);
        let at = 3 * spatial * shape[1] + spatial;
        let mut input = clean.clone();
        input[at] = f32::NAN;
        for method in Method::ALL.iter().copied().filter(|&m| batch_norm_can(m, shape, true)) {
            let strategy = Strategy::Forced(method);
            let expected = run(gpu(), &op, &Tensors::new(&clean), strategy).expect("clean").output().to_vec();
            let output = run(gpu(), &op, &Tensors::new(&input), strategy).expect("poisoned").output().to_vec();
            for (i, (a, e)) in output.iter().zip(&expected).enumerate() {
                let own = i / spatial % shape[1] == 1;
                assert!(if own { a.is_nan() } else { a == e }, "{method}: output[{i}] = {a}");
            }
        }
        let tensors = |input| Tensors::new(input).running(&mean, &var);
        let expected = gpu().run(&inference, &tensors(&clean)).expect("clean").output().to_vec();
        let output = gpu().run(&inference, &tensors(&input)).expect("poisoned").output().to_vec();
        for (i, (a, e)) in output.iter().zip(&expected).enumerate() {
            assert!(if i == at { a.is_nan() } else { a == e }, "inference: output[{i}] = {a}");
        }
    }
}

#[test]
fn an_empty_batch_is_a_no_op() {
    let op = LayerNorm::new(&[0, 4], 1..).save_stats(true);
    let outputs = gpu().run(&op, &Tensors::new(&[]).weight(&[1.0; 4]).bias(&[0.0; 4])).expect("layer norm");
    assert!(outputs.output().is_empty());
    assert_eq!(outputs.get(Slot::Mean), Some(&[][..]));

    let op = BatchNorm::training(&[0, 2, 5]).running_stats(RunningStats::CUMULATIVE);
    let tensors =
        Tensors::new(&[]).weight(&[1.0; 2]).bias(&[0.0; 2]).running(&[0.25, 0.5], &[1.5, 2.5]).num_batches_tracked(7);
    let outputs = gpu().run(&op, &tensors).expect("batch norm");
    compare_outputs(&op, &outputs, &op.reference(&tensors).expect("reference")).expect("statistics untouched");
    assert_eq!(outputs.running_mean(), [0.25, 0.5]);
    assert_eq!(outputs.num_batches_tracked(), Some(7));
}

#[test]
fn a_lost_device_is_an_error() {
    let gpu = wgpu_norm::host::Gpu::new().expect("a device of its own");
    let op = LayerNorm::new(&[2, 4], 1..).weight(false).bias(false);
    gpu.run(&op, &Tensors::new(&[1.0; 8])).expect("not lost yet");
    gpu.device().destroy();
    // Of a known kernel and of one that has to be compiled.
    for op in [op.clone(), op.clone().save_stats(true)] {
        assert!(matches!(gpu.run(&op, &Tensors::new(&[1.0; 8])), Err(Error::Device(_))), "{op:?}");
    }
    // The program that held it goes on with another one.
    let another = wgpu_norm::host::Gpu::new().expect("another device");
    another.run(&op, &Tensors::new(&[1.0; 8])).expect("not lost");
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let (rows, len) = (3, 33000);
    let input = Random::new(7).normal(rows * len, 5.0, 2.0);
    let op = LayerNorm::new(&[rows, len], 1..).weight(false).bias(false).save_stats(true);
    for method in Method::ALL.iter().copied().filter(|&m| layer_norm_can(m, len)) {
        let once = run(gpu(), &op, &Tensors::new(&input), Strategy::Forced(method)).expect("once");
        for _ in 0..3 {
            let again = run(gpu(), &op, &Tensors::new(&input), Strategy::Forced(method)).expect("again");
            assert_eq!(once, again, "{method}");
        }
    }
}

#[test]
fn a_bound_plan_is_recorded_again_and_running_statistics_go_on() {
    use wgpu_norm::{Bindings, wgpu};
    let shape = [4, 3, 5];
    let input = Random::new(8).normal(60, 1.0, 2.0);
    let op = BatchNorm::training(&shape).weight(false).bias(false).running_stats(RunningStats::CUMULATIVE);
    let buffer = |content: &[u8]| {
        let buffer = gpu().device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: content.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu().queue().write_buffer(&buffer, 0, content);
        buffer
    };
    let (x, y) = (buffer(bytemuck::cast_slice(&input)), buffer(&[0; 240]));
    let (mean, var) = (buffer(&[0; 12]), buffer(bytemuck::cast_slice(&[1.0_f32; 3])));
    let count = buffer(&0_u32.to_ne_bytes());
    let plan = gpu().planner().plan(&op).expect("plan");
    let bindings =
        Bindings::new().input(&x).output(&y).running_mean(&mean).running_var(&var).num_batches_tracked(&count);
    let bound = plan.bind(&bindings).expect("bind");
    // Twice in one pass, and once more in a second pass of the same encoder.
    let mut encoder = gpu().device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    bound.record(&mut pass);
    bound.record(&mut pass);
    drop(pass);
    bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu().queue().submit([encoder.finish()]);

    // The cumulative average of three equal batches is the batch.
    let (mut running_mean, mut running_var, mut tracked) = (vec![0.0; 3], vec![1.0; 3], 0);
    let mut truth = None;
    for _ in 0..3 {
        let tensors = Tensors::new(&input).running(&running_mean, &running_var).num_batches_tracked(tracked);
        let step = op.reference(&tensors).expect("reference");
        let rounded = step.to_f32();
        (running_mean, running_var) = (rounded.running_mean().to_vec(), rounded.running_var().to_vec());
        tracked = step.num_batches_tracked().expect("tracked");
        truth = Some(step);
    }
    let truth = truth.expect("three steps");
    let floats = |buffer| bytemuck::pod_collect_to_vec::<u8, f32>(&gpu().download(buffer, 12).expect("download"));
    compare("running_mean", &floats(&mean), truth.running_mean()).unwrap();
    compare("running_var", &floats(&var), truth.running_var()).unwrap();
    assert_eq!(gpu().download(&count, 4).expect("download"), 3_u32.to_ne_bytes());
}

// A GPU's compiler may contract other products and sums where there are checks: there both conform.
#[test]
fn the_checks_of_wgpu_change_no_bit_on_a_cpu() {
    use wgpu_norm::{Planner, host::Gpu};
    let planner = Planner::new(gpu().device()).checked(true);
    let checked = Gpu::from_parts(gpu().queue().clone(), planner);
    let ops: [&dyn Norm; 6] = [
        &LayerNorm::new(&[70, 36], 1..),
        &LayerNorm::new(&[70, 33], 1..).backward(),
        &LayerNorm::new(&[2, 33000], 1..),
        &BatchNorm::training(&[3, 5, 7, 7]).backward(),
        &BatchNorm::inference(&[3, 5, 7, 7]),
        &GroupNorm::new(&[2, 12, 49], 3),
    ];
    for op in ops {
        let data = Data::random(op, 5);
        let run = |gpu| run(gpu, op, &data.tensors(), Strategy::Inferred).expect("run");
        let (with, without) = (run(&checked), run(gpu()));
        if gpu().planner().caps().cpu {
            assert_eq!(with, without, "{}", op.name());
        }
        let truth = op.reference(&data.tensors()).expect("reference");
        for outputs in [with, without] {
            compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
        }
    }
}

#[test]
fn pipelines_are_compiled_through_the_cache_of_the_caller() {
    use wgpu_norm::{Planner, host, recommended, wgpu};
    let adapter = host::adapter(None).expect("an adapter");
    let (features, required_limits) = recommended(&adapter);
    if !adapter.features().contains(wgpu::Features::PIPELINE_CACHE) {
        assert_ne!(adapter.get_info().backend, wgpu::Backend::Vulkan, "wgpu has pipeline caches on Vulkan");
        return;
    }
    let required_features = features | wgpu::Features::PIPELINE_CACHE;
    let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
    let device = || pollster::block_on(adapter.request_device(&descriptor)).expect("a device").0;
    let (one, other) = (device(), device());
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data: None, fallback: true };
    // SAFETY: there is no data that a driver could misread.
    let cache = unsafe { one.create_pipeline_cache(&descriptor) };
    let op = LayerNorm::new(&[3, 5], 1..);
    Planner::new(&one).pipeline_cache(cache.clone()).plan(&op).expect("a plan");
    // Not every driver fills a cache; that it is used shows where it can't be.
    let refused = Planner::new(&other).pipeline_cache(cache).plan(&op).unwrap_err();
    assert!(matches!(refused, Error::Device(_)), "{refused}");
}

/// What compiles, copies and waits does so elsewhere: each poll returns at once.
#[test]
fn asynchronous_functions_do_not_hold_their_executor() {
    use std::{
        pin::pin,
        task::{Context, Waker},
        time::{Duration, Instant},
    };
    let input = Random::new(1).normal(70_000, 3.0, 2.0);
    let op = BatchNorm::training(&[7, 100, 100]).weight(false).bias(false).eps(0.25);
    let tensors = Tensors::new(&input);
    let mut running = pin!(gpu().run_async(&op, &tensors));
    let (mut longest, mut polls) = (Duration::ZERO, 0);
    let outputs = loop {
        let start = Instant::now();
        let polled = running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        longest = longest.max(start.elapsed());
        polls += 1;
        match polled {
            std::task::Poll::Ready(outputs) => break outputs.expect("run"),
            std::task::Poll::Pending => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    compare_outputs(&op, &outputs, &op.reference(&tensors).expect("reference")).expect("conforms");
    assert!(polls > 1, "all was done in one poll");
    assert!(longest < Duration::from_millis(50), "a poll took {longest:?}");
}
