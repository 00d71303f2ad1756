//! A layer whose batch is spread over the processes, held to the f64 reference of the whole batch.

use std::time::{Duration, Instant};

use wgpu_norm::{
    Activation, BatchNorm, DType, Norm, Outputs, RunningStats, Slot, Tensors,
    host::Gpu,
    testing::{Random, max_error, slot_bound},
};

use super::{
    Meter, Result, Split,
    layers::{Layer, backward, forward, read},
};

const SHAPE: [usize; 4] = [12, 6, 5, 4];
/// Means beside a standard deviation of 1.
const OFFSETS: [f64; 3] = [0.0, 1e5, 1e6];
/// What the table shows, and which of them the processes have a part of each.
const COLUMNS: [(Slot, bool); 7] = [
    (Slot::Output, true),
    (Slot::RunningMean, false),
    (Slot::RunningVar, false),
    (Slot::GradInput, true),
    (Slot::GradResidual, true),
    (Slot::GradWeight, false),
    (Slot::GradBias, false),
];

/// The tensors of a whole batch, the same in each process.
struct Batch {
    op: BatchNorm,
    input: Vec<f32>,
    residual: Vec<f32>,
    grad_output: Vec<f32>,
    affine: [Vec<f32>; 2],
    running: [Vec<f32>; 2],
}

impl Batch {
    fn new(shape: &[usize], offset: f64) -> Self {
        let mut random = Random::new(7);
        let (elements, channels) = (shape.iter().product(), shape[1]);
        let of_sample = elements / shape[0];
        let mut input = random.normal(elements, 0.0, 1.0);
        for (i, x) in input.iter_mut().enumerate() {
            // Channels have means of both signs.
            let sign = if (i % of_sample / (of_sample / channels)).is_multiple_of(2) { 1.0 } else { -1.0 };
            *x = (f64::from(*x) + sign * offset) as f32;
        }
        Self {
            op: BatchNorm::training(shape).residual(true).activation(Activation::Relu),
            input,
            residual: random.normal(elements, 0.0, 1.0),
            grad_output: random.normal(elements, 0.5, 1.0),
            affine: [random.normal(channels, 1.0, 0.5), random.normal(channels, 0.0, 1.0)],
            running: [vec![0.5; channels], vec![2.0; channels]],
        }
    }

    fn tensors(&self) -> Tensors<'_> {
        self.part(0, self.op.shape[0]).tensors
    }

    /// The layer of a process that has `n` samples, from `first` on.
    fn part(&self, first: usize, n: usize) -> Layer<'_> {
        let of_sample = self.input.len() / self.op.shape[0];
        let range = first * of_sample..(first + n) * of_sample;
        let mut op = self.op.clone().running_stats(RunningStats::PYTORCH);
        op.shape[0] = n;
        let tensors = Tensors::new(&self.input[range.clone()]).residual(&self.residual[range.clone()]);
        let tensors = tensors.grad_output(&self.grad_output[range]).weight(&self.affine[0]).bias(&self.affine[1]);
        Layer { op, tensors: tensors.running(&self.running[0], &self.running[1]) }
    }
}

/// Both directions of a layer, in this process: the tensors that it wrote.
fn both(gpu: &Gpu, exchange: &mut Meter<'_>, layer: Layer<'_>) -> Result<Outputs<f32>> {
    let mut layers = [layer];
    let [outputs] = &forward(gpu, Some(exchange), &layers)?[..] else { return Err("one layer".into()) };
    layers[0].tensors = layers[0].tensors.clone().statistics(outputs.statistics());
    let [gradients] = &backward(gpu, Some(exchange), &layers)?[..] else { return Err("one layer".into()) };
    let mut all = outputs.clone();
    for slot in gradients.slots() {
        all.set(slot, gradients.get(slot).unwrap_or_default().to_vec());
    }
    Ok(all)
}

/// Every split at every offset: prints the errors in parts of the bound, and fails where one is above it.
pub fn run(gpu: &Gpu, exchange: &mut Meter<'_>) -> Result<()> {
    let first = exchange.is_first();
    if first {
        println!("\nbatch norm of {SHAPE:?} with a residual and relu: errors beside f64, in parts of the bound\n");
        print!("{:<16}{:>8}", "samples", "offset");
        COLUMNS.iter().for_each(|(slot, _)| print!("{:>15}", slot.name()));
        println!();
    }
    let mut worst = 0.0_f64;
    let mut splits = Split::ALL.map(|split| split.of(SHAPE[0], exchange.processes())).to_vec();
    splits.dedup();
    for parts in splits {
        for offset in OFFSETS {
            let batch = Batch::new(&SHAPE, offset);
            let before: usize = parts[..exchange.rank()].iter().sum();
            let own = both(gpu, exchange, batch.part(before, parts[exchange.rank()]))?;
            exchange.hold_alike("statistics", own.statistics())?;
            exchange.hold_alike("running statistics", &[own.running_mean(), own.running_var()].concat())?;
            let mut joined = Outputs::default();
            for (slot, is_part) in COLUMNS {
                let values = exchange.gather(own.get(slot).unwrap_or_default())?;
                joined.set(
                    slot,
                    match slot {
                        Slot::GradWeight | Slot::GradBias => summed(&values),
                        _ if is_part => values.concat(),
                        _ => values[0].clone(),
                    },
                );
            }
            if !first {
                continue;
            }
            let op = batch.part(0, SHAPE[0]).op;
            let backward = op.backward();
            let truths =
                [&op as &dyn Norm, &backward].map(|op| op.reference(&read(op, &batch.tensors())?).map_err(Into::into));
            let truths = truths.into_iter().collect::<Result<Vec<_>>>()?;
            let parts: Vec<_> = parts.iter().map(usize::to_string).collect();
            print!("{:<16}{offset:>8}", parts.join("+"));
            for (slot, _) in COLUMNS {
                let truth = truths.iter().find(|truth| truth.get(slot).is_some()).ok_or("no reference")?;
                let (actual, expected) = (joined.get(slot).unwrap_or_default(), truth.get(slot).unwrap_or_default());
                let error = max_error(slot.name(), DType::F32, actual, expected)?;
                let parts = error / slot_bound(slot, truth);
                worst = worst.max(parts);
                print!("{parts:>15.4}");
            }
            println!();
        }
    }
    if worst > 1.0 {
        return Err(format!("an error is {worst:.2} times its bound").into());
    }
    Ok(())
}

/// The sums of vectors, in the order of the ranks.
pub fn summed(parts: &[Vec<f32>]) -> Vec<f32> {
    let sum = |i: usize| parts.iter().map(|part| f64::from(part[i])).sum::<f64>() as f32;
    (0..parts[0].len()).map(sum).collect()
}

/// Prints how long a larger layer takes in both directions, and how much of it is the exchange.
pub fn time(gpu: &Gpu, exchange: &mut Meter<'_>) -> Result<()> {
    const SHAPE: [usize; 4] = [16, 64, 14, 14];
    const ROUNDS: u32 = 3;
    const GATHERS: u32 = 200;
    let parts = Split::Even.of(SHAPE[0], exchange.processes());
    let before: usize = parts[..exchange.rank()].iter().sum();
    let batch = Batch::new(&SHAPE, 3.0);
    let own = parts[exchange.rank()];
    let layer = || batch.part(before, own);
    // The first round compiles.
    both(gpu, exchange, layer())?;
    let (bytes, exchanges, in_exchange) = (exchange.bytes, exchange.exchanges, exchange.time);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        both(gpu, exchange, layer())?;
    }
    let own = exchange.exchanges - exchanges;
    let sent = exchange.bytes - bytes;
    let [all, in_exchange] = [start.elapsed(), exchange.time - in_exchange].map(|time| time / ROUNDS);
    if exchange.is_first() {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "\nboth directions of batch norm of {SHAPE:?}: {:.1} ms, of which {:.1} ms ({:.0} %) are {} exchanges\n\
             with the wait for the slowest process. A process sends {} bytes.",
            ms(all),
            ms(in_exchange),
            100.0 * in_exchange.as_secs_f64() / all.as_secs_f64(),
            own / ROUNDS as usize,
            sent / ROUNDS as usize,
        );
    }
    // What an exchange takes where nothing else is to be done.
    let table = vec![1.0; 4 * SHAPE[1]];
    exchange.gather(&table)?;
    let start = Instant::now();
    for _ in 0..GATHERS {
        exchange.gather(&table)?;
    }
    if exchange.is_first() {
        let us = start.elapsed().as_secs_f64() * 1e6 / f64::from(GATHERS);
        println!("A gather of {} bytes from each process, by itself: {us:.0} us", size_of_val(&table[..]));
    }
    Ok(())
}
