//! Local response norm, forward and backward: the reference against other sources, and the adapter against the
//! reference.

mod common;

use common::{gpu, methods::*, run};
use wgpu_norm::{
    DType, Layout, LocalResponseNorm, Norm, Slot, Strategy, Tensors, Window,
    testing::{Data, Random, compare_outputs, largest},
};

/// Shapes and sizes of the window, each with its reason.
const SHAPES: &[(&str, &[usize], usize)] = &[
    ("AlexNet's first: a window of five, vec4s", &[2, 96, 8, 7], 5),
    ("everything odd, a window of three", &[3, 7, 5, 3], 3),
    ("a window of one: no neighbours", &[2, 5, 7], 1),
    ("an even window", &[2, 9, 5], 2),
    ("an even window, vec4s", &[2, 9, 8], 4),
    ("as many channels as the window", &[2, 5, 9], 5),
    ("fewer channels than half of the window", &[3, 3, 4], 9),
    ("a window far beyond all channels", &[1, 6, 3], 1000),
    ("the widest window in registers", &[2, 25, 3], 11),
    ("a window that registers do not hold", &[2, 25, 3], 12),
    ("a window that registers do not hold, vec4s", &[1, 40, 8], 17),
    ("more channels than a lane slides over", &[2, 150, 5], 5),
    ("the same in vec4s, and fewer for the last lane", &[1, 131, 4], 4),
    ("a size beyond u32", &[1, 6, 3], usize::MAX),
    ("one channel", &[3, 1, 8], 5),
    ("one element", &[1, 1, 1], 5),
    ("[N, C]: channels are neighbours in memory", &[33, 12], 5),
    ("[N, C], odd", &[7, 13], 4),
    ("[N, C, D, H, W]", &[2, 6, 2, 3, 4], 5),
    ("one lane more than a workgroup", &[1, 5, 13], 3),
];

/// The op with an alpha that matters for random data.
fn op(shape: &[usize], size: usize) -> LocalResponseNorm {
    LocalResponseNorm::new(shape, size).alpha(0.5)
}

#[test]
fn of_every_shape() {
    for &(why, shape, size) in SHAPES {
        for window in [Window::PyTorch, Window::Onnx] {
            for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                let op = op(shape, size).window(window).layout(layout);
                conforms(why, &op, Can::Elementwise);
                conforms(why, &op.backward(), Can::Elementwise);
            }
        }
    }
}

#[test]
#[ignore = "large tensors: cargo xtask test --all"]
fn more_workgroups_than_a_dimension_has() {
    // Workgroups of 64 lanes with an element each.
    let shapes: [(&str, &[usize], usize); 2] =
        [("a window in registers", &[21, 1, 200_001], 3), ("a wide window", &[1, 21, 200_001], 13)];
    for (why, shape, size) in shapes {
        let op = op(shape, size);
        conforms(why, &op, Can::Elementwise);
        conforms(why, &op.backward(), Can::Elementwise);
    }
}

#[test]
fn of_every_number() {
    let shape = [3, 7, 5];
    let numbers = [
        ("PyTorch's and ONNX's", 1e-4, 0.75, 1.0),
        ("AlexNet's", 1e-4, 0.75, 2.0),
        ("an inverse square root", 1.0, 0.5, 1.0),
        ("a large alpha", 1e3, 0.75, 1.0),
        ("a mean square without k", 1.0, 1.0, 0.0),
        ("a square, and a small k", 0.5, 2.0, 0.25),
        ("a power near 1", 0.5, 1e-3, 1.0),
        ("no window: a constant divisor", 0.0, 0.75, 3.0),
        ("a negative alpha", -1e-4, 0.75, 2.0),
    ];
    for (why, alpha, beta, k) in numbers {
        let op = LocalResponseNorm::new(&shape, 5).alpha(alpha).beta(beta).k(k);
        conforms(why, &op, Can::Elementwise);
        conforms(why, &op.backward(), Can::Elementwise);
    }
}

#[test]
fn of_small_and_large_data() {
    let op = LocalResponseNorm::new(&[2, 7, 5], 5).alpha(1.0);
    for scale in [1e-15, 1e-6, 1e-2, 1e3, 1e8, 1e15] {
        let data = Random::new(2).normal(70, 0.5, 1.0).iter().map(|x| x * scale).collect::<Vec<f32>>();
        // Without k the divisor has the range of the squares.
        for op in [op.clone(), op.clone().k(0.0)] {
            for op in [&op as &dyn Norm, &op.backward()] {
                let tensors = Data::random(op, 1).with(Slot::Input, data.clone());
                by_every_method(&format!("numbers of {scale:e}"), op, &tensors.tensors(), Can::Elementwise);
            }
        }
    }
}

/// `[1, C, 4]` with a constant, numbers about 1, the same below 0, and magnitudes. Each square of the constant ends
/// just below half an ulp of the sum: a plain sum in f32 rounds it off again and again.
fn hard_to_add_up(channels: usize) -> Vec<f32> {
    let ulps = if channels > 1000 { 0.9 / 8192.0 } else { 0.9 / 131_072.0 };
    let mut random = Random::new(5);
    let near = random.normal(channels, 1.0, 0.1);
    let spread = random.normal(channels, 0.5, 1.0);
    let constant = (1.0_f64 + ulps).sqrt() as f32;
    (0..channels).flat_map(|c| [constant, near[c], -near[c].abs(), spread[c].abs()]).collect()
}

/// Windows of all channels: the divisor is a power of their mean square.
fn of_all(shape: &[usize], beta: f32) -> LocalResponseNorm {
    let size = 2 * shape[1] - 1;
    LocalResponseNorm::new(shape, size).alpha(size as f32 / shape[1] as f32).beta(beta).k(0.0)
}

#[test]
fn the_sum_of_thousands_of_channels_is_within_the_bound() {
    let x = hard_to_add_up(4000);
    let first: Vec<f32> = x.iter().copied().step_by(4).collect();
    // beta scales the relative error of the sum.
    for beta in [0.75, 4.0] {
        by_every_method("vec4s", &of_all(&[1, 4000, 4], beta), &Tensors::new(&x), Can::Elementwise);
        by_every_method("single elements", &of_all(&[1, 4000, 1], beta), &Tensors::new(&first), Can::Elementwise);
    }
}

#[test]
fn the_widest_window_of_a_gradient_is_within_the_bound() {
    let x = hard_to_add_up(244);
    let g: Vec<f32> = (0..244).flat_map(|c| [1.0, 1.0, x[4 * c + 1], -2.0]).collect();
    for beta in [0.75, 6.0] {
        let op = of_all(&[1, 244, 4], beta).backward();
        by_every_method("vec4s", &op, &Tensors::new(&x).grad_output(&g), Can::Elementwise);
    }
    let first: Vec<f32> = x.iter().copied().step_by(4).collect();
    let op = of_all(&[1, 244, 1], 6.0).backward();
    by_every_method("single elements", &op, &Tensors::new(&first).grad_output(&[1.0; 244]), Can::Elementwise);
}

#[test]
fn in_every_storage_type() {
    for input in DType::FLOATS {
        for output in DType::FLOATS {
            let positions = [
                ("one position", 1),
                ("odd: neighbours share words", 13),
                ("rows that begin at a word and are no vec4s", 14),
                ("vec4s", 16),
            ];
            for (which, spatial) in positions {
                let why = format!("{input} to {output}, {which}");
                let first = op(&[3, 5, spatial], 3).input_dtype(input).output_dtype(output);
                let last = first.clone().layout(Layout::ChannelsLast);
                for op in [first, last] {
                    conforms(&why, &op, Can::Elementwise);
                    conforms(&why, &op.backward(), Can::Elementwise);
                }
            }
        }
    }
}

/// Results of `torch.nn.functional.local_response_norm` of torch 2.15 and of its autograd in f64. Element i of the
/// input is `((i * 7) % 11 - 5) / 4`. Element i of the gradient is `((i * 5) % 13 - 6) / 8`. f32 holds both.
struct PyTorch {
    shape: &'static [usize],
    size: usize,
    /// alpha, beta, k
    numbers: [f32; 3],
    output: &'static [f64],
    grad_input: &'static [f64],
}

#[rustfmt::skip]
const PYTORCH: [PyTorch; 3] = [
    PyTorch {
        shape: &[2, 4, 3],
        size: 3,
        numbers: [0.5, 0.75, 1.0],
        output: &[
            -0.9127435989799207, 0.48131832733030966, -0.4545729152537135, 0.8442618729462139, 0.24065916366515483,
            -0.6152932892105771, 0.7301948791839366, 0.0, -0.7301948791839366, 0.6304863091744924, -0.2480645085806879,
            -0.9573550057156529, 0.48131832733030966, -0.4545729152537135, 0.9573550057156529, 0.24065916366515483,
            -0.6152932892105771, 0.7301948791839366, 0.0, -0.7301948791839366, 0.6152932892105771, -0.2480645085806879,
            -0.9573550057156529, 0.4545729152537135,
        ],
        grad_input: &[
            -0.48515601409243403, -0.11675543583755035, 0.38524943612300805, -0.362684883557021, 0.12211665483009093,
            0.5675730868899935, -0.09000279454786336, 0.36924543578688307, -0.4070620766202672, 0.022506006550189823,
            0.6105711486973118, -0.11481655606967554, 0.2120659957049384, -0.6147917515371466, -0.08828553324586924,
            0.4670217433502014, -0.2870880875750596, 0.052933216935387356, 0.7384908715737661, -0.09347255529818228,
            0.21625087438617774, -0.6105711486973118, 0.03751001091698304, 0.5147876327711312,
        ],
    },
    PyTorch {
        shape: &[1, 5, 2],
        size: 4,
        numbers: [0.25, 0.5, 2.0],
        output: &[
            -0.8598671607846955, 0.3439468643138782, -0.3436294236700462, 0.8528028654224418, 0.16933350266692068,
            -0.5116817192534651, 0.6828633596421119, 0.0, -0.685364699004991, 0.5212466913156832,
        ],
        grad_input: &[
            -0.49766061127115707, -0.07356676972712173, 0.34844563523755284, -0.31007128029060715, 0.08388298054768469,
            0.4940054416792545, -0.1789229440672106, 0.2546858159868053, -0.4207527628385224, 0.0,
        ],
    },
    PyTorch {
        shape: &[1, 3, 2, 2],
        size: 7,
        numbers: [1.75, 1.25, 0.5],
        output: &[
            -1.0425462508272088, 0.6183050192882122, -0.6329219170105227, 0.9169964724537304, 0.20850925016544172,
            -0.9274575289323184, 1.2658438340210454, 0.0, -0.8340370006617669, 0.9274575289323184, -0.31646095850526135,
            -0.9169964724537304,
        ],
        grad_input: &[
            0.2726117561284659, 0.13167606892248962, 0.319446439245877, -0.29690556516642125, -0.07537327624223734,
            0.4980790433155043, 0.31048999702403, 0.2750989417361191, 0.19723847988622845, 0.429378485616814,
            0.6344146573808306, -0.34499196555119,
        ],
    },
];

fn quarters(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7 % 11) as f32 - 5.0) / 4.0).collect()
}

fn eighths(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 5 % 13) as f32 - 6.0) / 8.0).collect()
}

/// Both are f64, and add up in other orders.
fn close(name: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() < 1e-14 * largest(expected), "{name}[{i}]: {a}, expected {e}");
    }
}

#[test]
fn the_reference_gives_pytorchs_results_in_f64() {
    for PyTorch { shape, size, numbers: [alpha, beta, k], output, grad_input } in PYTORCH {
        let op = LocalResponseNorm::new(shape, size).alpha(alpha).beta(beta).k(k);
        let (x, g) = (quarters(output.len()), eighths(output.len()));
        let name = format!("{shape:?}");
        close(&name, op.reference(&Tensors::new(&x)).expect("forward").output(), output);
        let gradient = op.backward().reference(&Tensors::new(&x).grad_output(&g)).expect("backward");
        close(&name, gradient.grad_input(), grad_input);
    }
}

#[test]
fn an_even_window_lies_as_in_each_framework() {
    // By hand: with alpha / size and beta of 1, an element is x / (1 + the sum of squares in its window).
    let x = [1.0, 2.0, 3.0, 4.0];
    let divisors = [
        (2, Window::PyTorch, [2.0, 6.0, 14.0, 26.0]),
        (2, Window::Onnx, [6.0, 14.0, 26.0, 17.0]),
        (4, Window::PyTorch, [6.0, 15.0, 31.0, 30.0]),
        (4, Window::Onnx, [15.0, 31.0, 30.0, 26.0]),
        (3, Window::PyTorch, [6.0, 15.0, 30.0, 26.0]),
        (3, Window::Onnx, [6.0, 15.0, 30.0, 26.0]),
    ];
    for (size, window, divisors) in divisors {
        let op = LocalResponseNorm::new(&[1, 4], size).alpha(size as f32).beta(1.0).window(window);
        let expected: Vec<f64> = x.iter().zip(divisors).map(|(&x, d)| f64::from(x) / d).collect();
        let truth = op.reference(&Tensors::new(&x)).expect("reference");
        assert_eq!(truth.output(), expected, "{size}, {window:?}");
        conforms("by hand", &op, Can::Elementwise);
    }
}

/// `[n, c, s]` as `[n, s, c]`.
fn channels_last<T: Copy>(values: &[T], [n, c, s]: [usize; 3]) -> Vec<T> {
    (0..n * c * s).map(|i| values[i / (c * s) * c * s + i % c * s + i / c % s]).collect()
}

#[test]
fn channels_last_are_channels_first_in_another_order() {
    let shape @ [n, c, s] = [2, 5, 3];
    let (x, g) = (quarters(30), eighths(30));
    let (x_last, g_last) = (channels_last(&x, shape), channels_last(&g, shape));
    let first = op(&shape, 4);
    let last = op(&[n, s, c], 4).layout(Layout::ChannelsLast);
    let truth = first.reference(&Tensors::new(&x)).expect("first");
    let other = last.reference(&Tensors::new(&x_last)).expect("last");
    assert_eq!(channels_last(truth.output(), shape), other.output());
    let truth = first.backward().reference(&Tensors::new(&x).grad_output(&g)).expect("first");
    let other = last.backward().reference(&Tensors::new(&x_last).grad_output(&g_last)).expect("last");
    assert_eq!(channels_last(truth.grad_input(), shape), other.grad_input());
}

#[test]
fn the_gradient_is_the_derivative_of_the_forward_pass() {
    for (size, window) in [(3, Window::PyTorch), (4, Window::PyTorch), (4, Window::Onnx), (9, Window::Onnx)] {
        for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
            let op = op(&[2, 5, 3], size).window(window).layout(layout).beta(1.5);
            let (x, g) = (quarters(30), eighths(30));
            let loss = |x: &[f32]| {
                let output = op.reference(&Tensors::new(x)).expect("reference").output().to_vec();
                output.iter().zip(&g).map(|(y, &g)| y * f64::from(g)).sum::<f64>()
            };
            let gradient = op.backward().reference(&Tensors::new(&x).grad_output(&g)).expect("backward");
            for i in 0..x.len() {
                // f32 holds the steps. The error of the formula is of the order of their fourth power.
                let step = 1.0 / 1024.0;
                let at = |steps: f32| {
                    let mut x = x.clone();
                    x[i] += steps * step;
                    loss(&x)
                };
                let difference = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * f64::from(step));
                let analytic = gradient.grad_input()[i];
                assert!(
                    (difference - analytic).abs() < 1e-9,
                    "{op:?}, [{i}]: {analytic}, the difference is {difference}"
                );
            }
        }
    }
}

#[test]
fn a_nan_touches_the_windows_that_it_is_in() {
    let (c, s) = (7, 4);
    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
        let first = layout == Layout::ChannelsFirst;
        let shape = if first { [2, c, s] } else { [2, s, c] };
        // The channel of an element, and its position in the image and the batch.
        let index = |i: usize| if first { (i / s % c, i % s + i / (c * s) * s) } else { (i % c, i / c) };
        let op = op(&shape, 3).layout(layout);
        let clean = Random::new(3).normal(2 * c * s, 1.0, 1.0);
        let g = Random::new(4).normal(2 * c * s, 0.0, 1.0);
        for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (op, reach, written) in [(&op as &dyn Norm, 1, Slot::Output), (&op.backward(), 2, Slot::GradInput)] {
                let run = |input: &[f32]| {
                    let tensors = Tensors::new(input);
                    let tensors = if reach == 1 { tensors } else { tensors.grad_output(&g) };
                    let outputs = run(gpu(), op, &tensors, Strategy::Inferred).expect("run");
                    outputs.get(written).expect("written").to_vec()
                };
                let expected = run(&clean);
                for at in [0, 9, 30, 55] {
                    let mut input = clean.clone();
                    input[at] = poison;
                    for (i, (a, e)) in run(&input).into_iter().zip(&expected).enumerate() {
                        let ((channel, position), (poisoned, at_position)) = (index(i), index(at));
                        let near = channel.abs_diff(poisoned) <= reach && position == at_position;
                        // An infinite neighbour makes the power zero, and no NaN.
                        let touched = near && (poison.is_nan() || i == at);
                        assert!(a.is_nan() || !touched, "{layout:?} {poison} at {at}: [{i}] = {a}");
                        assert!(a == *e || near, "{layout:?} {poison} at {at}: [{i}] = {a}, without it {e}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_base_without_a_real_power_gives_a_nan() {
    let mut data = vec![0.0; 35];
    data[7] = 2.0;
    let numbers = [
        ("0 / 0 in a window of zeros", 1.0, 0.75, 0.0),
        ("a negative base", -3.0, 0.75, 1.0),
        ("a negative base, an exponent of 1", -3.0, 1.0, 1.0),
        ("a negative base, an exponent of 2", 1.0, 2.0, -1e-3),
    ];
    for (why, alpha, beta, k) in numbers {
        let op = LocalResponseNorm::new(&[1, 7, 5], 3).alpha(alpha).beta(beta).k(k);
        for (op, written) in [(&op as &dyn Norm, Slot::Output), (&op.backward(), Slot::GradInput)] {
            let tensors = Data::random(op, 1).with(Slot::Input, data.clone());
            let truth = op.reference(&tensors.tensors()).expect("reference");
            assert!(truth.get(written).expect("written").iter().any(|y| y.is_nan()), "{why}: {}", op.name());
            let outputs = run(gpu(), op, &tensors.tensors(), Strategy::Inferred).expect("run");
            compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{why}: {}: {e}", op.name()));
        }
    }
}

#[test]
fn divisors_of_zero_and_infinity_follow_the_formula() {
    // Windows of zeros, some with an infinity, and one with squares beyond f32; in registers and wider.
    for (size, channels) in [(3, 16), (13, 56)] {
        // Single elements, and vec4s.
        for stride in [1, 4] {
            let mut x = Random::new(6).normal(channels * stride, 2.0, 1.0);
            let reach = size / 2;
            x[..(reach + 3) * stride].fill(0.0);
            x[(2 * reach + 3) * stride] = f32::INFINITY;
            x[(channels - 1 - 2 * reach) * stride] = f32::NEG_INFINITY;
            x[(channels - 1) * stride] = 1e25;
            let mut g = Random::new(7).normal(channels * stride, 1.0, 1.0);
            g[(reach + 3) * stride..(reach + 4) * stride].fill(0.0);
            // A device may take 1e-40 for zero, and zero times infinity is a NaN.
            for beta in [0.75, 1.0, 2.0, 0.5, 1e-40] {
                // f64 holds the divisor of 1e25. Only a larger beta makes it as good as infinite.
                if beta <= 0.5 {
                    x[(channels - 1) * stride] = 1.0;
                }
                let op = LocalResponseNorm::new(&[1, channels, stride], size).alpha(1.0).beta(beta).k(0.0);
                let name = format!("{size} of {channels}, {stride}, {beta}");
                by_every_method(&name, &op, &Tensors::new(&x), Can::Elementwise);
                by_every_method(&name, &op.backward(), &Tensors::new(&x).grad_output(&g), Can::Elementwise);
            }
        }
    }
}

#[test]
fn a_divisor_of_zero_or_infinity_by_hand() {
    // 0 / 0 and infinity / infinity are NaN, a number / infinity is 0, 2 / 4^0.5 is 1.
    let x = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, f32::INFINITY, -3.0, 0.0, 2.0];
    let expected = [&[f32::NAN; 7][..], &[0.0, 0.0, f32::NAN, 0.0, 0.0, 1.0]].concat();
    let gives = |alpha: f32, x: &[f32], expected: &[f32]| {
        let op = LocalResponseNorm::new(&[1, x.len()], 3).alpha(alpha).beta(0.5).k(0.0);
        let outputs = run(gpu(), &op, &Tensors::new(x), Strategy::Inferred).expect("run");
        for (i, (&y, &expected)) in outputs.output().iter().zip(expected).enumerate() {
            let same =
                if expected.is_finite() { (y - expected).abs() < 1e-6 } else { y.to_bits() == expected.to_bits() };
            assert!(same || (y.is_nan() && expected.is_nan()), "[{i}]: {y}, expected {expected}");
        }
    };
    gives(3.0, &x, &expected);
    // x / 0
    gives(0.0, &[2.0, -3.0, 0.0], &[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
}

#[test]
fn an_empty_batch_is_a_no_op() {
    let op = LocalResponseNorm::new(&[0, 4, 3], 5);
    assert!(gpu().run(&op, &Tensors::new(&[])).expect("forward").output().is_empty());
    let tensors = Tensors::new(&[]).grad_output(&[]);
    assert!(gpu().run(&op.backward(), &tensors).expect("backward").grad_input().is_empty());
}
