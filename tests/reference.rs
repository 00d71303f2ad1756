//! The f64 reference against values of other projects and against differences, and its errors. No adapter.

mod common;

use std::collections::BTreeMap;

use approx::abs_diff_eq;
use common::golden::{AnyOp, Golden};
use wgpu_norm::{
    Access, Activation, BatchNorm, BindingProblem, Error, Gate, GateFunction, GroupNorm, InstanceNorm, LayerNorm,
    Layout, LpNormalize, Norm, Options, Order, Outputs, RmsNorm, Slot, Tensors,
    testing::{Random, largest},
};

/// Both sides are f64, but eps, momentum and the stored outputs of MiniLM are f32: the bound is half an ulp of f32, in
/// parts of the largest value.
fn close(name: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    let epsilon = f64::from(f32::EPSILON) / 2.0 * largest(expected).max(1.0);
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(abs_diff_eq!(a, e, epsilon = epsilon), "{name}[{i}]: {a}, expected {e}");
    }
}

fn all_close(name: &str, actual: &Outputs<f64>, expected: &Outputs<f64>) {
    assert!(actual.slots().eq(expected.slots()), "{name}");
    for slot in expected.slots() {
        close(&format!("{name}, {slot}"), actual.get(slot).unwrap_or_default(), expected.get(slot).unwrap_or_default());
    }
    assert_eq!(actual.num_batches_tracked(), expected.num_batches_tracked(), "{name}");
}

#[test]
fn the_reference_agrees_with_a_sentence_encoder() {
    let files = Golden::all("minilm");
    assert_eq!(files.len(), 3);
    for file in files {
        file.with_op(|op, tensors| {
            let truth = op.reference(tensors).expect("reference");
            all_close(&file.name, &truth, &file.expected(tensors));
        });
    }
}

#[test]
fn the_reference_agrees_with_pytorch_in_f64() {
    let files = Golden::all("pytorch");
    assert_eq!(files.len(), 340);
    for file in files {
        file.with_op(|op, tensors| {
            let truth = op.reference(tensors).expect("reference");
            all_close(&file.name, &truth, &file.expected(tensors));
        });
    }
}

#[test]
fn the_reference_agrees_with_blocks_of_models_in_f64() {
    let files = Golden::all("models");
    assert_eq!(files.len(), 6);
    for file in files {
        file.with_op(|op, tensors| all_close(&file.name, &op.reference(tensors).unwrap(), &file.expected(tensors)));
    }
}

#[test]
fn a_slice_that_does_not_fit_is_named() {
    let problem = |result: Result<Outputs<f64>, Error>| match result {
        Err(Error::Binding { slot, problem }) => (slot, problem),
        other => panic!("{other:?}"),
    };
    let op = LayerNorm::new(&[2, 3], 1..).bias(false);
    let (input, weight) = ([0.0; 6], [1.0; 3]);
    let length = |expected, actual| BindingProblem::Length { expected, actual };
    assert_eq!(problem(op.reference(&Tensors::new(&input[1..]).weight(&weight))), (Slot::Input, length(6, 5)));
    assert_eq!(problem(op.reference(&Tensors::new(&input).weight(&input))), (Slot::Weight, length(3, 6)));
    assert_eq!(problem(op.reference(&Tensors::new(&input))), (Slot::Weight, BindingProblem::Missing));
    let both = Tensors::new(&input).weight(&weight).bias(&weight);
    assert_eq!(problem(op.reference(&both)), (Slot::Bias, BindingProblem::Unexpected));

    let op = BatchNorm::inference(&[2, 3]).weight(false).bias(false);
    assert_eq!(problem(op.reference(&Tensors::new(&input))), (Slot::RunningMean, BindingProblem::Missing));
    let short = Tensors::new(&input).running(&weight, &weight[..2]);
    assert_eq!(problem(op.reference(&short)), (Slot::RunningVar, length(3, 2)));
}

/// The step of the differences. Inputs are multiples of 1/4096 below 8: f32 holds inputs, sums and steps exactly.
const STEP: f32 = 1.0 / 1024.0;

/// The bound of a gradient's distance from the differences, in parts of the largest value of the tensor, or of 1.
///
/// With D(h) = (L(x + h) - L(x - h)) / 2h, the truncation of (4 D(h) - D(2h)) / 3 is 4 h^4 times the fifth Taylor
/// coefficient of L. The steepest function is a tanh after an rstd of 2 and a gain of 3. 2 tanh(6 x) has a coefficient
/// of 2 * 2/15 * 6^5 = 2074: a truncation of 8e-9. The norm is singular where var + eps is 0. One element stays a
/// standard deviation of its group times the root of its size away. Rounding adds the 2^-53 * 100 of L over h: 1e-11.
const DIFFERENCES: f64 = 1e-8;

/// Differences are wrong where a function bends: arguments are farther from 0 than two steps move them.
const NEAR_A_BEND: f64 = 1.0 / 64.0;

/// The tensors of a case.
type Data = BTreeMap<Slot, Vec<f32>>;

/// The tensors of `data` that the op reads.
fn read<'a>(op: &dyn Norm, data: &'a Data) -> Tensors<'a> {
    let specs = op.tensors().unwrap_or_else(|e| panic!("{}: {e}", op.name()));
    let read = specs.iter().filter(|spec| spec.access != Access::Write);
    read.fold(Tensors::default(), |tensors, spec| tensors.set(spec.slot, &data[&spec.slot]))
}

/// Multiples of 1/4096 with magnitudes from 1/4 to 2, away from 0, where the L1 norm bends.
fn away_from_zero(random: &mut Random, len: usize) -> Vec<f32> {
    let mut value = || {
        let value = 2.0 - random.uniform() * 1.75;
        let value = if random.uniform() < 0.5 { -value } else { value };
        ((value * 4096.0).round() / 4096.0) as f32
    };
    (0..len).map(|_| value()).collect()
}

/// Values for all tensors that the op and its backward pass read.
fn data(op: &dyn Norm, backward: &dyn Norm, random: &mut Random) -> Data {
    let mut data = Data::new();
    for spec in op.tensors().expect("tensors").into_iter().chain(backward.tensors().expect("tensors")) {
        let mut values = away_from_zero(random, spec.len());
        match spec.slot {
            Slot::RunningVar => values.iter_mut().for_each(|x| *x = x.abs() + 0.5),
            // A product of input and gate, and its sum with a residual, are numbers of f32.
            Slot::Gate => values.iter_mut().for_each(|x| *x = (*x * 4.0).round() / 4.0),
            _ => {}
        }
        data.insert(spec.slot, values);
    }
    if data.contains_key(&Slot::ResidualOutput) {
        let sum = op.reference(&read(op, &data)).expect("reference").to_f32().residual_output().to_vec();
        data.insert(Slot::ResidualOutput, sum);
    }
    data
}

/// The differentiated function: the sum of all outputs, weighed by their gradients.
fn loss(op: &dyn Norm, data: &Data) -> f64 {
    let outputs = op.reference(&read(op, data)).expect("reference");
    let weighed = |grad, slot| {
        let (Some(grad), Some(output)) = (data.get(&grad), outputs.get(slot)) else { return 0.0 };
        grad.iter().zip(output).map(|(&g, y)| f64::from(g) * y).sum::<f64>()
    };
    weighed(Slot::GradOutput, Slot::Output) + weighed(Slot::GradResidualOutput, Slot::ResidualOutput)
}

/// The gradient of [`loss`] with respect to a tensor, by differences.
fn differences(op: &dyn Norm, data: &Data, slot: Slot) -> Vec<f64> {
    let mut moved = data.clone();
    let mut difference = |i: usize, step: f32| {
        let mut at = |x: f32| {
            moved.get_mut(&slot).expect("the tensor")[i] = x;
            loss(op, &moved)
        };
        let x = data[&slot][i];
        let derivative = (at(x + step) - at(x - step)) / f64::from(2.0 * step);
        at(x);
        derivative
    };
    (0..data[&slot].len()).map(|i| (4.0 * difference(i, STEP) - difference(i, 2.0 * STEP)) / 3.0).collect()
}

/// Compares every gradient of a backward pass with differences of the op. Returns how many tensors were compared.
fn check_gradients(name: &str, op: &dyn Norm, backward: &dyn Norm, data: &Data, residual_after: bool) -> usize {
    let found = backward.reference(&read(backward, data)).expect("reference");
    let of_output: Vec<f64> = data[&Slot::GradOutput].iter().map(|&g| f64::from(g)).collect();
    let mut compared = 0;
    for (slot, grad) in [
        (Slot::Input, Slot::GradInput),
        (Slot::Residual, Slot::GradResidual),
        (Slot::Weight, Slot::GradWeight),
        (Slot::Bias, Slot::GradBias),
        (Slot::Gate, Slot::GradGate),
    ] {
        if read(op, data).get(slot).is_none() {
            assert_eq!(found.get(grad), None, "{name}: {grad}");
            continue;
        }
        // A residual without a gradient of its own has that of the input, or of the output if it is behind the norm.
        let found = match found.get(grad) {
            Some(found) => found,
            None if residual_after => of_output.as_slice(),
            None => found.grad_input(),
        };
        let expected = differences(op, data, slot);
        assert_eq!(found.len(), expected.len(), "{name}, {grad}");
        let epsilon = DIFFERENCES * largest(&expected).max(1.0);
        for (i, (a, e)) in found.iter().zip(&expected).enumerate() {
            assert!(abs_diff_eq!(a, e, epsilon = epsilon), "{name}, {grad}[{i}]: {a}, by differences {e}");
        }
        compared += 1;
    }
    compared
}

/// The options that an op takes.
#[derive(Clone, Copy)]
struct Takes {
    affine: bool,
    per_sample: bool,
    residual_output: bool,
}

/// An op of each kind and layout. Groups have 6 elements or more, so that none is nearly constant.
fn ops() -> Vec<(&'static str, Box<dyn AnyOp>, Takes)> {
    let all = Takes { affine: true, per_sample: true, residual_output: true };
    let batch = Takes { per_sample: false, residual_output: false, ..all };
    let none = Takes { affine: false, ..batch };
    let last = Layout::ChannelsLast;
    let l1 = |shape: &[usize], axis: usize| LpNormalize::new(shape, axis..=axis).order(Order::L1);
    vec![
        ("layer, rows", Box::new(LayerNorm::new(&[2, 2, 6], 2..)), all),
        ("layer, two axes", Box::new(LayerNorm::new(&[2, 3, 4], 1..)), all),
        ("layer, middle axis", Box::new(LayerNorm::new(&[2, 6, 3], 1..2)), all),
        ("rms, rows", Box::new(RmsNorm::new(&[2, 2, 6], 2..)), all),
        ("rms, middle axis", Box::new(RmsNorm::new(&[2, 6, 3], 1..2)), all),
        ("group", Box::new(GroupNorm::new(&[2, 4, 3], 2)), all),
        ("group, channels last", Box::new(GroupNorm::new(&[2, 3, 4], 2).layout(last)), all),
        ("instance", Box::new(InstanceNorm::new(&[2, 2, 6])), all),
        ("instance, channels last", Box::new(InstanceNorm::new(&[2, 6, 2]).layout(last)), all),
        ("batch, training", Box::new(BatchNorm::training(&[2, 3, 4])), batch),
        ("batch, training, channels last", Box::new(BatchNorm::training(&[2, 4, 3]).layout(last)), batch),
        ("batch, inference", Box::new(BatchNorm::inference(&[2, 3, 4])), batch),
        ("batch, inference, channels last", Box::new(BatchNorm::inference(&[2, 4, 3]).layout(last)), batch),
        ("L2, rows", Box::new(LpNormalize::new(&[3, 6], 1..)), none),
        ("L2, middle axis", Box::new(LpNormalize::new(&[2, 6, 3], 1..2)), none),
        ("L1, rows", Box::new(l1(&[3, 6], 1)), none),
        ("L1, middle axis", Box::new(l1(&[2, 6, 3], 1)), none),
    ]
}

/// Sets options.
type Set = fn(&mut Options);

/// Each choice of weight and bias with each choice of other options that the op takes.
fn choices(takes: Takes) -> Vec<(String, [Set; 2])> {
    let mut affine: Vec<(&str, Set)> = vec![("no weight", |o| (o.weight, o.bias) = (false, false))];
    let mut others: Vec<(&str, Set)> = vec![("eps counts", |o| o.eps = 0.125)];
    if takes.affine {
        affine.push(("weight and bias", |o| (o.weight, o.bias) = (true, true)));
        affine.push(("1 + weight", |o| (o.weight, o.bias, o.zero_centered) = (true, false, true)));
        affine.push(("bias", |o| (o.weight, o.bias) = (false, true)));
        others.push(("residual", |o| (o.eps, o.residual) = (0.125, true)));
    } else {
        others.push(("eps is larger than the norm", |o| o.eps = 16.0));
    }
    if takes.per_sample {
        affine.push(("1 + weight and bias of each sample", |o| {
            (o.weight, o.bias, o.zero_centered, o.per_sample) = (true, true, true, true);
        }));
    }
    if takes.residual_output {
        others.push(("residual and its sum", |o| (o.eps, o.residual, o.residual_output) = (0.125, true, true)));
    }
    let pairs = affine.iter().flat_map(|p| others.iter().map(move |o| (p, o)));
    pairs.map(|(p, o)| (format!("{}, {}", p.0, o.0), [p.1, o.1])).collect()
}

/// Where a function bends. softplus jumps by 2e-9 at its own.
fn bends(activation: Activation) -> &'static [f64] {
    match activation {
        Activation::Relu | Activation::LeakyRelu => &[0.0],
        Activation::Relu6 => &[0.0, 6.0],
        Activation::HardSwish => &[-3.0, 3.0],
        Activation::Softplus => &[20.0],
        _ => &[],
    }
}

/// Values for an op and its backward pass. Arguments of an activation are away from its bends.
fn data_for(name: &str, op: &mut dyn AnyOp, activation: Activation) -> Data {
    for seed in 0..100 {
        op.options().activation = activation;
        let data = data(op, op.backward_pass().as_ref(), &mut Random::new(seed));
        op.options().activation = Activation::None;
        let before = op.reference(&read(op, &data)).expect("reference");
        op.options().activation = activation;
        let near = |u: &f64| bends(activation).iter().any(|bend| (u - bend).abs() < NEAR_A_BEND);
        if !before.output().iter().any(near) {
            return data;
        }
    }
    panic!("{name}: no data away from the bends");
}

#[test]
fn gradients_agree_with_differences() {
    let mut compared = 0;
    for (kind, mut op, takes) in ops() {
        let plain = op.options().clone();
        for (choice, set) in choices(takes) {
            for activation in Activation::ALL {
                let name = format!("{kind}, {choice}, {activation:?}");
                *op.options() = plain.clone();
                set.iter().for_each(|set| set(op.options()));
                let data = data_for(&name, op.as_mut(), activation);
                let after = kind.starts_with("batch");
                compared += check_gradients(&name, op.as_ref(), op.backward_pass().as_ref(), &data, after);
            }
        }
    }
    // For each activation: input, residual, weight and bias of 9 ops with 5 * 3 choices. The same of 4 ops with 4 * 2
    // choices. Inputs of 4 ops with 2 choices.
    assert_eq!(compared, Activation::ALL.len() * (9 * (15 + 10 + 9 + 9) + 4 * (8 + 4 + 4 + 4) + 4 * 2));
}

#[test]
fn gradients_of_fused_options_agree_with_differences() {
    let gates = GateFunction::ALL.into_iter().flat_map(|function| [Gate::before(function), Gate::after(function)]);
    let residuals: [(&str, Set); 4] = [
        ("no residual", |_| {}),
        ("residual before", |o| o.residual = true),
        ("residual before, with its sum", |o| (o.residual, o.residual_output) = (true, true)),
        ("residual after", |o| (o.residual, o.residual_after) = (true, true)),
    ];
    let mut cases: Vec<(String, Options)> = Vec::new();
    let mut add = |name: String, set: &dyn Fn(&mut Options)| {
        let mut options = LayerNorm::new(&[1], 0..).options;
        options.eps = 0.125;
        set(&mut options);
        cases.push((name, options));
    };
    for gate in gates {
        // Only these products have sums that f32 holds, as a tensor between the passes must.
        let is_exact = !gate.before || matches!(gate.function, GateFunction::Identity | GateFunction::OnePlus);
        for (why, residual) in residuals.into_iter().filter(|(why, _)| is_exact || !why.ends_with("its sum")) {
            add(format!("{gate:?}, {why}"), &|o| {
                o.gate = Some(gate);
                residual(o);
            });
        }
    }
    for activation in [Activation::None, Activation::Gelu] {
        add(format!("residual after, {activation:?}"), &|o| {
            (o.residual, o.residual_after, o.activation) = (true, true, activation);
        });
    }
    let mut compared = 0;
    for (name, options) in &cases {
        let mut heads = LayerNorm::new(&[2, 2, 6], 2..).affine_axes(1..);
        heads.options = options.clone();
        let mut channels = RmsNorm::new(&[2, 6, 3], 1..2);
        channels.options = options.clone();
        let ops: [(&dyn Norm, &dyn Norm); 2] = [(&heads, &heads.backward()), (&channels, &channels.backward())];
        for (op, backward) in ops {
            let data = data(op, backward, &mut Random::new(3));
            compared += check_gradients(name, op, backward, &data, options.residual_after);
        }
    }
    for order in [Order::L1, Order::L2] {
        let op = LpNormalize::new(&[2, 3, 6], 2..).order(order).weight(true).bias(true).affine_axes(1..);
        let data = data(&op, &op.backward(), &mut Random::new(3));
        compared += check_gradients("a norm with weight and bias", &op, &op.backward(), &data, false);
    }
    // Input, weight, bias and gate, and the residual of three choices; without gates, all but the gate.
    assert_eq!(compared, 2 * ((10 * 4 - 3) * 4 + (10 * 3 - 3) + 2 * 4) + 2 * 3);
}

/// The gradient of a bias before the norm is that of the input, summed over the rows, as `input_bias` says.
#[test]
fn the_gradient_of_an_input_bias_is_a_sum_of_the_inputs() {
    for kept in [false, true] {
        let op = LayerNorm::new(&[2, 3, 6], 2..).eps(0.125).residual(true).residual_output(kept).input_bias(true);
        let data = data(&op, &op.backward(), &mut Random::new(5));
        check_gradients("a bias before the norm", &op, &op.backward(), &data, false);
        let rows = op.backward().reference(&read(&op.backward(), &data)).expect("reference");
        let rows = rows.grad_input();
        let expected = differences(&op, &data, Slot::InputBias);
        let epsilon = DIFFERENCES * largest(&expected).max(1.0);
        for (i, e) in expected.iter().enumerate() {
            let sum: f64 = rows.iter().skip(i).step_by(6).sum();
            assert!(abs_diff_eq!(sum, e, epsilon = epsilon), "{kept}, [{i}]: {sum}, by differences {e}");
        }
    }
}

/// The backward pass of two norms is that of two ops, as `next_norm` says.
#[test]
fn the_gradient_of_a_second_norm_is_that_of_two_ops() {
    let random = &mut Random::new(4);
    let mut draw = |len| away_from_zero(random, len);
    let [input, residual, grad_output, grad_next] = std::array::from_fn(|_| draw(12));
    let [weight, next_weight] = std::array::from_fn(|_| draw(6));
    let norm = RmsNorm::new(&[2, 6], 1..).eps(0.125).residual(true);
    let first = norm.clone().residual_after(true);
    let both = first.clone().next_norm(true);
    let loss = |input: &[f32]| -> f64 {
        let tensors = Tensors::new(input).residual(&residual).weight(&weight).next_weight(&next_weight);
        let outputs = both.reference(&tensors).expect("reference");
        let weighed =
            |grad: &[f32], output: &[f64]| grad.iter().zip(output).map(|(&g, y)| f64::from(g) * y).sum::<f64>();
        weighed(&grad_output, outputs.output()) + weighed(&grad_next, outputs.next_output())
    };
    let tensors = Tensors::new(&input).residual(&residual).weight(&weight);
    let output = first.reference(&tensors).expect("reference").to_f32();
    let second = norm.residual_output(true).backward().grad_weight(false);
    let tensors = Tensors::default().residual_output(output.output()).weight(&next_weight);
    let tensors = tensors.grad_output(&grad_next).grad_residual_output(&grad_output);
    let whole = second.reference(&tensors).expect("reference").to_f32();
    let tensors = Tensors::new(&input).weight(&weight).grad_output(whole.grad_input());
    let found = first.backward().grad_weight(false).reference(&tensors).expect("reference");
    for i in 0..input.len() {
        let at = |step: f32| {
            let mut moved = input.clone();
            moved[i] += step;
            loss(&moved)
        };
        let difference = |step: f32| (at(step) - at(-step)) / f64::from(2.0 * step);
        let expected = (4.0 * difference(STEP) - difference(2.0 * STEP)) / 3.0;
        // Between the passes, tensors are f32.
        assert!(abs_diff_eq!(found.grad_input()[i], expected, epsilon = 1e-6), "{i}");
    }
}

/// An input is exact at any offset. A gated sum has the errors of its terms, which a small deviation keeps.
#[test]
fn the_condition_of_a_gated_sum() {
    let condition = |op: &LayerNorm, input: &[f32], gate: &[f32]| {
        let tensors = Tensors::new(input).set(Slot::Gate, gate);
        let tensors = if op.options.gate.is_some() { tensors } else { Tensors::new(input) };
        op.reference(&tensors).expect("reference").condition()
    };
    let plain = LayerNorm::new(&[1, 4], 1..).eps(0.0).weight(false).bias(false);
    let gated = plain.clone().gate(Gate::before(GateFunction::Identity));
    let offset = |mean: f32| [-1.0, 1.0, -1.0, 1.0].map(|x| mean + x);
    assert_eq!(condition(&plain, &offset(1e6), &[]), 1.0);
    assert_eq!(condition(&gated, &offset(10.0), &[1.0; 4]), 1.0);
    // Products of 6,400 with deviations of 2: the largest exceeds its deviation by 6,400.
    assert_eq!(condition(&gated, &offset(3200.0), &[2.0; 4]), 6400.0 / 64.0);
}
