//! A small network that learns with its batch spread over the processes, and beside it in one process.
//!
//! Two blocks follow each other. The two branches of a block do not wait for each other, so their layers share an
//! exchange: `h = f(norm_a(x A)) + f(norm_b(x B))`, then `y = norm_c(h C) + norm_d(h D)`. Matrix products are on the
//! host.

use std::time::Instant;

use wgpu_norm::{
    Activation, BatchNorm, Tensors,
    host::Gpu,
    testing::{PROMISE, Random},
};

use super::{
    Meter, Result, Split,
    checks::summed,
    layers::{Layer, backward, forward},
};

const SAMPLES: usize = 24;
const INPUTS: usize = 6;
const HIDDEN: usize = 12;
const OUTPUTS: usize = 4;
const STEPS: usize = 12;
const RATE: f32 = 0.5;
/// Inputs and outputs of the four branches, in the order of the blocks.
const BRANCHES: [[usize; 2]; 4] = [[INPUTS, HIDDEN], [INPUTS, HIDDEN], [HIDDEN, OUTPUTS], [HIDDEN, OUTPUTS]];

/// A branch: a matrix, and weight and bias of the norm behind it.
#[derive(Clone)]
struct Branch {
    matrix: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Branch {
    fn parameters(&mut self) -> [&mut Vec<f32>; 3] {
        [&mut self.matrix, &mut self.weight, &mut self.bias]
    }
}

fn branches() -> Vec<Branch> {
    let mut random = Random::new(11);
    let branch = |[inputs, outputs]: [usize; 2]| Branch {
        matrix: random.normal(inputs * outputs, 0.0, 0.6),
        weight: vec![1.0; outputs],
        bias: vec![0.0; outputs],
    };
    BRANCHES.into_iter().map(branch).collect()
}

fn parameters(branches: &[Branch]) -> Vec<f32> {
    branches.iter().flat_map(|b| [&b.matrix[..], &b.weight, &b.bias].concat()).collect()
}

/// `left * right` of `[rows, inner]` and `[inner, columns]`, each by its strides.
fn product(sizes: [usize; 3], left: (&[f32], [usize; 2]), right: (&[f32], [usize; 2])) -> Vec<f32> {
    let [rows, inner, columns] = sizes;
    let at =
        |(values, [row, column]): (&[f32], [usize; 2]), i: usize, k: usize| f64::from(values[i * row + k * column]);
    let element = |i: usize| {
        let (row, column) = (i / columns, i % columns);
        (0..inner).map(|k| at(left, row, k) * at(right, k, column)).sum::<f64>() as f32
    };
    (0..rows * columns).map(element).collect()
}

/// The samples of one process in a step.
struct Part {
    x: Vec<f32>,
    target: Vec<f32>,
}

/// A step of this process: the gradients of all parameters, of its samples alone, and its share of the loss.
fn step(gpu: &Gpu, mut exchange: Option<&mut Meter<'_>>, branches: &[Branch], part: &Part) -> Result<(Vec<f32>, f64)> {
    let n = part.x.len() / INPUTS;
    let op = |block: usize, outputs: usize| {
        let activation = if block == 0 { Activation::Silu } else { Activation::None };
        BatchNorm::training(&[n, outputs]).activation(activation)
    };
    let blocks: Vec<(usize, &[Branch])> = branches.chunks(2).enumerate().collect();
    let mut inputs = vec![part.x.clone()];
    let mut products = Vec::new();
    let mut statistics = Vec::new();
    for &(block, branches) in &blocks {
        let [from, to] = BRANCHES[2 * block];
        let x = &inputs[block];
        let sums: Vec<Vec<f32>> =
            branches.iter().map(|b| product([n, from, to], (x, [from, 1]), (&b.matrix, [to, 1]))).collect();
        let layers: Vec<Layer<'_>> = branches
            .iter()
            .zip(&sums)
            .map(|(b, sums)| Layer {
                op: op(block, to).save_for_backward(true),
                tensors: Tensors::new(sums).weight(&b.weight).bias(&b.bias),
            })
            .collect();
        let outputs = forward(gpu, exchange.as_deref_mut(), &layers)?;
        drop(layers);
        let y = |i: usize| outputs.iter().map(|outputs| outputs.output()[i]).sum();
        inputs.push((0..n * to).map(y).collect());
        statistics.push(outputs.iter().map(|outputs| outputs.statistics().to_vec()).collect::<Vec<_>>());
        products.push(sums);
    }
    let scale = 1.0 / (SAMPLES * OUTPUTS) as f32;
    let differences: Vec<f32> = inputs[2].iter().zip(&part.target).map(|(y, target)| y - target).collect();
    let loss = differences.iter().map(|d| f64::from(d * d * scale)).sum();
    let mut grad: Vec<f32> = differences.iter().map(|d| 2.0 * d * scale).collect();
    let mut gradients = Vec::new();
    for &(block, branches) in blocks.iter().rev() {
        let [from, to] = BRANCHES[2 * block];
        let layers: Vec<Layer<'_>> = branches
            .iter()
            .zip(products[block].iter().zip(&statistics[block]))
            .map(|(b, (sums, statistics))| {
                let tensors = Tensors::new(sums).weight(&b.weight).bias(&b.bias);
                Layer {
                    op: op(block, to).save_for_backward(true),
                    tensors: tensors.statistics(statistics).grad_output(&grad),
                }
            })
            .collect();
        let outputs = backward(gpu, exchange.as_deref_mut(), &layers)?;
        drop(layers);
        let mut grad_input = vec![0.0; n * from];
        let mut of_block = Vec::new();
        for (b, outputs) in branches.iter().zip(&outputs) {
            let grad_sums = outputs.grad_input();
            of_block.extend(product([from, n, to], (&inputs[block], [1, from]), (grad_sums, [to, 1])));
            of_block.extend_from_slice(outputs.grad_weight());
            of_block.extend_from_slice(outputs.grad_bias());
            let of_branch = product([n, to, from], (grad_sums, [to, 1]), (&b.matrix, [1, to]));
            grad_input.iter_mut().zip(of_branch).for_each(|(sum, x)| *sum += x);
        }
        grad = grad_input;
        gradients.insert(0, of_block);
    }
    Ok((gradients.concat(), loss))
}

/// Trains with the batches of all processes. Each step splits its batch in another way. Returns the parameters and the
/// losses.
fn train(gpu: &Gpu, mut exchange: Option<&mut Meter<'_>>) -> Result<(Vec<f32>, Vec<f64>)> {
    let mut branches = branches();
    let mut random = Random::new(5);
    let teacher = random.normal(INPUTS * OUTPUTS, 0.0, 1.0);
    let mut losses = Vec::new();
    for number in 0..STEPS {
        let x = random.normal(SAMPLES * INPUTS, 1.0, 2.0);
        let target = product([SAMPLES, INPUTS, OUTPUTS], (&x, [INPUTS, 1]), (&teacher, [OUTPUTS, 1]));
        let target: Vec<f32> = target.iter().map(|y| (0.3 * y).tanh()).collect();
        let (rank, processes) = exchange.as_ref().map_or((0, 1), |exchange| (exchange.rank(), exchange.processes()));
        let parts = Split::ALL[number % Split::ALL.len()].of(SAMPLES, processes);
        let first: usize = parts[..rank].iter().sum();
        let of = |values: &[f32], len: usize| values[first * len..(first + parts[rank]) * len].to_vec();
        let part = Part { x: of(&x, INPUTS), target: of(&target, OUTPUTS) };
        let (mut gradients, mut loss) = step(gpu, exchange.as_deref_mut(), &branches, &part)?;
        if let Some(exchange) = exchange.as_deref_mut() {
            // The gradients of all parameters, and the loss: one more exchange.
            gradients.push(loss as f32);
            gradients = summed(&exchange.gather(&gradients)?);
            loss = gradients.pop().map_or(0.0, f64::from);
        }
        losses.push(loss);
        let mut gradients = gradients.into_iter();
        for values in branches.iter_mut().flat_map(Branch::parameters) {
            values.iter_mut().zip(&mut gradients).for_each(|(x, gradient)| *x -= RATE * gradient);
        }
    }
    Ok((parameters(&branches), losses))
}

/// Trains in all processes, and in the first one alone. Fails unless they learn the same.
pub fn run(gpu: &Gpu, exchange: &mut Meter<'_>) -> Result<()> {
    let (bytes, exchanges, in_exchange) = (exchange.bytes, exchange.exchanges, exchange.time);
    let start = Instant::now();
    let (learned, losses) = train(gpu, Some(exchange))?;
    let all = start.elapsed().as_secs_f64();
    let of_step = |total: usize| total / STEPS;
    let (bytes, exchanges) = (of_step(exchange.bytes - bytes), of_step(exchange.exchanges - exchanges));
    let share = (exchange.time - in_exchange).as_secs_f64() / all;
    exchange.hold_alike("parameters", &learned)?;
    if !exchange.is_first() {
        return Ok(());
    }
    let (alone, losses_alone) = train(gpu, None)?;
    let largest = alone.iter().fold(1.0_f32, |largest, x| largest.max(x.abs()));
    let apart = learned.iter().zip(&alone).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    println!(
        "\ntraining, {STEPS} steps of {SAMPLES} samples, four batch norm layers: a step has {exchanges} exchanges,\n\
         in which a process sends {bytes} bytes: 16 for each channel of a layer and direction, the rest\n\
         gradients. Exchanges take {:.0} % of the time.\n\n{:>6}{:>20}{:>20}",
        100.0 * share,
        "step",
        format!("loss, {} processes", exchange.processes()),
        "loss, one process"
    );
    for number in [0, STEPS / 2, STEPS - 1] {
        println!("{:>6}{:>20.6}{:>20.6}", number + 1, losses[number], losses_alone[number]);
    }
    println!(
        "\nAll processes have the same {} parameters, bit by bit, and one process has them within {apart:.1e}.",
        alone.len()
    );
    // Each step has an error of its own.
    let allowed = STEPS as f64 * PROMISE * f64::from(largest);
    if apart > allowed {
        return Err(format!("the parameters are {apart:e} from those of one process, allowed are {allowed:e}").into());
    }
    if losses[STEPS - 1] > 0.5 * losses[0] {
        return Err(format!("nothing was learned: {losses:?}").into());
    }
    Ok(())
}
