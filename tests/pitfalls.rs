//! Where other normalizations went wrong: each with the thread or the source that tells of it, held against numbers by
//! hand, or the f64 reference where only the numerics are at stake. The numbers in front are those of the list in
//! `docs/testing.md`.

mod common;

use common::{
    gpu,
    methods::{BY_LANES, conforms_by, every_method},
    run,
};
use wgpu_norm::{
    Activation, BatchNorm, Caps, DType, Error, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize,
    Method, Norm, Order, Outputs, RmsNorm, RunningStats, Slot, Strategy, Team, Tensors, Window, shaders,
    testing::{self, Random},
};

fn every(op: &dyn Norm, tensors: &Tensors<'_>, check: impl Fn(Method, &Outputs<f32>)) {
    every_method(gpu(), op, tensors, check);
}

// As the f64 reference, by every method.
fn conforms(op: &dyn Norm, tensors: &Tensors<'_>) {
    let truth = op.reference(tensors).expect("reference");
    every(op, tensors, |method, outputs| {
        testing::compare_outputs(op, outputs, &truth).unwrap_or_else(|e| panic!("{} by {method}: {e}", op.name()));
    });
}

// By lanes alone: an activation is a part of its own.
fn by_lanes(op: &dyn Norm, tensors: &Tensors<'_>, check: impl Fn(Method, &Outputs<f32>)) {
    for &method in BY_LANES {
        match run(gpu(), op, tensors, Strategy::Forced(method)) {
            Err(Error::Unsupported { .. }) => {}
            outputs => check(method, &outputs.unwrap_or_else(|e| panic!("{}, {method}: {e}", op.name()))),
        }
    }
}

// The output, by every method.
fn gives(op: &dyn Norm, tensors: &Tensors<'_>, expected: &[f64]) {
    every(op, tensors, |method, outputs| {
        testing::compare("output", outputs.output(), expected)
            .unwrap_or_else(|e| panic!("{} by {method}: {e}", op.name()));
    });
}

fn plain(shape: &[usize]) -> LayerNorm {
    LayerNorm::new(shape, 1..).weight(false).bias(false)
}

fn plain_batch(shape: &[usize]) -> BatchNorm {
    BatchNorm::training(shape).weight(false).bias(false)
}

// 1. Inside the square root, but for L2: an early PyTorch had it outside, and ONNX's `MeanVarianceNormalization` still
// does (24).
#[test]
fn eps_is_added_to_the_variance() {
    let x = [1.0, 3.0];
    gives(&plain(&[1, 2]).eps(3.0), &Tensors::new(&x), &[-0.5, 0.5]);
    gives(&RmsNorm::new(&[1, 2], 1..).weight(false).eps(4.0), &Tensors::new(&x), &[1.0 / 3.0, 1.0]);
    // ggml's row_norm.wgsl, and the zero norm of ONNX's LpNormalization-22.
    gives(&LpNormalize::new(&[1, 2], 1..).eps(5.0), &Tensors::new(&[0.0, 3.0]), &[0.0, 0.6]);
    gives(&LpNormalize::new(&[1, 2], 1..), &Tensors::new(&[0.0, 0.0]), &[0.0, 0.0]);
}

// 2. RMS norm without one has the epsilon of the type (pytorch/executorch#19963), Keras has 1e-3: ours are PyTorch's.
#[test]
fn eps_is_pytorchs_by_default() {
    let shape = [2, 4, 2];
    let five = [
        LayerNorm::new(&shape, 1..).options.eps,
        GroupNorm::new(&shape, 2).options.eps,
        InstanceNorm::new(&shape).options.eps,
        BatchNorm::training(&shape).options.eps,
        BatchNorm::inference(&shape).options.eps,
    ];
    assert!(five.iter().all(|eps| eps.to_bits() == 1e-5_f32.to_bits()), "{five:?}");
    assert_eq!(RmsNorm::new(&shape, 1..).options.eps.to_bits(), f32::EPSILON.to_bits());
    assert_eq!(LpNormalize::new(&shape, 1..).options.eps.to_bits(), 1e-12_f32.to_bits());
}

// 3. ONNX Runtime's WebGPU instance norm writes eps into the shader with six decimals, so that 1e-7 is 0
// (`instance_norm.cc`).
#[test]
fn a_small_eps_arrives() {
    let x = [0.0, 2e-4];
    // The variance is 1e-8.
    gives(&plain(&[1, 2]).eps(3e-8), &Tensors::new(&x), &[-0.5, 0.5]);
    gives(&InstanceNorm::new(&[1, 1, 2]).eps(3e-8), &Tensors::new(&x), &[-0.5, 0.5]);
    gives(&plain(&[1, 2]).eps(1e-12), &Tensors::new(&x), &[-0.99995, 0.99995]);
    let shader = |eps| {
        let program = shaders::program(&plain(&[1, 2]).eps(eps), &Caps::default(), Strategy::Inferred);
        program.expect("a program").dispatches[0].shader
    };
    assert_eq!(shader(1e-5), shader(1e-12), "one pipeline for every eps");
}

// 4. PyTorch's tests have eps = -0.5, which may be the root of a negative number; ggml's have 0 and 10.
#[test]
fn eps_is_not_negative() {
    assert!(matches!(plain(&[1, 2]).eps(-0.5).tensors(), Err(Error::InvalidArgument { argument: "eps", .. })));
    gives(&plain(&[1, 2]).eps(0.0), &Tensors::new(&[1.0, 3.0]), &[-1.0, 1.0]);
    gives(&plain(&[1, 2]).eps(10.0), &Tensors::new(&[1.0, 3.0]), &[-1.0 / 11_f64.sqrt(), 1.0 / 11_f64.sqrt()]);
    let x = Random::new(4).normal(7 * 60, 1.0, 2.0);
    for eps in [0.0, 1e-12, 1e-5, 1e-3, 1.0, 10.0] {
        conforms(&plain(&[7, 60]).eps(eps), &Tensors::new(&x));
        conforms(&RmsNorm::new(&[7, 60], 1..).weight(false).eps(eps), &Tensors::new(&x));
        conforms(&plain_batch(&[7, 5, 12]).eps(eps), &Tensors::new(&x));
        conforms(&plain(&[7, 60]).eps(eps).backward(), &Tensors::new(&x).set(Slot::GradOutput, &x));
    }
    // 0 / 0 of a constant row.
    every(&plain(&[1, 2]).eps(0.0), &Tensors::new(&[7.0, 7.0]), |method, outputs| {
        assert!(outputs.output().iter().all(|y| y.is_nan()), "{method}: {:?}", outputs.output());
    });
}

// The running statistics after a batch of 1 and 3 in one channel, from a mean of 10 and a variance of 20.
fn running(convention: RunningStats, batches: u32) -> [f32; 2] {
    let op = plain_batch(&[2, 1]).running_stats(convention);
    let tensors = Tensors::new(&[1.0, 3.0]).running(&[10.0], &[20.0]);
    let counts = matches!(convention, RunningStats::PyTorch { momentum: None });
    let outputs =
        run(gpu(), &op, &if counts { tensors.num_batches_tracked(batches) } else { tensors }, Strategy::Inferred);
    let outputs = outputs.expect("runs");
    [outputs.running_mean()[0], outputs.running_var()[0]]
}

fn close(actual: [f32; 2], expected: [f64; 2]) {
    testing::compare("running statistics", &actual, &expected).expect("running statistics");
}

// 5, 6. The batch has mean 2, variance 1 and unbiased variance 2. PyTorch keeps the unbiased one and calls the part of
// the new one momentum; ONNX and Keras keep the population's and call the part of the old one that
// (pytorch/pytorch#77427, #19902, ONNX `BatchNormalization`-15).
#[test]
fn running_statistics_are_each_frameworks() {
    close(running(RunningStats::PYTORCH, 0), [9.2, 18.2]);
    close(running(RunningStats::ONNX, 0), [9.2, 18.1]);
    close(running(RunningStats::KERAS, 0), [9.92, 19.81]);
}

// 7. Without a momentum the running statistics are the average of all batches.
#[test]
fn running_statistics_are_cumulative_without_a_momentum() {
    close(running(RunningStats::CUMULATIVE, 0), [2.0, 2.0]);
    close(running(RunningStats::CUMULATIVE, 3), [8.0, 15.5]);
}

// 8. PyTorch's tests have momenta of -1.2, -1 and 0: plain arithmetic, which candle refuses.
#[test]
fn a_momentum_is_any_finite_number() {
    let momentum = |momentum| running(RunningStats::PyTorch { momentum: Some(momentum) }, 0);
    close(momentum(0.0), [10.0, 20.0]);
    close(momentum(-1.0), [18.0, 38.0]);
    close(momentum(-1.2), [19.6, 41.6]);
    let op = plain_batch(&[2, 1]).running_stats(RunningStats::PyTorch { momentum: Some(f64::NAN as _) });
    assert!(matches!(op.tensors(), Err(Error::InvalidArgument { .. })));
}

// 9. One value has no unbiased variance: candle divides by 0, burn keeps 0, PyTorch refuses (pytorch/pytorch#1381,
// #2961).
#[test]
fn batch_norm_of_one_value_is_refused() {
    for convention in [RunningStats::PYTORCH, RunningStats::ONNX, RunningStats::KERAS] {
        let op = plain_batch(&[1, 3]).running_stats(convention);
        assert!(matches!(op.tensors(), Err(Error::InvalidArgument { .. })), "{convention:?}");
    }
    assert!(BatchNorm::inference(&[1, 3]).tensors().is_ok());
}

// 10. Empty batches crashed, or left NaN behind (pytorch/pytorch#12013, #29578, #8933).
#[test]
fn an_empty_batch_changes_nothing() {
    let op = plain_batch(&[0, 3]).running_stats(RunningStats::PYTORCH);
    let (mean, var) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
    let tensors = Tensors::new(&[]).running(&mean, &var);
    let outputs = gpu().run(&op, &tensors).expect("an empty batch");
    assert!(outputs.output().is_empty());
    assert_eq!((outputs.running_mean(), outputs.running_var()), (&mean[..], &var[..]));
    let backward = LayerNorm::new(&[0, 3], 1..).backward();
    let tensors = Tensors::new(&[]).weight(&mean).set(Slot::GradOutput, &[]);
    let outputs = gpu().run(&backward, &tensors).expect("an empty batch");
    assert_eq!((outputs.grad_weight(), outputs.grad_bias()), (&[0.0; 3][..], &[0.0; 3][..]));
}

// 11, 12. E[x^2] - E[x]^2 is negative for constant rows, and nothing for small deviations from a large mean: NaN in
// ONNX Runtime (microsoft/onnxruntime#21935, #28463) and on MLX's GPU (ml-explore/mlx#2238), 4.8e4 in PyTorch
// (pytorch/pytorch#51102, #40308), 990 times too small on MPS (pytorch/pytorch#190491).
#[test]
#[ignore = "longer rows: cargo xtask test --all"]
fn a_large_mean_leaves_the_deviations_of_longer_rows() {
    for (value, len) in [(40000.0, 4096), (1e7, 33000)] {
        gives(&plain(&[2, len]), &Tensors::new(&vec![value; 2 * len]), &vec![0.0; 2 * len]);
    }
    let mut random = Random::new(12);
    for (mean, spread) in [(1449.0, 0.5), (2000.0, 1e-3), (100.0, 0.01), (1e6, 1.0)] {
        for len in [4096, 33000] {
            let x = random.normal(2 * len, mean, spread);
            conforms(&plain(&[2, len]), &Tensors::new(&x));
            let rows = random.normal(2 * len, 0.0, 1.0);
            conforms(&plain(&[2, len]).backward(), &Tensors::new(&x).set(Slot::GradOutput, &rows));
        }
    }
}

#[test]
fn a_large_mean_leaves_the_deviations() {
    for (value, len) in [(1234.0, 384), (40000.0, 384), (1e7, 33)] {
        gives(&plain(&[2, len]), &Tensors::new(&vec![value; 2 * len]), &vec![0.0; 2 * len]);
    }
    let [a, b] = [1.0 / 5_f64.sqrt(), 3.0 / 5_f64.sqrt()];
    let x = [40000.0, 40001.0, 40002.0, 40003.0];
    gives(&plain(&[1, 4]).eps(0.0), &Tensors::new(&x), &[-b, -a, a, b]);
    gives(&plain_batch(&[4, 1]).eps(0.0), &Tensors::new(&x), &[-b, -a, a, b]);
    let mut random = Random::new(12);
    for (mean, spread) in [(1449.0, 0.5), (2000.0, 1e-3), (100.0, 0.01), (1e6, 1.0)] {
        let x = random.normal(3 * 384, mean, spread);
        conforms(&plain(&[3, 384]), &Tensors::new(&x));
        conforms(&GroupNorm::new(&[3, 8, 48], 2).weight(false).bias(false), &Tensors::new(&x));
        conforms(&plain_batch(&[3, 8, 48]), &Tensors::new(&x));
        let rows = random.normal(3 * 384, 0.0, 1.0);
        let backward = plain(&[3, 384]).backward();
        conforms(&backward, &Tensors::new(&x).set(Slot::GradOutput, &rows));
    }
}

// 13. x * (weight * rstd) + (bias - mean * weight * rstd) cancels where the mean is large: ONNX Runtime's
// `instance_norm.cc`, tfjs's `batchnorm_webgpu.ts`.
#[test]
fn scale_and_shift_are_not_folded() {
    let x = [1e6, 1e6 + 1.0, 1e6 + 2.0, 1e6 + 5.0];
    let op = BatchNorm::inference(&[4, 1]).eps(0.0);
    let tensors = Tensors::new(&x).weight(&[1000.0]).bias(&[1.0]).running(&[1e6], &[1e-2]);
    gives(&op, &tensors, &[1.0, 10001.0, 20001.0, 50001.0]);
    let rstd = 1.0 / 3.5_f64.sqrt();
    let op = InstanceNorm::new(&[1, 1, 4]).weight(true).bias(true).eps(0.0);
    let expected = [-2.0, -1.0, 0.0, 3.0].map(|d| 1000.0 * d * rstd + 1.0);
    gives(&op, &Tensors::new(&x).weight(&[1000.0]).bias(&[1.0]), &expected);
}

// 14, 15. In f16 the square of 256 is an infinity and 1 / 2^14 no normal number: whisper and Gemma-3 gave zeros
// (microsoft/onnxruntime#31626,
// #26732), group norm 318 (tracel-ai/burn#5382). Here f16 is how tensors are stored.
#[test]
fn half_precision_is_no_arithmetic() {
    let large = [60000.0, -60000.0, 60000.0, -60000.0];
    let op = plain(&[1, 4]).dtype(DType::F16);
    gives(&op, &Tensors::new(&large), &[1.0, -1.0, 1.0, -1.0]);
    // The largest numbers of either type: the squares of bf16's leave f32 (16).
    let of = |dtype: DType, largest: f32| (plain(&[1, 4]).dtype(dtype), [largest, -largest, largest, -largest]);
    let (op, x) = of(DType::F16, 65504.0);
    gives(&op, &Tensors::new(&x), &[1.0, -1.0, 1.0, -1.0]);
    conforms(&op.backward(), &Tensors::new(&x).set(Slot::GradOutput, &[1.0, 2.0, -1.0, 0.5]));
    let (op, x) = of(DType::BF16, 2_f32.powi(125));
    gives(&op, &Tensors::new(&x), &[0.0; 4]);
    // Here not even the differences are numbers of f32: NaN where they are taken, and else 0.
    let (op, x) = of(DType::BF16, 3.389_531_4e38);
    every(&op, &Tensors::new(&x), |method, outputs| {
        let same = |is: fn(f32) -> bool| outputs.output().iter().all(|&y| is(y));
        assert!(same(f32::is_nan) || same(|y| y == 0.0), "{method}: {:?}", outputs.output());
    });
    let (op, x) = of(DType::BF16, 2_f32.powi(62));
    gives(&op, &Tensors::new(&x), &[1.0, -1.0, 1.0, -1.0]);
    let many: Vec<f32> = (0..1 << 16).map(|i| if i % 2 == 0 { 1.0 } else { 3.0 }).collect();
    let expected: Vec<f64> = many.iter().map(|&x| f64::from(x) - 2.0).collect();
    gives(&plain(&[1, 1 << 16]).dtype(DType::F16).eps(0.0), &Tensors::new(&many), &expected);
    let op = GroupNorm::new(&[1, 4, 1 << 14], 1).weight(false).bias(false).dtype(DType::F16).eps(0.0);
    gives(&op, &Tensors::new(&many), &expected);
}

// 16. Deviations of 1e30 have no square in f32 (pytorch/pytorch#178123): the documented result is 0, with an rstd of 0.
// Deviations of 1e-25 have a square of 0, and eps remains.
#[test]
fn the_range_of_f32_ends_as_documented() {
    let op = plain(&[1, 4]).save_stats(true);
    every(&op, &Tensors::new(&[1e30, -1e30, 2e30, -2e30]), |method, outputs| {
        assert_eq!((outputs.output(), outputs.rstd()), (&[0.0; 4][..], &[0.0][..]), "{method}");
    });
    conforms(&op, &Tensors::new(&[1e-25, -1e-25, 2e-25, -2e-25]));
}

// 45. f32 has no room for the squares of its larger and smaller numbers, nor for the norm of the largest
// (microsoft/onnxruntime#32574).
#[test]
fn norms_have_the_whole_range_of_f32() {
    let rows: [[f32; 4]; 7] = [
        [3e38, -3e38, 1.5e38, 1e30],
        [1e30, -1e30, 2e29, 1.0],
        [1e15, -2e15, 1e-15, 0.0],
        [1e-20, -1e-20, 2e-20, 1e-22],
        [1e-30, -1e-30, 3e-31, 0.0],
        [2e-37, -4e-37, 2e-37, 1e-37],
        [1e38, 2e-38, 2e-38, 2e-38],
    ];
    // The L2 norm of the last is a little below its eps.
    let cases = rows.map(|row| (row, 2e-38)).into_iter().chain([([3e-21, -3e-21, 1e-21, 0.0], 1e-20)]);
    for ((row, eps), order) in cases.flat_map(|case| [(case, Order::L1), (case, Order::L2)]) {
        // Rows and columns of one kind: what is small beside others is not seen to be wrong.
        let opposite = row.map(|x| -x);
        let along = [row, opposite, opposite, opposite].concat();
        let across: Vec<f32> = along[..8].iter().flat_map(|&x| [x, -x, -x, x]).collect();
        for (shape, axes, input) in [(&[2, 8][..], 1..2, &along), (&[1, 8, 4], 1..2, &across)] {
            let op = LpNormalize::new(shape, axes).order(order).eps(eps);
            conforms(&op, &Tensors::new(input));
            // Beyond this 1 / norm is subnormal, and so are most gradients, which a device may take for zero.
            if row[0] > 8.5e37 {
                continue;
            }
            let (gradient, op) = (Random::new(8).normal(input.len(), 0.5, 1.0), op.backward());
            let tensors = Tensors::new(input).grad_output(&gradient);
            let truth = op.reference(&tensors).expect("reference");
            by_lanes(&op, &tensors, |method, outputs| {
                testing::compare_outputs(&op, outputs, &truth).unwrap_or_else(|e| panic!("{row:?} by {method}: {e}"));
            });
        }
    }
}

// 17. The sum with the residual was rounded to f16 before its statistics were taken (ONNX Runtime's
// `skip_layer_norm.cc`, ORT#26732).
#[test]
fn the_sum_with_the_residual_is_not_rounded() {
    // In f16 each sum is 2048.
    let (x, residual) = ([2048.0; 4], [-0.75, -0.25, 0.25, 0.75]);
    let op = plain(&[1, 4]).dtype(DType::F16).residual(true).residual_dtype(DType::F16).eps(0.0);
    let [a, b] = [1.0 / 5_f64.sqrt(), 3.0 / 5_f64.sqrt()].map(|y| DType::F16.round_f64(y));
    every(&op, &Tensors::new(&x).set(Slot::Residual, &residual), |method, outputs| {
        let y: Vec<f64> = outputs.output().iter().map(|&y| f64::from(y)).collect();
        assert!([-b, -a, a, b].iter().zip(&y).all(|(e, y)| (e - y).abs() < 1e-3), "{method}: {y:?}");
    });
}

// 18, 27. Weight and bias apply in f32, then the result is rounded once. Llama's RMS norm rounds before the weight, and
// 1 + weight in bf16 loses a small one (TransformerEngine's `normalization.h`).
#[test]
fn a_result_is_rounded_once() {
    let bf16 = |v: f64| DType::BF16.round_f64(v);
    let x = [1.0, 3.0];
    let y = 3.0 / 5_f64.sqrt();
    assert!((bf16(1.3 * bf16(y)) - bf16(1.3 * y)).abs() > 1e-3, "the numbers tell them apart");
    let op = RmsNorm::new(&[1, 2], 1..).dtype(DType::BF16).affine_dtype(DType::F32).eps(0.0);
    every(&op, &Tensors::new(&x).weight(&[1.0, 1.3]), |method, outputs| {
        assert!((f64::from(outputs.output()[1]) - bf16(1.3 * y)).abs() < 1e-6, "{method}: {:?}", outputs.output());
    });
    // 1 + 2^-9 is 1 in bf16.
    let op = op.affine_dtype(DType::BF16).output_dtype(DType::F32).zero_centered(true);
    every(&op, &Tensors::new(&x).weight(&[0.0, 2_f32.powi(-9)]), |method, outputs| {
        assert!((f64::from(outputs.output()[1]) - y * (1.0 + 2_f64.powi(-9))).abs() < 1e-6, "{method}");
    });
}

// 19, 20. Statistics are f32 whatever the tensors are (onnx/onnx#8439 returned them in the input's type), and the
// second one is 1 / sqrt(var + eps): oneDNN gives the variance.
#[test]
fn saved_statistics_are_f32_and_the_second_is_a_factor() {
    let op = plain(&[1, 2]).dtype(DType::F16).save_stats(true).eps(0.0);
    let tensors = op.tensors().expect("tensors");
    let saved = |slot| tensors.iter().find(|spec| spec.slot == slot).expect("saved").dtype;
    assert_eq!([saved(Slot::Mean), saved(Slot::Rstd)], [DType::F32; 2]);
    // A mean that is no f16, and a variance of 9.
    every(&op, &Tensors::new(&[2048.0, 2054.0]), |_, outputs| {
        assert_eq!(outputs.mean(), [2051.0]);
        testing::compare("rstd", outputs.rstd(), &[1.0 / 3.0]).expect("one over the root of the variance");
    });
}

// 21, 26. A weight for each channel: ONNX's GroupNormalization-18 had one for each group (onnx/onnx#5466). A group has
// neighbouring channels: MLX's default takes every n-th.
#[test]
fn group_norm_has_neighbouring_channels_with_a_weight_each() {
    let op = GroupNorm::new(&[1, 4, 1], 2).eps(0.0);
    let tensors = Tensors::new(&[1.0, 3.0, 10.0, 30.0]).weight(&[1.0, 2.0, 3.0, 4.0]).bias(&[0.0, 0.0, 0.0, 100.0]);
    gives(&op, &tensors, &[-1.0, 2.0, -3.0, 104.0]);
}

// 22, 42. Lengths and axes are checked: a running mean of the wrong length crashed (pytorch/pytorch#185864), and ONNX
// Runtime's check of the axis can't fail (`layer_norm.cc`).
#[test]
fn wrong_lengths_and_axes_are_refused() {
    assert!(matches!(LayerNorm::new(&[2, 3], 2..).tensors(), Err(Error::InvalidArgument { argument: "axes", .. })));
    let op = BatchNorm::inference(&[2, 3]).weight(false).bias(false);
    let wrong = gpu().run(&op, &Tensors::new(&[0.0; 6]).running(&[0.0; 2], &[1.0; 3]));
    assert!(matches!(wrong, Err(Error::Binding { slot: Slot::RunningMean, .. })), "{wrong:?}");
    let wrong = gpu().run(&LayerNorm::new(&[2, 3], 1..), &Tensors::new(&[0.0; 6]).weight(&[1.0]).bias(&[0.0; 3]));
    assert!(matches!(wrong, Err(Error::Binding { slot: Slot::Weight, .. })), "{wrong:?}");
}

// 25. A window of even size reaches further to the left in PyTorch and to the right in ONNX; burn's tests say PyTorch
// and hold ONNX's.
#[test]
fn an_even_window_is_each_frameworks() {
    let op = LocalResponseNorm::new(&[1, 3, 1], 2).alpha(2.0).beta(1.0).k(1.0);
    let tensors = Tensors::new(&[1.0, 2.0, 3.0]);
    gives(&op, &tensors, &[1.0 / 2.0, 2.0 / 6.0, 3.0 / 14.0]);
    gives(&op.window(Window::Onnx), &tensors, &[1.0 / 6.0, 2.0 / 14.0, 3.0 / 10.0]);
}

// 28. Gradients of the weight by atomics differ from run to run (linkedin/Liger-Kernel#945, karpathy/llm.c#445).
#[test]
fn gradients_of_the_weight_have_the_same_bits() {
    let mut random = Random::new(28);
    let (x, grad) = (random.normal(40 * 33, 0.0, 1.0), random.normal(40 * 33, 0.0, 1.0));
    let op = plain(&[40, 33]).weight(true).bias(true).backward();
    let weight = random.normal(33, 1.0, 0.1);
    let tensors = Tensors::new(&x).weight(&weight).set(Slot::GradOutput, &grad);
    let bits = |outputs: &Outputs<f32>| outputs.grad_weight().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    every(&op, &tensors, |method, outputs| {
        let again = run(gpu(), &op, &tensors, Strategy::Forced(method)).expect("runs");
        assert_eq!(bits(outputs), bits(&again), "{method}");
    });
}

// 29. What takes y / weight for the normalized input divides by 0 (apex's `clamp_by_magnitude`).
#[test]
fn a_weight_of_zero_has_a_gradient() {
    let mut random = Random::new(29);
    let (x, grad) = (random.normal(4 * 8, 3.0, 1.0), random.normal(4 * 8, 0.0, 1.0));
    let op = LayerNorm::new(&[4, 8], 1..).backward();
    conforms(&op, &Tensors::new(&x).weight(&[0.0; 8]).set(Slot::GradOutput, &grad));
}

// 30, 31. An op in place has no input left for its backward pass, and what has no gradient is refused: candle's fused
// norms cut the graph silently (huggingface/candle#2168, #3011).
#[test]
fn a_gradient_that_is_not_there_is_refused() {
    assert!(plain(&[2, 3]).in_place(true).backward().tensors().is_err());
    assert!(RmsNorm::new(&[2, 3], 1..).backward().grad_bias(true).tensors().is_err());
    assert!(plain(&[2, 3]).backward().grad_weight(true).tensors().is_err());
}

// 32. A sum of ones in f32 ends at 2^24, and u32 at 2^32 (pytorch/pytorch#181555).
#[test]
fn long_rows_are_counted_to_their_end() {
    let len = (1 << 24) + 4;
    // The last element alone is not 1.
    let mut x = vec![1.0; len];
    x[len - 1] = 4097.0;
    let op = plain(&[1, len]).save_stats(true).eps(0.0);
    let outputs = run(gpu(), &op, &Tensors::new(&x), Strategy::Inferred).expect("runs");
    // The deviation is sqrt(n - 1) standard deviations from the mean.
    let (last, expected) = (f64::from(outputs.output()[len - 1]), ((len - 1) as f64).sqrt());
    assert!((last - expected).abs() < testing::PROMISE * expected, "{last}, expected {expected}");
    assert!(matches!(
        plain(&[1 << 16, 1 << 16]).tensors(),
        Err(Error::Unsupported { .. } | Error::Limit { .. } | Error::InvalidArgument { .. })
    ));
}

// 33. A dimension has 65535 workgroups: tfjs stops (tensorflow/tfjs#8373), and so did PyTorch's batch norm
// (pytorch/pytorch#16998, #2917).
#[test]
fn there_are_more_rows_than_workgroups_in_a_dimension() {
    // A workgroup for each group, and the method that is chosen for many short rows.
    let groups = GroupNorm::new(&[33_000, 4, 2], 2);
    let cases: [(&dyn Norm, Strategy); 2] =
        [(&groups, Strategy::Forced(Method::Resident(Team::Workgroup))), (&plain(&[1 << 20, 5]), Strategy::Inferred)];
    for (op, strategy) in cases {
        conforms_by("many rows", gpu(), op, strategy);
    }
}

// 34. WGSL lets a compiler assume that there is no NaN (gpuweb/gpuweb#2259, #2270): one that comes in comes out, in its
// row alone.
#[test]
fn a_nan_stays_in_its_row() {
    for bad in [f32::NAN, f32::INFINITY] {
        for activation in Activation::ALL {
            let x = [1.0, 3.0, 1.0, bad, 1.0, 3.0];
            by_lanes(&plain(&[3, 2]).eps(0.0).activation(activation), &Tensors::new(&x), |method, outputs| {
                let y = outputs.output();
                assert!(y[2..4].iter().all(|y| y.is_nan()), "{method}: {y:?}");
                assert!([y[0], y[1], y[4], y[5]].iter().all(|y| y.is_finite()), "{method}, {activation:?}: {y:?}");
            });
        }
    }
}

// 36. A device has 8 storage buffers in a stage (tensorflow/tfjs#3648, tracel-ai/cubecl#873): what needs more says so
// before it runs.
#[test]
fn no_kernel_needs_more_buffers_than_it_is_allowed() {
    let caps = Caps::default();
    let op = LayerNorm::new(&[700, 64], 1..).residual(true).residual_output(true).activation(Activation::Gelu);
    for &method in Method::ALL {
        for op in [&op as &dyn Norm, &op.backward()] {
            match shaders::program(op, &caps, Strategy::Forced(method)) {
                Ok(program) => {
                    assert!(program.dispatches.iter().all(|d| d.shader.storage().len() <= 8), "{}", op.name());
                }
                Err(e) => assert!(matches!(e, Error::Unsupported { .. } | Error::Limit { .. }), "{e}"),
            }
        }
    }
}

// 37, 38, 39. Lengths that packs of four, or the lanes of a team, do not divide: the rest was dropped
// (nnstreamer/nntrainer#4318), or left to one thread, or counted as zeros, which the mean makes visible (Quack's
// `rmsnorm.py`).
#[test]
fn every_element_of_an_odd_row_counts() {
    odd_rows(&[1, 2, 3, 5, 33, 257]);
}

#[test]
#[ignore = "more lengths: cargo xtask test --all"]
fn every_element_of_more_odd_rows_counts() {
    odd_rows(&[7, 31, 63, 65, 255, 1023, 1025]);
}

fn odd_rows(lengths: &[usize]) {
    let mut random = Random::new(37);
    for &len in lengths {
        let x = random.normal(3 * len, 1e4, 1.0);
        for dtype in [DType::F32, DType::BF16] {
            let op = plain(&[3, len]).input_dtype(dtype).save_stats(true);
            let x: Vec<f32> = x.iter().map(|&x| dtype.round(x)).collect();
            conforms(&op, &Tensors::new(&x));
        }
    }
}

// 40. Subgroups are of other sizes than a device says (ggml-org/llama.cpp#17389), and their lanes in any order: kernels
// ask, and use neither.
#[test]
fn no_shader_assumes_the_size_of_a_subgroup() {
    let mut caps = Caps::default();
    caps.subgroup_size = Some((4, 128));
    let of = |op: &dyn Norm| {
        let program = shaders::program(op, &caps, Strategy::Forced(Method::Resident(Team::Subgroup)));
        program.expect("a program").dispatches[0].shader.wgsl()
    };
    let text = of(&LayerNorm::new(&[7, 64], 1..));
    assert!(
        text.contains("subgroup_size") && text.contains("FULL: u32 = 0u"),
        "no register is known to be full:\n{text}"
    );
}

// 43. burn takes the statistics of the batch where the device differentiates: here the caller says which.
#[test]
fn training_is_what_the_caller_says() {
    let x = [1.0, 3.0];
    gives(&plain_batch(&[2, 1]).eps(0.0), &Tensors::new(&x), &[-1.0, 1.0]);
    let op = BatchNorm::inference(&[2, 1]).weight(false).bias(false).eps(0.0);
    gives(&op, &Tensors::new(&x).running(&[1.0], &[4.0]), &[0.0, 1.0]);
    assert!(gpu().run(&op, &Tensors::new(&x)).is_err(), "there are no running statistics");
}
