//! Tensors that are larger than a storage binding: each dispatch binds a chunk of them, by every method.

mod common;

use common::{gpu, methods::BY_LANES, run};
use wgpu_norm::{
    Access, Activation, BatchMoments, BatchNorm, Caps, DType, Error, Gate, GateFunction, GroupNorm, InstanceNorm,
    LayerNorm, Layout, LpNormalize, Method, Norm, Order, Pairs, Planner, Quantized, RmsNorm, Rotary, RunningStats,
    Slot, Strategy,
    host::{self, Gpu},
    shaders,
    testing::{self, Data},
    wgpu,
};

/// A device that binds no more than so many bytes at once.
fn small(bytes: u64) -> Gpu {
    let adapter = host::adapter(None).expect("an adapter");
    let (required_features, limits) = wgpu_norm::recommended(&adapter);
    let required_limits = wgpu::Limits { max_storage_buffer_binding_size: bytes, ..limits };
    let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
    Gpu::from_parts(queue, Planner::new(&device))
}

/// The number of chunks that the tensors of an op are bound in.
fn chunks(op: &dyn Norm, caps: &Caps, strategy: Strategy) -> usize {
    let program = shaders::program(op, caps, strategy).expect("it lowers");
    let ranges = || program.dispatches.iter().flat_map(|d| &d.ranges);
    assert!(ranges().all(|range| range.size > 0), "{:?}", ranges().collect::<Vec<_>>());
    ranges().map(|range| range.offset).collect::<std::collections::BTreeSet<_>>().len().max(1)
}

fn conforms_in_chunks(gpu: &Gpu, op: &dyn Norm, strategy: Strategy) -> bool {
    let data = Data::random(op, 11);
    let name = format!("{} {:?} by {strategy:?}", op.name(), op.shape());
    let outputs = match run(gpu, op, &data.tensors(), strategy) {
        // The scratch of some methods is larger than a binding.
        Err(Error::Unsupported { .. } | Error::Limit { .. }) if strategy != Strategy::Inferred => return false,
        outputs => outputs.unwrap_or_else(|e| panic!("{name}: {e}")),
    };
    let truth = op.reference(&data.tensors()).expect("reference");
    testing::compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(chunks(op, gpu.planner().caps(), strategy) > 1, "{name}: bound as a whole");
    true
}

/// An op with tensors of about three bindings and a shorter last chunk, and how many methods run it in chunks at least.
type Chunked = (&'static str, Box<dyn Norm>, usize);

fn ops_of_rows() -> Vec<Chunked> {
    let rows = LayerNorm::new(&[131, 384], 1..);
    let long = LayerNorm::new(&[97, 511], 1..).save_stats(true);
    let rms = RmsNorm::new(&[700, 64], 1..);
    let middle = LayerNorm::new(&[130, 24, 16], 1..2);
    let first = LayerNorm::new(&[130, 24, 16], ..1).weight(false).bias(false);
    let groups = GroupNorm::new(&[65, 12, 7, 11], 3).save_stats(true);
    let adaptive = LayerNorm::new(&[100, 6, 64], 2..).per_sample(true);
    let rotated = RmsNorm::new(&[300, 3, 64], 2..).rotary(Rotary::new(Pairs::Halves, 32, 9));
    vec![
        ("rows of packs", Box::new(rows.clone()), 8),
        ("rows of packs", Box::new(rows.backward()), 8),
        ("odd rows with saved statistics", Box::new(long.clone()), 8),
        ("odd rows with saved statistics", Box::new(long.backward()), 8),
        ("short rows", Box::new(rms.clone()), 8),
        ("short rows", Box::new(rms.backward()), 8),
        ("an axis in the middle", Box::new(middle.clone()), 3),
        ("an axis in the middle", Box::new(middle.backward()), 1),
        ("the first axis: columns alone", Box::new(first), 3),
        ("groups", Box::new(groups.clone()), 8),
        ("groups", Box::new(groups.backward()), 8),
        ("weights of each sample", Box::new(adaptive.clone()), 8),
        ("weights of each sample", Box::new(adaptive.backward()), 8),
        ("rotated heads", Box::new(rotated), 6),
    ]
}

fn ops_of_channels() -> Vec<Chunked> {
    let training = BatchNorm::training(&[65, 12, 7, 11]).running_stats(RunningStats::PYTORCH).save_stats(true);
    let features = BatchNorm::training(&[700, 64]);
    let last = BatchNorm::training(&[65, 7, 11, 12]).layout(Layout::ChannelsLast);
    let groups_last = GroupNorm::new(&[65, 7, 11, 12], 3).layout(Layout::ChannelsLast);
    let tracked = InstanceNorm::new(&[65, 12, 77]).running_stats(RunningStats::CUMULATIVE).weight(true).bias(true);
    let inference = BatchNorm::inference(&[65, 12, 7, 11]);
    vec![
        ("channels with running statistics", Box::new(training.clone()), 3),
        ("channels with running statistics", Box::new(training.backward()), 3),
        ("statistics saved by the forward pass", Box::new(training.save_for_backward(true).backward()), 3),
        ("features", Box::new(features.clone()), 3),
        ("features", Box::new(features.backward()), 2),
        ("channels last", Box::new(last.clone()), 3),
        ("channels last", Box::new(last.backward()), 2),
        ("groups, channels last", Box::new(groups_last.clone()), 3),
        ("groups, channels last", Box::new(groups_last.backward()), 2),
        ("the mean of the statistics of samples", Box::new(tracked.clone()), 3),
        ("the mean of the statistics of samples", Box::new(tracked.backward()), 3),
        ("given statistics", Box::new(inference.clone()), 2),
        ("given statistics", Box::new(inference.backward()), 2),
    ]
}

/// For each op: its name, how many of these methods and the inferred one run it in chunks, and how many do so at least.
fn in_chunks(methods: &[Method]) -> Vec<(String, usize, usize)> {
    let gpu = small(1 << 16);
    // A device without subgroups has fewer methods.
    let fewer = if gpu.planner().caps().subgroup_size.is_some() { 1 } else { 2 };
    let count = |(why, op, least): Chunked| {
        let strategies = methods.iter().map(|&method| Strategy::Forced(method)).chain([Strategy::Inferred]);
        let ran = strategies.filter(|&strategy| conforms_in_chunks(&gpu, &*op, strategy)).count();
        (format!("{why}: {}", op.name()), ran, least.div_ceil(fewer))
    };
    ops_of_rows().into_iter().chain(ops_of_channels()).map(count).collect()
}

#[test]
fn lanes_take_tensors_in_chunks() {
    for (name, ran, least) in in_chunks(BY_LANES) {
        assert!(ran > usize::from(least > 1), "{name} ran by {ran} methods");
    }
}

#[test]
#[ignore = "every method: cargo xtask test --all"]
fn every_method_takes_tensors_in_chunks() {
    for (name, ran, least) in in_chunks(Method::ALL) {
        assert!(ran >= least, "{name} ran by {ran} methods");
    }
}

/// Half-precision rows that begin inside of words: each chunk begins with a word, and the last one has odd rows.
#[test]
fn rows_that_share_words_come_in_chunks() {
    let gpu = small(1 << 14);
    let mut tuning = gpu.planner().caps().tuning.clone();
    // Teams have several rows and sum up their gradients.
    for (name, value) in [("workgroups", 1), ("min_grad_rows_per_team", 1)] {
        tuning.set(name, value).expect("a number of the table");
    }
    let gpu = Gpu::from_parts(gpu.queue().clone(), Planner::new(gpu.device()).tuning(tuning));
    let strategy = Strategy::Forced(Method::Resident(wgpu_norm::Team::Lane));
    let op = LayerNorm::new(&[263, 65], 1..).dtype(DType::BF16).save_stats(true);
    for op in [&op as &dyn Norm, &op.backward()] {
        assert!(conforms_in_chunks(&gpu, op, strategy), "{}", op.name());
        let program = shaders::program(op, gpu.planner().caps(), strategy).expect("it ran");
        assert!(program.dispatches[0].shader.wgsl().contains("at.words"), "{}", op.name());
    }
}

#[test]
fn every_option_works_in_chunks() {
    let gpu = small(1 << 16);
    let rows = || LayerNorm::new(&[130, 258], 1..);
    let strided = LayerNorm::new(&[130, 257], 1..).strides(Slot::Input, &[301, 1]);
    let sum = rows().dtype(DType::F16).residual(true).residual_output(true).residual_output_dtype(DType::F32);
    let image = BatchNorm::training(&[40, 6, 14, 14]);
    let activated = image.clone().residual(true).activation(Activation::Relu);
    let heads = RmsNorm::new(&[700, 3, 36], 2..).affine_axes(1..);
    let factors = rows().gate(Gate::after(GateFunction::OnePlus)).strides(Slot::Gate, &[0, 1]);
    let of_rows = rows().gate(Gate::after(GateFunction::OnePlus)).strides(Slot::Gate, &[1, 0]);
    let ops: [(&str, &dyn Norm); 17] = [
        ("bf16 with weights in f32", &rows().dtype(DType::BF16).affine_dtype(DType::F32)),
        ("chunks of another size in the output", &rows().output_dtype(DType::F16).activation(Activation::Gelu)),
        ("in place", &rows().in_place(true)),
        ("an output in int8, which is no chunk", &rows().quantized(Quantized::blocks(32))),
        ("rows of the input with gaps", &rows().strides(Slot::Input, &[300, 1])),
        ("odd rows of the input with gaps", &strided.backward()),
        ("a sum of another type", &sum),
        ("a sum of another type", &sum.backward()),
        ("gradients that accumulate", &rows().activation(Activation::Silu).backward().accumulate(true)),
        ("the gradient of a residual", &activated.backward()),
        ("norms", &LpNormalize::new(&[200, 129], 1..).order(Order::L1).backward()),
        ("a weight for each head", &heads),
        ("a weight for each head", &heads.backward()),
        ("a gate that all rows share", &factors),
        ("a gate for each row", &of_rows.backward()),
        ("moments", &BatchMoments::new(&[40, 6, 14, 14])),
        ("a residual with given statistics", &BatchNorm::inference(&[40, 6, 14, 14]).residual(true)),
    ];
    for (why, op) in ops {
        assert!(conforms_in_chunks(&gpu, op, Strategy::Inferred), "{why}");
    }
}

#[test]
fn a_row_or_sample_beyond_a_binding_is_refused() {
    let gpu = small(1 << 15);
    let ops: [(&str, &dyn Norm); 3] = [
        ("a row", &LayerNorm::new(&[4, 8193], 1..).weight(false).bias(false)),
        ("a sample of groups", &GroupNorm::new(&[4, 6, 2000], 3)),
        ("a sample of channels", &BatchNorm::training(&[4, 6, 2000])),
    ];
    for (why, op) in ops {
        let error = gpu.planner().plan(op).unwrap_err();
        let is_named = matches!(error, Error::Limit { what: "max_storage_buffer_binding_size", allowed: 32768, .. });
        assert!(is_named, "{why}: {error}");
    }
}

/// Tensors of 300 MiB, where lavapipe binds 128. They repeat some samples, so that the reference of these is that of
/// all.
#[test]
#[ignore = "large tensors: cargo xtask test --all"]
fn tensors_beyond_the_binding_of_the_adapter() {
    const TIMES: usize = 12;
    let caps = gpu().planner().caps();
    let image = |samples: usize| [samples * 8, 64, 128, 100];
    let rows = |samples: usize| LayerNorm::new(&[samples * 6400, 1024], 1..);
    let ops: [&dyn Fn(usize) -> Box<dyn Norm>; 8] = [
        &|n| Box::new(rows(n)),
        &|n| Box::new(rows(n).backward()),
        &|n| Box::new(RmsNorm::new(&[n * 800, 8192], 1..)),
        &|n| Box::new(RmsNorm::new(&[n * 800, 8192], 1..).backward()),
        &|n| Box::new(GroupNorm::new(&image(n), 8)),
        &|n| Box::new(GroupNorm::new(&image(n), 8).backward()),
        &|n| Box::new(BatchNorm::training(&image(n))),
        &|n| Box::new(BatchNorm::training(&image(n)).backward()),
    ];
    for op in ops {
        let (some, all) = (op(1), op(TIMES));
        let data = Data::random(&*some, 12);
        let truth = some.reference(&data.tensors()).expect("reference");
        let outputs = run(gpu(), &*all, &data.repeated(&*all).tensors(), Strategy::Inferred).expect("run");
        for spec in some.tensors().expect("valid").iter().filter(|spec| spec.access != Access::Read) {
            let expected = truth.get(spec.slot).expect("the reference has it");
            let actual = outputs.get(spec.slot).expect("the op wrote it");
            // Gradients of weights that all samples share are sums over them.
            let sums = if actual.len() == expected.len() { TIMES as f64 } else { 1.0 };
            let bound = testing::slot_bound(spec.slot, &truth) * sums;
            let expected: Vec<f64> = expected.iter().map(|value| value * sums).collect();
            for actual in actual.chunks(expected.len()) {
                let error = testing::max_error(spec.slot.name(), spec.dtype, actual, &expected).expect("comparable");
                assert!(error <= bound, "{} {:?}: {} off by {error:e}", all.name(), all.shape(), spec.slot);
            }
        }
        let bytes = all.tensors().expect("valid").iter().map(wgpu_norm::TensorSpec::bytes).max().expect("tensors");
        let whole = bytes <= caps.max_storage_buffer_binding_size;
        assert_eq!(chunks(&*all, caps, Strategy::Inferred) == 1, whole, "{}", all.name());
    }
}
