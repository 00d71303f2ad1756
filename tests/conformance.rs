//! Every op by every method against the f64 reference.

mod common;

use common::{golden::Golden, gpu, methods::*, run};
use wgpu_norm::{
    BatchNorm, DType, Error, GroupNorm, InstanceNorm, LayerNorm, Method, Norm, RmsNorm, RunningStats, Slot, Strategy,
    Tensors,
    testing::{Data, REAL_DATA, Random, compare, compare_outputs, hard_rows, largest, max_error},
};

fn layer_norm(shapes: &[(&str, usize, usize)]) {
    let mut ran = Vec::new();
    for &(why, rows, len) in shapes {
        ran.extend(conforms(why, &LayerNorm::new(&[rows, len], 1..).save_stats(true), Can::Rows(len)));
    }
    assert_all_ran(&ran, &methods_of_rows());
}

/// Methods for statistics of rows.
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
    let mut ran = Vec::new();
    for &(why, rows, len) in shapes {
        let op = RmsNorm::new(&[rows, len], 1..);
        ran.extend(conforms(why, &op.clone().save_stats(true), Can::Rows(len)));
        ran.extend(conforms(why, &op.weight(false), Can::Rows(len)));
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

fn rms_norm_of_hard_rows(lengths: &[(&str, usize)]) {
    for &(why, len) in lengths {
        for (name, row) in hard_rows(len) {
            // The documented end of the range: squares that are beyond f32.
            if row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() > f64::from(f32::MAX) {
                continue;
            }
            let op = RmsNorm::new(&[1, len], 1..).weight(false).save_stats(true);
            by_every_method(&format!("{name}, {why}"), &op, &Tensors::new(&row), Can::Rows(len));
        }
    }
}

#[test]
fn rms_norm_of_hard_rows_by_every_method() {
    rms_norm_of_hard_rows(&[("single elements", 33), ("MiniLM's width", 384)]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn rms_norm_of_more_hard_rows() {
    rms_norm_of_hard_rows(MORE_LENGTHS);
}

/// Weight and bias.
const BOTH: [(bool, bool); 2] = [(true, true), (false, false)];
const EACH: [(bool, bool); 4] = [(true, true), (false, false), (true, false), (false, true)];

fn group_norm(shapes: &[(&str, &[usize], usize)], affine: &[(bool, bool)]) {
    let mut ran = Vec::new();
    for &(why, shape, groups) in shapes {
        let len = shape[1] / groups * shape[2..].iter().product::<usize>();
        for &(weight, bias) in affine {
            let op = GroupNorm::new(shape, groups).weight(weight).bias(bias).save_stats(weight);
            ran.extend(conforms(why, &op, Can::Rows(len)));
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

/// At an offset of 1e6, where one ulp of f32 is 1/16 of the standard deviation.
fn instance_norm(shapes: &[(&str, &[usize])]) {
    for &(why, shape) in shapes {
        let far = Random::new(9).normal(shape.iter().product(), 1e6, 1.0);
        let can = Can::Rows(shape[2..].iter().product());
        let op = InstanceNorm::new(shape).save_stats(true);
        by_every_method(why, &op, &Tensors::new(&far), can);
        let op = op.weight(true).bias(true);
        by_every_method(why, &op, &Data::random(&op, 9).with(Slot::Input, far).tensors(), can);
    }
}

#[test]
fn instance_norm_by_every_method() {
    instance_norm(&[("[N, C, L], odd", &[3, 5, 7]), ("[N, C, H, W], vec4s", &[2, 3, 4, 3])]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn instance_norm_of_more_shapes() {
    instance_norm(&[
        ("16 vec4s a channel", &[2, 3, 8, 8]),
        ("[N, C, D, H, W]", &[2, 3, 2, 3, 4]),
        ("beyond 8 vec4s in 1024 lanes: split", &[1, 2, 40000]),
    ]);
}

#[test]
fn a_zero_centered_weight_is_a_gain_of_one_more() {
    let shape = [6, 8, 12];
    all_conform(
        "zero-centered",
        vec![
            ("a weight for each element", Box::new(LayerNorm::new(&[48, 12], 1..).zero_centered(true)), Can::Rows(12)),
            ("without a bias", Box::new(RmsNorm::new(&[48, 12], 1..).zero_centered(true)), Can::Rows(12)),
            ("two weights a row", Box::new(GroupNorm::new(&shape, 4).zero_centered(true)), Can::Rows(24)),
            (
                "one weight a row",
                Box::new(InstanceNorm::new(&shape).weight(true).bias(true).zero_centered(true)),
                Can::Rows(12),
            ),
            ("a weight for each channel", Box::new(BatchNorm::training(&shape).zero_centered(true)), Can::Split),
        ],
        conforms_by_lanes,
    );
}

#[test]
fn layer_norm_with_every_set_of_optional_tensors() {
    let row = LayerNorm::new(&[5, 12], 1..);
    for (weight, bias) in EACH {
        for save_stats in [false, true] {
            for (why, eps) in [("no eps", 0.0), ("a small eps", 1e-12), ("PyTorch's eps", 1e-5), ("a large eps", 10.0)]
            {
                let op = row.clone().weight(weight).bias(bias).save_stats(save_stats).eps(eps);
                conforms_by_lanes(why, &op, Can::Rows(12));
            }
        }
    }
}

#[test]
fn layer_norm_over_several_axes() {
    let shapes: [(&str, &[usize], usize, usize); 4] = [
        ("over all axes but the first", &[2, 3, 3, 4], 1, 36),
        ("over the last two axes", &[2, 3, 3, 4], 2, 12),
        ("over the last axis", &[2, 3, 3, 4], 3, 4),
        ("over the only axis", &[4], 0, 4),
    ];
    for (why, shape, first_axis, len) in shapes {
        conforms(why, &LayerNorm::new(shape, first_axis..).save_stats(true), Can::Rows(len));
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
            // PyTorch's values, with the scales of the reference.
            let (theirs, mut expected) = (file.expected(tensors), op.reference(tensors).expect("reference"));
            for slot in theirs.slots() {
                expected.set(slot, theirs.get(slot).unwrap_or_default().to_vec());
            }
            compare_outputs(op, &actual, &expected).unwrap_or_else(|e| panic!("{}: {e}", file.name));
        });
    }
}

/// Lengths of more hard rows, for `cargo xtask test --all`.
const MORE_LENGTHS: &[(&str, usize)] =
    &[("BERT's width", 768), ("single elements, beyond what 8 lanes hold", 1023), ("a wide transformer", 4096)];

fn layer_norm_of_hard_rows(lengths: &[(&str, usize)]) {
    for &(why, len) in lengths {
        for (name, row) in hard_rows(len) {
            let op = LayerNorm::new(&[1, len], 1..).weight(false).bias(false).save_stats(true);
            by_every_method(&format!("{name}, {why}"), &op, &Tensors::new(&row), Can::Rows(len));
        }
    }
}

#[test]
fn layer_norm_of_hard_rows_by_every_method() {
    layer_norm_of_hard_rows(&[("single elements", 33), ("MiniLM's width", 384), ("split", 33000)]);
}

#[test]
#[ignore = "many shapes: cargo xtask test --all"]
fn layer_norm_of_more_hard_rows() {
    layer_norm_of_hard_rows(MORE_LENGTHS);
}

#[test]
fn a_nan_touches_its_own_row_only() {
    for (why, rows, len) in [("vec4s", 5, 384), ("single elements", 3, 33), ("split", 2, 33000)] {
        let clean = Random::new(4).normal(rows * len, 1.0, 1.0);
        let op = LayerNorm::new(&[rows, len], 1..).weight(false).bias(false).save_stats(true);
        for method in Can::Rows(len).methods() {
            let output = |input: &[f32]| {
                let outputs = run(gpu(), &op, &Tensors::new(input), Strategy::Forced(method)).expect("runs");
                outputs.output().to_vec()
            };
            let expected = output(&clean);
            for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                // The first two elements of the second row, and its last.
                for at in [len, len + 1, 2 * len - 1] {
                    let mut input = clean.clone();
                    input[at] = poison;
                    for (i, (a, e)) in output(&input).iter().zip(&expected).enumerate() {
                        let is_right = if i / len == 1 { a.is_nan() } else { a == e };
                        assert!(is_right, "{why}, {method}, {poison} at {at}: output[{i}] = {a}");
                    }
                }
            }
        }
    }
}

fn batch_norm_inference_of(shapes: &[(&str, &[usize])], affine: &[(bool, bool)]) {
    let mut ran = Vec::new();
    for &(why, shape) in shapes {
        for &(weight, bias) in affine {
            let op = BatchNorm::inference(shape).weight(weight).bias(bias);
            ran.extend(conforms(why, &op, Can::Elementwise));
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
    let mut ran = Vec::new();
    for &(why, shape) in shapes {
        let op = BatchNorm::training(shape).save_stats(true).running_stats(RunningStats::PYTORCH);
        ran.extend(conforms(why, &op, Can::batch_norm(shape)));
    }
    assert_all_ran(&ran, &Can::Columns.methods().collect::<Vec<_>>());
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
    let momentum = |momentum| Some(RunningStats::PyTorch { momentum: Some(momentum) });
    let conventions = [
        ("not tracked", None),
        ("PyTorch", Some(RunningStats::PYTORCH)),
        ("PyTorch without a momentum", Some(RunningStats::CUMULATIVE)),
        ("ONNX", Some(RunningStats::ONNX)),
        ("Keras", Some(RunningStats::KERAS)),
        ("the old value stays", momentum(0.0)),
        ("the new value replaces the old one", momentum(1.0)),
        ("a negative momentum, as in PyTorch's tests", momentum(-1.2)),
        ("the new value replaces the old one, ONNX", Some(RunningStats::Onnx { momentum: 0.0 })),
    ];
    let shapes: [(&str, &[usize]); 3] =
        [("columns", &[9, 12]), ("single elements", &[3, 5, 7, 3]), ("vec4s", &[2, 4, 8, 8])];
    for (which, shape) in shapes {
        for (convention, running_stats) in conventions {
            let mut op = BatchNorm::training(shape);
            op.running_stats = running_stats;
            let why = format!("{convention}, {which}");
            conforms(&why, &op, Can::batch_norm(shape));
            conforms(&why, &op.weight(false).bias(false).save_stats(true), Can::batch_norm(shape));
        }
    }
}

/// An input of which each channel has the values of a column, from another one on.
fn channels_of(column: &[f32], shape: &[usize]) -> Vec<f32> {
    let (channels, spatial) = (shape[1], shape[2..].iter().product::<usize>());
    let mut input = Vec::with_capacity(shape.iter().product());
    for sample in 0..shape[0] {
        for channel in 0..channels {
            let first = sample * spatial + channel * 17;
            input.extend((0..spatial).map(|position| column[(first + position) % column.len()]));
        }
    }
    input
}

#[test]
fn batch_norm_of_hard_channels() {
    let shapes: [(&str, &[usize]); 5] = [
        ("vec4s", &[4, 3, 300]),
        ("many samples", &[12, 3, 100]),
        ("single elements", &[4, 3, 299]),
        ("columns", &[1200, 3]),
        ("one channel, split", &[3, 1, 11000]),
    ];
    for (name, column) in hard_rows(1200).into_iter().chain(hard_rows(33000)) {
        for (why, shape) in shapes {
            let op = BatchNorm::training(shape).weight(false).bias(false).save_stats(true);
            let input = channels_of(&column, shape);
            by_every_method(&format!("{name}, {why}"), &op, &Tensors::new(&input), Can::batch_norm(shape));
        }
    }
}

#[test]
fn a_nan_touches_its_own_channel_only() {
    let shapes: [(&str, &[usize]); 4] = [
        ("channels that end inside of packs", &[6, 3, 10]),
        ("vec4s", &[6, 4, 16]),
        ("columns in vec4s", &[60, 4]),
        ("odd columns", &[60, 3]),
    ];
    for (why, shape) in shapes {
        let (channels, spatial) = (shape[1], shape[2..].iter().product::<usize>());
        let clean = Random::new(6).normal(shape.iter().product(), 1.0, 1.0);
        // In the second channel of the fourth sample.
        let at = (3 * channels + 1) * spatial;
        let mut poisoned = clean.clone();
        poisoned[at] = f32::NAN;
        let op = BatchNorm::training(shape).weight(false).bias(false);
        for method in Can::batch_norm(shape).methods() {
            let output = |input: &[f32]| {
                let outputs = run(gpu(), &op, &Tensors::new(input), Strategy::Forced(method)).expect("runs");
                outputs.output().to_vec()
            };
            for (i, (a, e)) in output(&poisoned).iter().zip(&output(&clean)).enumerate() {
                let is_own = i / spatial % channels == 1;
                assert!(if is_own { a.is_nan() } else { a == e }, "{why}, {method}: output[{i}] = {a}");
            }
        }
        let inference = BatchNorm::inference(shape).weight(false).bias(false);
        let (mean, var) = (vec![0.5; channels], vec![2.0; channels]);
        let output = |input: &[f32]| {
            let tensors = Tensors::new(input).running(&mean, &var);
            gpu().run(&inference, &tensors).expect("runs").output().to_vec()
        };
        for (i, (a, e)) in output(&poisoned).iter().zip(&output(&clean)).enumerate() {
            assert!(if i == at { a.is_nan() } else { a == e }, "{why}, inference: output[{i}] = {a}");
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
    // A compiled kernel, and one that needs compiling.
    for op in [op.clone(), op.clone().save_stats(true)] {
        assert!(matches!(gpu.run(&op, &Tensors::new(&[1.0; 8])), Err(Error::Device(_))), "{op:?}");
    }
    // The program goes on with another device.
    let another = wgpu_norm::host::Gpu::new().expect("another device");
    another.run(&op, &Tensors::new(&[1.0; 8])).expect("not lost");
}

#[test]
fn the_same_input_gives_the_same_bits() {
    let (rows, len) = (3, 33000);
    let input = Random::new(7).normal(rows * len, 5.0, 2.0);
    let op = LayerNorm::new(&[rows, len], 1..).weight(false).bias(false).save_stats(true);
    for method in Can::Rows(len).methods() {
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

// With checks, a GPU's compiler may contract other products and sums: results then differ, and both conform.
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
    // SAFETY: the cache has no data that a driver could misread.
    let cache = unsafe { one.create_pipeline_cache(&descriptor) };
    let op = LayerNorm::new(&[3, 5], 1..);
    Planner::new(&one).pipeline_cache(cache.clone()).plan(&op).expect("a plan");
    // Not every driver fills a cache. A planner of another device can't use it: its error shows the use.
    let refused = Planner::new(&other).pipeline_cache(cache).plan(&op).unwrap_err();
    assert!(matches!(refused, Error::Device(_)), "{refused}");
}

/// Compiling, copying and waiting happen on another thread: each poll returns at once.
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
