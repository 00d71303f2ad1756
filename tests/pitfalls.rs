//! Mistakes of other normalizations, each with its thread or source, by numbers worked out by hand. Where the numerics
//! alone are at stake, the f64 reference is the judge. The list in `docs/testing.md` has the same numbers.

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

// Holds every method to the f64 reference.
fn conforms(op: &dyn Norm, tensors: &Tensors<'_>) {
    let truth = op.reference(tensors).expect("reference");
    every(op, tensors, |method, outputs| {
        testing::compare_outputs(op, outputs, &truth).unwrap_or_else(|e| panic!("{} by {method}: {e}", op.name()));
    });
}

// Runs lanes alone: an activation is a part of its own.
fn by_lanes(op: &dyn Norm, tensors: &Tensors<'_>, check: impl Fn(Method, &Outputs<f32>)) {
    for &method in BY_LANES {
        match run(gpu(), op, tensors, Strategy::Forced(method)) {
            Err(Error::Unsupported { .. }) => {}
            outputs => check(method, &outputs.unwrap_or_else(|e| panic!("{}, {method}: {e}", op.name()))),
        }
    }
}

// Holds the output of every method to these numbers.
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

// 1. eps is added inside the square root, but for L2. An early PyTorch had it outside, as ONNX's
// `MeanVarianceNormalization` still does (24).
#[test]
fn eps_is_added_to_the_variance() {
    let x = [1.0, 3.0];
    gives(&plain(&[1, 2]).eps(3.0), &Tensors::new(&x), &[-0.5, 0.5]);
    gives(&RmsNorm::new(&[1, 2], 1..).weight(false).eps(4.0), &Tensors::new(&x), &[1.0 / 3.0, 1.0]);
    // As in ggml's row_norm.wgsl; a norm of zero as in ONNX's LpNormalization-22.
    gives(&LpNormalize::new(&[1, 2], 1..).eps(5.0), &Tensors::new(&[0.0, 3.0]), &[0.0, 0.6]);
    gives(&LpNormalize::new(&[1, 2], 1..), &Tensors::new(&[0.0, 0.0]), &[0.0, 0.0]);
}

// 2. PyTorch's default eps of RMS norm is the epsilon of the type (pytorch/executorch#19963). Keras has 1e-3.
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

// 3. ONNX Runtime's WebGPU instance norm writes eps into the shader with six decimals: 1e-7 becomes 0
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

// 4. PyTorch's tests have an eps of -0.5, which may take the root of a negative number. ggml's have 0 and 10.
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
    // A constant row without eps is 0 / 0.
    every(&plain(&[1, 2]).eps(0.0), &Tensors::new(&[7.0, 7.0]), |method, outputs| {
        assert!(outputs.output().iter().all(|y| y.is_nan()), "{method}: {:?}", outputs.output());
    });
}

// Running statistics after a batch of 1 and 3 in one channel. Before it the mean is 10 and the variance is 20.
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

// 5, 6. The batch has mean 2, variance 1 and unbiased variance 2. PyTorch tracks the unbiased variance, and its
// momentum is the weight of the new value. ONNX and Keras track the variance, and momentum is the weight of the old
// value (pytorch/pytorch#77427, #19902, ONNX `BatchNormalization`-15).
#[test]
fn running_statistics_are_each_frameworks() {
    close(running(RunningStats::PYTORCH, 0), [9.2, 18.2]);
    close(running(RunningStats::ONNX, 0), [9.2, 18.1]);
    close(running(RunningStats::KERAS, 0), [9.92, 19.81]);
}

// 7. Without a momentum, running statistics are the average over all batches.
#[test]
fn running_statistics_are_cumulative_without_a_momentum() {
    close(running(RunningStats::CUMULATIVE, 0), [2.0, 2.0]);
    close(running(RunningStats::CUMULATIVE, 3), [8.0, 15.5]);
}

// 8. PyTorch's tests have momenta of -1.2, -1 and 0. Candle refuses them; they are plain arithmetic.
#[test]
fn a_momentum_is_any_finite_number() {
    let momentum = |momentum| running(RunningStats::PyTorch { momentum: Some(momentum) }, 0);
    close(momentum(0.0), [10.0, 20.0]);
    close(momentum(-1.0), [18.0, 38.0]);
    close(momentum(-1.2), [19.6, 41.6]);
    let op = plain_batch(&[2, 1]).running_stats(RunningStats::PyTorch { momentum: Some(f64::NAN as _) });
    assert!(matches!(op.tensors(), Err(Error::InvalidArgument { .. })));
}

// 9. One value has no unbiased variance. Candle divides by 0, burn tracks 0, PyTorch refuses (pytorch/pytorch#1381,
// #2961).
#[test]
fn batch_norm_of_one_value_is_refused() {
    for convention in [RunningStats::PYTORCH, RunningStats::ONNX, RunningStats::KERAS] {
        let op = plain_batch(&[1, 3]).running_stats(convention);
        assert!(matches!(op.tensors(), Err(Error::InvalidArgument { .. })), "{convention:?}");
    }
    assert!(BatchNorm::inference(&[1, 3]).tensors().is_ok());
}

// 10. Empty batches crashed PyTorch or left NaN behind (pytorch/pytorch#12013, #29578, #8933).
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

// Means and standard deviations of the threads below, and of this crate's bound.
const LARGE_MEANS: [(f64, f64); 4] = [(1449.0, 0.5), (2000.0, 1e-3), (100.0, 0.01), (1e6, 1.0)];

// 11, 12. E[x^2] - E[x]^2 is negative for constant rows, and 0 for small deviations from a large mean. It gave NaN in
// ONNX Runtime (microsoft/onnxruntime#21935, #28463) and on MLX's GPU (ml-explore/mlx#2238), 4.8e4 in PyTorch
// (pytorch/pytorch#51102, #40308), and results 990 times too small on MPS (pytorch/pytorch#190491).
#[test]
#[ignore = "longer rows: cargo xtask test --all"]
fn a_large_mean_leaves_the_deviations_of_longer_rows() {
    // The sums of these rows are beyond the 24 digits of f32.
    for (value, len) in [(40000.0, 4096), (1e7, 33000)] {
        gives(&plain(&[2, len]), &Tensors::new(&vec![value; 2 * len]), &vec![0.0; 2 * len]);
    }
    let mut random = Random::new(12);
    for (mean, spread) in LARGE_MEANS {
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
    for (mean, spread) in LARGE_MEANS {
        let x = random.normal(3 * 384, mean, spread);
        conforms(&plain(&[3, 384]), &Tensors::new(&x));
        conforms(&GroupNorm::new(&[3, 8, 48], 2).weight(false).bias(false), &Tensors::new(&x));
        conforms(&plain_batch(&[3, 8, 48]), &Tensors::new(&x));
        let rows = random.normal(3 * 384, 0.0, 1.0);
        let backward = plain(&[3, 384]).backward();
        conforms(&backward, &Tensors::new(&x).set(Slot::GradOutput, &rows));
    }
}

// 13. x * (weight * rstd) + (bias - mean * weight * rstd) cancels where the mean is large, as in ONNX Runtime's
// `instance_norm.cc` and tfjs's `batchnorm_webgpu.ts`.
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

// 14, 15. In f16 the square of 256 is an infinity, and 1 / 2^15 is subnormal. Whisper and Gemma-3 gave zeros
// (microsoft/onnxruntime#31626, #26732), group norm gave 318 (tracel-ai/burn#5382). This crate stores f16 and computes
// in f32.
#[test]
fn half_precision_is_no_arithmetic() {
    let large = [60000.0, -60000.0, 60000.0, -60000.0];
    let op = plain(&[1, 4]).dtype(DType::F16);
    gives(&op, &Tensors::new(&large), &[1.0, -1.0, 1.0, -1.0]);
    // The largest numbers of both types. Squares of bf16's are beyond f32 (16).
    let of = |dtype: DType, largest: f32| (plain(&[1, 4]).dtype(dtype), [largest, -largest, largest, -largest]);
    let (op, x) = of(DType::F16, 65504.0);
    gives(&op, &Tensors::new(&x), &[1.0, -1.0, 1.0, -1.0]);
    conforms(&op.backward(), &Tensors::new(&x).set(Slot::GradOutput, &[1.0, 2.0, -1.0, 0.5]));
    let (op, x) = of(DType::BF16, 2_f32.powi(125));
    gives(&op, &Tensors::new(&x), &[0.0; 4]);
    // Even the differences are beyond f32: a method that takes them gives NaN, others 0.
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

// 16. The squares of deviations of 1e30 are beyond f32 (pytorch/pytorch#178123): the documented output is 0, with an
// rstd of 0. The squares of deviations of 1e-25 are 0, and eps remains.
#[test]
fn the_range_of_f32_ends_as_documented() {
    let op = plain(&[1, 4]).save_stats(true);
    every(&op, &Tensors::new(&[1e30, -1e30, 2e30, -2e30]), |method, outputs| {
        assert_eq!((outputs.output(), outputs.rstd()), (&[0.0; 4][..], &[0.0][..]), "{method}");
    });
    conforms(&op, &Tensors::new(&[1e-25, -1e-25, 2e-25, -2e-25]));
}

// 45. The squares of large and small f32 numbers, and the norm of the largest, are beyond f32
// (microsoft/onnxruntime#32574).
#[test]
fn norms_have_the_whole_range_of_f32() {
    let cases: [(&str, [f32; 4], f32); 8] = [
        ("the norm is beyond f32", [3e38, -3e38, 1.5e38, 1e30], 2e-38),
        ("squares are beyond f32", [1e30, -1e30, 2e29, 1.0], 2e-38),
        ("squares leave their sum little room", [1e15, -2e15, 1e-15, 0.0], 2e-38),
        ("squares are almost subnormal", [1e-20, -1e-20, 2e-20, 1e-22], 2e-38),
        ("squares are 0 in f32", [1e-30, -1e-30, 3e-31, 0.0], 2e-38),
        ("the norm is near the least normal number", [2e-37, -4e-37, 2e-37, 1e-37], 2e-38),
        ("both ends at once", [1e38, 2e-38, 2e-38, 2e-38], 2e-38),
        ("the L2 norm is a little below its eps", [3e-21, -3e-21, 1e-21, 0.0], 1e-20),
    ];
    for (why, row, eps) in cases {
        // Rows of 8, and 8 rows of a column, of the same magnitudes: a small row beside a large one would hide its
        // errors.
        let opposite = row.map(|x| -x);
        let along = [row, opposite, opposite, opposite].concat();
        let across: Vec<f32> = along[..8].iter().flat_map(|&x| [x, -x, -x, x]).collect();
        let tensors: [(&[usize], _, _); 2] = [(&[2, 8], 1..2, &along), (&[1, 8, 4], 1..2, &across)];
        for order in [Order::L1, Order::L2] {
            for (shape, axes, input) in tensors.clone() {
                let op = LpNormalize::new(shape, axes).order(order).eps(eps);
                conforms(&op, &Tensors::new(input));
                // Beyond this 1 / norm and most gradients are subnormal, which a device may take for zero.
                if row[0] > 8.5e37 {
                    continue;
                }
                let (gradient, op) = (Random::new(8).normal(input.len(), 0.5, 1.0), op.backward());
                let tensors = Tensors::new(input).grad_output(&gradient);
                let truth = op.reference(&tensors).expect("reference");
                by_lanes(&op, &tensors, |method, outputs| {
                    let same = testing::compare_outputs(&op, outputs, &truth);
                    same.unwrap_or_else(|e| panic!("{why}, {order:?} by {method}: {e}"));
                });
            }
        }
    }
}

// 17. ONNX Runtime rounded the sum with the residual to f16 before it took its statistics (`skip_layer_norm.cc`,
// microsoft/onnxruntime#26732).
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

// 18, 27. Weight and bias apply in f32, and one rounding follows. Llama's RMS norm rounds before the weight. 1 +
// weight in bf16 loses a small weight (TransformerEngine's `normalization.h`).
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

// 19, 20. Statistics are f32 for every type of the tensors: onnx/onnx#8439 returned them in the input's type. The
// second statistic is 1 / sqrt(var + eps): oneDNN gives the variance.
#[test]
fn saved_statistics_are_f32_and_the_second_is_a_factor() {
    let op = plain(&[1, 2]).dtype(DType::F16).save_stats(true).eps(0.0);
    let tensors = op.tensors().expect("tensors");
    let saved = |slot| tensors.iter().find(|spec| spec.slot == slot).expect("saved").dtype;
    assert_eq!([saved(Slot::Mean), saved(Slot::Rstd)], [DType::F32; 2]);
    // f16 does not have the mean. The variance is 9.
    every(&op, &Tensors::new(&[2048.0, 2054.0]), |_, outputs| {
        assert_eq!(outputs.mean(), [2051.0]);
        testing::compare("rstd", outputs.rstd(), &[1.0 / 3.0]).expect("one over the root of the variance");
    });
}

// 21, 26. Each channel has a weight: ONNX's GroupNormalization-18 had one for each group (onnx/onnx#5466). A group has
// neighbouring channels: MLX's default takes every n-th.
#[test]
fn group_norm_has_neighbouring_channels_with_a_weight_each() {
    let op = GroupNorm::new(&[1, 4, 1], 2).eps(0.0);
    let tensors = Tensors::new(&[1.0, 3.0, 10.0, 30.0]).weight(&[1.0, 2.0, 3.0, 4.0]).bias(&[0.0, 0.0, 0.0, 100.0]);
    gives(&op, &tensors, &[-1.0, 2.0, -3.0, 104.0]);
}

// 22, 42. A running mean of the wrong length crashed PyTorch (pytorch/pytorch#185864). ONNX Runtime's check of the axis
// can't fail (`layer_norm.cc`).
#[test]
fn wrong_lengths_and_axes_are_refused() {
    assert!(matches!(LayerNorm::new(&[2, 3], 2..).tensors(), Err(Error::InvalidArgument { argument: "axes", .. })));
    let op = BatchNorm::inference(&[2, 3]).weight(false).bias(false);
    let wrong = gpu().run(&op, &Tensors::new(&[0.0; 6]).running(&[0.0; 2], &[1.0; 3]));
    assert!(matches!(wrong, Err(Error::Binding { slot: Slot::RunningMean, .. })), "{wrong:?}");
    let wrong = gpu().run(&LayerNorm::new(&[2, 3], 1..), &Tensors::new(&[0.0; 6]).weight(&[1.0]).bias(&[0.0; 3]));
    assert!(matches!(wrong, Err(Error::Binding { slot: Slot::Weight, .. })), "{wrong:?}");
}

// 25. A window of even size reaches further to the left in PyTorch, and to the right in ONNX. Burn's tests name PyTorch
// and expect ONNX's results.
#[test]
fn an_even_window_is_each_frameworks() {
    let op = LocalResponseNorm::new(&[1, 3, 1], 2).alpha(2.0).beta(1.0).k(1.0);
    let tensors = Tensors::new(&[1.0, 2.0, 3.0]);
    gives(&op, &tensors, &[1.0 / 2.0, 2.0 / 6.0, 3.0 / 14.0]);
    gives(&op.window(Window::Onnx), &tensors, &[1.0 / 6.0, 2.0 / 14.0, 3.0 / 10.0]);
}

// 28. Gradients of the weight that atomics add up differ from run to run (linkedin/Liger-Kernel#945,
// karpathy/llm.c#445).
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

// 29. y / weight as the normalized input divides by 0 (apex's `clamp_by_magnitude`).
#[test]
fn a_weight_of_zero_has_a_gradient() {
    let mut random = Random::new(29);
    let (x, grad) = (random.normal(4 * 8, 3.0, 1.0), random.normal(4 * 8, 0.0, 1.0));
    let op = LayerNorm::new(&[4, 8], 1..).backward();
    conforms(&op, &Tensors::new(&x).weight(&[0.0; 8]).set(Slot::GradOutput, &grad));
}

// 30, 31. An op in place has no input left for its backward pass. Candle's fused norms cut the graph silently
// (huggingface/candle#2168, #3011).
#[test]
fn a_gradient_that_is_not_there_is_refused() {
    assert!(plain(&[2, 3]).in_place(true).backward().tensors().is_err());
    assert!(RmsNorm::new(&[2, 3], 1..).backward().grad_bias(true).tensors().is_err());
    assert!(plain(&[2, 3]).backward().grad_weight(true).tensors().is_err());
}

// 32. A sum of ones in f32 stays at 2^24, and u32 ends at 2^32 (pytorch/pytorch#181555).
#[test]
fn long_rows_are_counted_to_their_end() {
    let len = (1 << 24) + 4;
    // Ones, and a last element of 4097.
    let mut x = vec![1.0; len];
    x[len - 1] = 4097.0;
    let op = plain(&[1, len]).save_stats(true).eps(0.0);
    let outputs = run(gpu(), &op, &Tensors::new(&x), Strategy::Inferred).expect("runs");
    // The last element is sqrt(n - 1) standard deviations from the mean.
    let (last, expected) = (f64::from(outputs.output()[len - 1]), ((len - 1) as f64).sqrt());
    assert!((last - expected).abs() < testing::PROMISE * expected, "{last}, expected {expected}");
    assert!(matches!(
        plain(&[1 << 16, 1 << 16]).tensors(),
        Err(Error::Unsupported { .. } | Error::Limit { .. } | Error::InvalidArgument { .. })
    ));
}

// 33. A dimension has 65535 workgroups. Tfjs refuses more (tensorflow/tfjs#8373), and so did PyTorch's batch norm
// (pytorch/pytorch#16998, #2917).
#[test]
fn there_are_more_rows_than_workgroups_in_a_dimension() {
    let by_workgroups = Strategy::Forced(Method::Resident(Team::Workgroup));
    conforms_by("a workgroup for each of 66000 groups", gpu(), &GroupNorm::new(&[33_000, 4, 2], 2), by_workgroups);
    conforms_by("a lane for each of a million rows", gpu(), &plain(&[1 << 20, 5]), Strategy::Inferred);
}

// 34. WGSL lets a compiler assume that no value is a NaN (gpuweb/gpuweb#2259, #2270). A NaN of the input reaches its
// own row of the output, and no other.
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

// 36. A stage has 8 storage buffers (tensorflow/tfjs#3648, tracel-ai/cubecl#873). The crate refuses ops that need more
// before they run.
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

// 37, 38, 39. Packs of four and the lanes of a team do not divide every length. Others dropped the tail
// (nnstreamer/nntrainer#4318), left it to one thread, or counted zeros, which a mean makes visible (Quack's
// `rmsnorm.py`).
#[test]
fn every_element_of_an_odd_row_counts() {
    odd_rows(&[
        ("one element", 1),
        ("half of a pack", 2),
        ("one less than a pack", 3),
        ("one more than a pack", 5),
        ("one more than eight packs, and than 32 lanes", 33),
        ("one more than a workgroup", 257),
    ]);
}

#[test]
#[ignore = "more lengths: cargo xtask test --all"]
fn every_element_of_more_odd_rows_counts() {
    odd_rows(&[
        ("one less than two packs", 7),
        ("one less than 32 lanes", 31),
        ("one less than 64 lanes", 63),
        ("one more than 64 lanes", 65),
        ("one less than a workgroup", 255),
        ("one less than the largest workgroup", 1023),
        ("one more than the largest workgroup", 1025),
    ]);
}

fn odd_rows(lengths: &[(&str, usize)]) {
    let mut random = Random::new(37);
    for &(why, len) in lengths {
        println!("{why}: {len}");
        let x = random.normal(3 * len, 1e4, 1.0);
        for dtype in [DType::F32, DType::BF16] {
            let op = plain(&[3, len]).input_dtype(dtype).save_stats(true);
            let x: Vec<f32> = x.iter().map(|&x| dtype.round(x)).collect();
            conforms(&op, &Tensors::new(&x));
        }
    }
}

// 40. Subgroups have other sizes than a device says (ggml-org/llama.cpp#17389), and their lanes any order. Kernels
// read the size and do not rely on the order. Where the size varies, a team has as many lanes as the smallest.
#[test]
fn no_shader_assumes_the_size_of_a_subgroup() {
    let mut caps = Caps::default();
    caps.subgroup_size = Some((4, 128));
    let of = |op: &dyn Norm| {
        let program = shaders::program(op, &caps, Strategy::Forced(Method::Resident(Team::Subgroup)));
        program.expect("a program").dispatches[0].shader.wgsl()
    };
    let text = of(&LayerNorm::new(&[7, 64], 1..));
    assert!(text.contains("subgroup_size / CLUSTER") && text.contains("CLUSTER: u32 = 4u"), "{text}");
}

// 43. Burn takes the statistics of the batch where the device differentiates. Here the caller says so.
#[test]
fn training_is_what_the_caller_says() {
    let x = [1.0, 3.0];
    gives(&plain_batch(&[2, 1]).eps(0.0), &Tensors::new(&x), &[-1.0, 1.0]);
    let op = BatchNorm::inference(&[2, 1]).weight(false).bias(false).eps(0.0);
    gives(&op, &Tensors::new(&x).running(&[1.0], &[4.0]), &[0.0, 1.0]);
    assert!(gpu().run(&op, &Tensors::new(&x)).is_err(), "there are no running statistics");
}
