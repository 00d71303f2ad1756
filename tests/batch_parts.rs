//! Batch norm over devices: each has a part of the batch, and all get the results of the whole batch.

mod common;

use common::{gpu, run};
use wgpu_norm::{
    Access, Activation, Backward, BatchMoments, BatchNorm, Coefficients, DType, Error, Layout, Norm, Outputs,
    RunningStats, Slot, Strategy, Tensors,
    testing::{Data, Random, compare_outputs},
};

/// Samples of each device: even, uneven, and an empty part beside others.
const PARTS: [&[usize]; 3] = [&[4, 4], &[1, 2, 3, 4], &[0, 4, 3, 3]];
/// Means beside a standard deviation of 1.
const OFFSETS: [f64; 3] = [0.0, 1e5, 1e6];
/// The tensors that are cut by samples.
const CUT: [Slot; 4] = [Slot::Input, Slot::Residual, Slot::GradOutput, Slot::Output];
const MOMENTUM: RunningStats = RunningStats::PyTorch { momentum: Some(0.5) };

/// The op's outputs, which agree with the reference for the same tensors.
fn conforming(name: &str, op: &dyn Norm, values: &Data) -> Outputs<f32> {
    let all = values.tensors();
    let specs = op.tensors().unwrap_or_else(|e| panic!("{name}: {e}"));
    let reads = specs.iter().filter(|spec| spec.access != Access::Write);
    let tensors = reads.fold(Tensors::default(), |tensors, spec| {
        tensors.set(spec.slot, all.get(spec.slot).unwrap_or_else(|| panic!("{name}: no {}", spec.slot)))
    });
    let outputs = run(gpu(), op, &tensors, Strategy::Inferred).unwrap_or_else(|e| panic!("{name}: {e}"));
    let truth = op.reference(&tensors).expect("a reference");
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}, {} {:?}: {e}", op.name(), op.shape()));
    outputs
}

fn samples(op: &BatchNorm, n: usize) -> BatchNorm {
    let mut op = op.clone();
    op.shape[0] = n;
    op
}

fn channels(op: &BatchNorm) -> usize {
    if op.layout == Layout::ChannelsFirst { op.shape[1] } else { op.shape[op.shape.len() - 1] }
}

/// Numbers for all tensors of an op and of its backward pass, with means, signs and spreads that differ by channel.
fn data(op: &BatchNorm, offset: f64) -> Data {
    let all = Data::random(op, 5);
    let mut data = all.with(Slot::GradOutput, Random::new(9).normal(op.shape.iter().product(), 0.7, 1.0));
    let (channels, of_sample) = (channels(op), op.shape[1..].iter().product::<usize>());
    let inner = if op.layout == Layout::ChannelsFirst { of_sample / channels } else { 1 };
    let mut input = Random::new(3).normal(op.shape.iter().product(), 0.0, 1.0);
    for (i, x) in input.iter_mut().enumerate() {
        let sign = if i / inner % channels % 2 == 0 { 1.0 } else { -1.0 };
        *x = (f64::from(*x) + sign * offset) as f32;
    }
    data = data.with(Slot::Input, input).with(Slot::RunningMean, vec![0.25; channels]);
    data.with(Slot::RunningVar, vec![2.0; channels])
}

/// The tensors of one part: `n` samples from `first` on.
fn cut(data: &Data, op: &BatchNorm, first: usize, n: usize) -> Data {
    let of_sample: usize = op.shape[1..].iter().product();
    CUT.iter().fold(data.clone(), |part, &slot| match data.tensors().get(slot) {
        Some(values) => part.with(slot, values[first * of_sample..][..n * of_sample].to_vec()),
        None => part,
    })
}

/// What the devices of `parts` compute, with the tensors of all samples joined, and the gradients of weight and bias
/// added up.
fn in_parts(name: &str, op: &BatchNorm, data: &Data, parts: &[usize]) -> Outputs<f32> {
    let firsts = parts.iter().scan(0, |at, n| Some(std::mem::replace(at, *at + n)));
    let mut ranks: Vec<(BatchNorm, Data)> = parts
        .iter()
        .zip(firsts)
        .map(|(&n, first)| (samples(op, n).merge(parts.len()), cut(data, op, first, n)))
        .collect();
    let moments: Vec<f32> = ranks
        .iter()
        .flat_map(|(part, data)| {
            let moments = BatchMoments::new(&part.shape).layout(part.layout).dtype(part.options.types.input());
            match part.shape[0] {
                0 => vec![0.0; 4 * channels(op)],
                _ => conforming(name, &moments, data).moments().to_vec(),
            }
        })
        .collect();
    let mut all = Outputs::default();
    let mut join = |slot, values: &[f32]| {
        let joined = [all.get(slot).unwrap_or_default(), values].concat();
        all.set(slot, joined);
    };
    let mut sums = Vec::new();
    let mut affine: [Vec<f32>; 2] = Default::default();
    let mut ranks_alike: Option<Outputs<f32>> = None;
    for (part, data) in &mut ranks {
        *data = data.clone().with(Slot::Moments, moments.clone());
        let outputs = conforming(name, &*part, data);
        *data = data.clone().with(Slot::Statistics, outputs.statistics().to_vec());
        join(Slot::Output, outputs.get(Slot::Output).unwrap_or_default());
        // All devices have the same statistics, bit by bit, also one whose part is empty.
        let first = ranks_alike.get_or_insert_with(|| outputs.clone());
        for slot in [Slot::Statistics, Slot::RunningMean, Slot::RunningVar, Slot::Mean, Slot::Rstd] {
            assert_eq!(outputs.get(slot), first.get(slot), "{name}: {slot}");
        }
        let written = conforming(name, &part.backward().coefficients(Coefficients::Written), data);
        assert_eq!(written.get(Slot::GradResidual), None, "{name}: the residual's gradient comes with the input's");
        sums.extend_from_slice(written.grad_sums());
        for (total, slot) in affine.iter_mut().zip([Slot::GradWeight, Slot::GradBias]) {
            let own = written.get(slot).unwrap_or_default();
            total.resize(own.len(), 0.0);
            total.iter_mut().zip(own).for_each(|(sum, x)| *sum += x);
        }
    }
    for (part, data) in ranks {
        let given = part.backward().coefficients(Coefficients::Given);
        let outputs = conforming(name, &given, &data.with(Slot::GradSums, sums.clone()));
        for slot in [Slot::GradInput, Slot::GradResidual] {
            join(slot, outputs.get(slot).unwrap_or_default());
        }
    }
    for (values, slot) in affine.into_iter().zip([Slot::GradWeight, Slot::GradBias]) {
        all.set(slot, values);
    }
    let first = ranks_alike.expect("a part");
    for slot in [Slot::RunningMean, Slot::RunningVar, Slot::Mean, Slot::Rstd] {
        all.set(slot, first.get(slot).expect("written").to_vec());
    }
    all
}

/// The outputs of `op` among those of both directions.
fn only(op: &dyn Norm, outputs: &Outputs<f32>) -> Outputs<f32> {
    let mut own = Outputs::default();
    for spec in op.tensors().expect("it is right").iter().filter(|spec| spec.access != Access::Read) {
        own.set(spec.slot, outputs.get(spec.slot).unwrap_or_else(|| panic!("no {}", spec.slot)).to_vec());
    }
    own
}

/// The parts give the forward pass, the running statistics and the gradients that one device computes in f64.
fn check(name: &str, op: &BatchNorm, parts: &[usize], offset: f64) {
    let name = format!("{name}, parts {parts:?}, offset {offset}");
    let op = op.clone().running_stats(MOMENTUM).save_stats(true);
    let data = data(&op, offset);
    let outputs = in_parts(&name, &op.clone().save_for_backward(true), &data, parts);
    let truth = |op: &dyn Norm| {
        let all = data.tensors();
        let specs = op.tensors().expect("it is right");
        let reads = specs.iter().filter(|spec| spec.access != Access::Write);
        op.reference(&reads.fold(Tensors::default(), |t, s| t.set(s.slot, all.get(s.slot).expect("a value"))))
            .expect("a reference")
    };
    let backward = op.backward();
    for op in [&op as &dyn Norm, &backward] {
        compare_outputs(op, &only(op, &outputs), &truth(op)).unwrap_or_else(|e| panic!("{name}, {}: {e}", op.name()));
    }
}

/// The batch of the parts.
fn batch(parts: &[usize], rest: &[usize]) -> BatchNorm {
    BatchNorm::training(&[&[parts.iter().sum()], rest].concat())
}

#[test]
fn parts_of_a_batch_get_the_gradients_of_the_whole() {
    for parts in PARTS {
        for offset in OFFSETS {
            let image = batch(parts, &[5, 12]).residual(true).activation(Activation::Relu);
            check("a residual and an activation", &image, parts, offset);
            check("channels last", &batch(parts, &[7, 8]).layout(Layout::ChannelsLast), parts, offset);
        }
        // A part of one sample has one value a channel.
        check("columns", &batch(parts, &[6]).activation(Activation::Silu), parts, 1e5);
        check("odd columns, zero-centred", &batch(parts, &[3]).zero_centered(true), parts, 1e5);
        check("a bias alone", &batch(parts, &[3, 5]).weight(false), parts, 1e5);
    }
    check("many parts, one value each", &batch(&[1; 70], &[4]), &[1; 70], 1e5);
    check("a part alone", &batch(&[6], &[4, 9]), &[6], 1e6);
}

#[test]
fn half_precision_and_gaps_in_memory() {
    for dtype in [DType::F16, DType::BF16] {
        let op = batch(&[1, 3], &[4, 9]).residual(true).activation(Activation::Gelu).dtype(dtype);
        let parts: [BatchNorm; 2] = [1, 3].map(|n| samples(&op, n).merge(2).save_for_backward(true));
        for part in parts {
            for coefficients in [Coefficients::Written, Coefficients::Given] {
                let backward = part.backward().coefficients(coefficients);
                conforming("half precision", &backward, &Data::random(&backward, 1));
            }
        }
    }
    let strides = [80, 20, 1];
    let op = BatchNorm::training(&[3, 4, 12]).strides(Slot::Input, &strides).strides(Slot::GradInput, &strides);
    for coefficients in [Coefficients::Written, Coefficients::Given] {
        let backward = op.clone().merge(2).save_for_backward(true).backward().coefficients(coefficients);
        conforming("gaps", &backward, &Data::random(&backward, 1));
    }
}

/// Other gradients than those of the default, by the same two passes.
#[test]
fn gradients_that_are_asked_for() {
    let op = BatchNorm::training(&[3, 4, 12]).residual(true).activation(Activation::Relu);
    let merged = op.merge(2).save_for_backward(true);
    let first = merged.backward().coefficients(Coefficients::Written);
    let second = merged.backward().coefficients(Coefficients::Given);
    let cases: [(&str, Backward<BatchNorm>); 6] = [
        ("sums alone", first.clone().grad_weight(false).grad_bias(false)),
        ("gradients that accumulate", first.clone().accumulate(true)),
        ("the residual's in the first pass", first.clone().grad_residual(true)),
        ("no residual's", second.clone().grad_residual(false)),
        ("those of weight and bias in the second pass", second.grad_weight(true).grad_bias(true)),
        ("f16", first.grad_affine_dtype(DType::F16)),
    ];
    for (why, op) in cases {
        conforming(why, &op, &Data::random(&op, 1));
    }
}

/// A part without samples has sums of zero, and what accumulates stays.
#[test]
fn an_empty_part_writes_zeros() {
    let op = BatchNorm::training(&[0, 3, 8]).merge(2).save_for_backward(true);
    for accumulate in [false, true] {
        let written = op.backward().coefficients(Coefficients::Written).accumulate(accumulate);
        let data = Data::random(&written, 1);
        let outputs = conforming("empty", &written, &data);
        assert_eq!(outputs.grad_sums(), [0.0; 12]);
        let old = data.tensors().get(Slot::GradWeight).map_or(vec![0.0; 3], <[f32]>::to_vec);
        assert_eq!(outputs.grad_weight(), old, "accumulate {accumulate}");
    }
    let given = op.backward().coefficients(Coefficients::Given);
    assert_eq!(gpu().planner().plan(&given).expect("a plan").method(), None, "nothing to do");
    let untracked = BatchNorm::training(&[0, 3, 8]).merge(2);
    assert_eq!(gpu().planner().plan(&untracked).expect("a plan").method(), None, "nothing to do");
}

/// An empty part takes part in a cumulative average as all others do.
#[test]
fn an_empty_part_counts_the_batch() {
    for n in [0, 2] {
        let op = BatchNorm::training(&[n, 3]).merge(2).running_stats(RunningStats::CUMULATIVE).running_low(true);
        let moments = [[0.0; 12], [5.0, 1e-9, 8.0, 4.0, -3.0, 0.0, 2.0, 4.0, 1.5, -1e-8, 4.0, 4.0]].concat();
        let data = Data::random(&op, 1).with(Slot::Moments, moments);
        let tensors = data.tensors().num_batches_tracked(3);
        let outputs = run(gpu(), &op, &tensors, Strategy::Inferred).expect("it runs");
        compare_outputs(&op, &outputs, &op.reference(&tensors).expect("a reference")).expect("the reference");
        assert_eq!(outputs.num_batches_tracked(), Some(4));
    }
}

#[test]
fn the_same_parts_have_the_same_bits() {
    let op = batch(PARTS[1], &[5, 12]).residual(true).activation(Activation::Relu).running_stats(MOMENTUM);
    let op = op.save_stats(true).save_for_backward(true);
    let data = data(&op, 1e5);
    let outputs = || {
        let all = in_parts("again", &op, &data, PARTS[1]);
        all.slots().map(|slot| (slot, all.get(slot).expect("a slot").iter().map(|x| x.to_bits()).collect())).collect()
    };
    let first: Vec<(Slot, Vec<u32>)> = outputs();
    assert_eq!(outputs(), first);
}

#[test]
fn mistakes_name_the_argument() {
    let op = BatchNorm::training(&[4, 3]);
    let merged = op.clone().merge(2).save_for_backward(true);
    let argument = |op: &dyn Norm| match op.tensors() {
        Err(Error::InvalidArgument { argument, .. }) => argument,
        other => panic!("{other:?}"),
    };
    let written = |op: &BatchNorm| op.backward().coefficients(Coefficients::Written);
    let given = |op: &BatchNorm| op.backward().coefficients(Coefficients::Given);
    assert_eq!(argument(&merged.backward()), "coefficients");
    assert_eq!(argument(&written(&op)), "coefficients");
    assert_eq!(argument(&given(&op)), "coefficients");
    assert_eq!(argument(&written(&merged.clone().save_for_backward(false))), "save_for_backward");
    assert_eq!(argument(&given(&merged.clone().save_for_backward(false))), "save_for_backward");
    assert_eq!(argument(&written(&merged).grad_input(true)), "grad_input");
    assert_eq!(argument(&given(&merged).grad_input(false)), "grad_input");
    assert_eq!(argument(&given(&merged.clone().in_place(true))), "in_place");
    assert_eq!(argument(&written(&merged.clone().merge(0))), "merge");
    let many = gpu().planner().plan(&given(&merged.clone().merge(40_000))).map(|_| ());
    assert!(matches!(&many, Err(Error::Unsupported { what, .. }) if what.contains("40000 parts")), "{many:?}");
    let most = merged.merge(1 << 30).tensors();
    assert!(matches!(most, Err(Error::Limit { .. })), "{most:?}");
}
