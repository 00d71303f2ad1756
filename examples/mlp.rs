//! A multi-layer perceptron that learns handwritten digits without normalization, with batch norm and with layer norm,
//! at batch sizes from 128 down to 1: figure 6 of the paper, at a small scale.
//!
//! `cargo run --example mlp [-- --quick | --out FILE.svg]`
//!
//! Each of the two hidden layers is `f(norm(W h))` with gain and bias, f is relu. All of a step is on the GPU, in one
//! encoder: the norms, forward and backward, are the crate's; matrix products, loss and Adam are in
//! `nets/kernels.wgsl`. Prints the accuracy on test images after each epoch and a table of the last ones.
//!
//! Source: Ba, Kiros, Hinton, Layer Normalization (2016), section 6.6.

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use wgpu_norm::{Activation, BatchNorm, Bindings, Error, LayerNorm, RunningStats, host::Gpu, testing::Random, wgpu};

pub mod nets;
use nets::{
    Command, Feed, Kernels, Matrix, Parameters, Result,
    cases::{Cases, shuffle},
    chart::{Axis, Curve, Panel, draw, save, spread},
    hold, linear, run, upload, zeros,
};

#[derive(Parser)]
struct Args {
    /// Only what takes seconds: two batch sizes, a few epochs, one seed.
    #[arg(long)]
    quick: bool,
    /// Draws the curves, and writes their numbers beside them as JSON.
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
}

const PIXELS: usize = 64;
const UNITS: usize = 32;
const DIGITS: usize = 10;
/// The images that nothing is learned from: whole batches of every size, as are the others but for 5.
const TESTED: usize = 512;
const TRAINED: usize = 1280;
/// Of Adam at a batch of 128. It falls with the root of the batch size, for all methods alike.
const RATE: f32 = 0.006;

/// What the crate has no need of: a layer without a norm.
const KERNELS: &str = "
struct Layer { cases: u32, units: u32 }
@group(0) @binding(0) var<uniform> layer: Layer;

// left: sums of cases, right: bias.
@compute @workgroup_size(64)
fn relu(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < layer.cases * layer.units { result[id.x] = max(left[id.x] + right[id.x % layer.units], 0.0); }
}

// left: what relu gave, right: its gradient; result: the gradient of the sums.
@compute @workgroup_size(64)
fn relu_backward(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < layer.cases * layer.units { result[id.x] = select(0.0, right[id.x], left[id.x] > 0.0); }
}
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    None,
    Batch,
    Layer,
}

impl Method {
    pub const ALL: [Self; 3] = [Self::None, Self::Batch, Self::Layer];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "no norm",
            Self::Batch => "batch norm",
            Self::Layer => "layer norm",
        })
    }
}

/// A training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trained {
    pub method: Method,
    pub batch: usize,
    pub seed: u64,
    /// Percent of the test images that are told right after each epoch, computed as for use: batch norm with running
    /// statistics.
    pub accuracy: Vec<f64>,
    /// The same at the end, computed as in training: batch norm with the statistics of batches of test images.
    pub as_in_training: f64,
}

impl Trained {
    pub fn last(&self) -> f64 {
        self.accuracy.last().copied().unwrap_or(0.0)
    }
}

fn main() -> ExitCode {
    env_logger::init();
    match show(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("mlp: {e}");
            ExitCode::FAILURE
        }
    }
}

fn show(args: &Args) -> Result<()> {
    let gpu = Gpu::new()?;
    let bench = Bench::new(&gpu)?;
    // Batch sizes, and for how many epochs. A small batch learns more in an epoch, and takes longer.
    let (plan, seeds): (&[(usize, usize)], _) =
        if args.quick { (&[(128, 6), (2, 1)], 1..=1) } else { (&[(128, 12), (32, 8), (4, 5), (2, 4), (1, 3)], 1..=3) };
    println!(
        "{}: percent of {TESTED} test images that are told right, after each epoch of {TRAINED} others",
        gpu.device().adapter_info().name
    );
    let steps: usize = plan.iter().map(|(batch, epochs)| TRAINED / batch * epochs * seeds.clone().count() * 3).sum();
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {percent}% {msg} {eta}")?);
    let mut all = Vec::new();
    for &(batch, epochs) in plan {
        for method in Method::ALL {
            for seed in seeds.clone() {
                let name = format!("{method:<10} batch {batch:>3} seed {seed}:");
                let trained = bench.train(method, batch, seed, epochs, |accuracy| {
                    bar.set_message(format!("{name} {accuracy:.1}"));
                    bar.inc((TRAINED / batch) as u64);
                });
                match trained {
                    Ok(trained) => {
                        let curve: Vec<_> = trained.accuracy.iter().map(|x| format!("{x:.1}")).collect();
                        bar.suspend(|| println!("{name} {}", curve.join(" ")));
                        all.push(trained);
                    }
                    // Batch norm of one case: the crate says why not.
                    Err(e) if batch == 1 && e.is::<Error>() => {
                        bar.inc((TRAINED * epochs) as u64);
                        bar.suspend(|| println!("{name} {e}"));
                    }
                    Err(e) => return Err(e),
                }
            }
        }
    }
    bar.finish();
    print_table(&all);
    check(&all, args.quick)?;
    if let Some(file) = &args.out {
        save(file, &picture(&all)?, &all)?;
    }
    Ok(())
}

/// What the paper says of batch sizes, on these digits.
fn check(all: &[Trained], quick: bool) -> Result<()> {
    let mean = |method, batch| spread(&runs(all, method, batch).map(Trained::last).collect::<Vec<_>>())[0];
    hold(
        "layer norm is computed the same way in training and in use",
        all.iter().all(|trained| trained.method != Method::Layer || trained.last() == trained.as_in_training),
    )?;
    hold(
        "batch norm needs a batch: at size 2 it is 20 points below layer norm",
        mean(Method::Batch, 2) < mean(Method::Layer, 2) - 20.0,
    )?;
    if !quick {
        hold("at batch size 128 every method gets 95 %", Method::ALL.iter().all(|&method| mean(method, 128) >= 95.0))?;
        hold(
            "layer norm loses 2 points at most at batch size 2",
            mean(Method::Layer, 2) >= mean(Method::Layer, 128) - 2.0,
        )?;
    }
    Ok(())
}

/// The runs of a cell of the table.
fn runs(all: &[Trained], method: Method, batch: usize) -> impl Iterator<Item = &Trained> {
    all.iter().filter(move |trained| trained.method == method && trained.batch == batch)
}

/// The batch sizes, in the order of the runs.
fn batches(all: &[Trained]) -> Vec<usize> {
    let mut batches: Vec<usize> = all.iter().map(|trained| trained.batch).collect();
    batches.dedup();
    batches
}

fn print_table(all: &[Trained]) {
    println!("\nat the end, mean (lowest to highest); below it, computed as in training\n");
    print!("{:<12}", "batch size");
    Method::ALL.iter().for_each(|method| print!("{:>24}", method.to_string()));
    println!();
    for batch in batches(all) {
        let line = |name: &str, of: fn(&Trained) -> f64| {
            print!("{name:<12}");
            for method in Method::ALL {
                let ends: Vec<f64> = runs(all, method, batch).map(of).collect();
                let [mean, low, high] = spread(&ends);
                let cell = if ends.is_empty() { "-".into() } else { format!("{mean:.1} ({low:.1} to {high:.1})") };
                print!("{cell:>24}");
            }
            println!();
        };
        line(&batch.to_string(), Trained::last);
        line("", |trained| trained.as_in_training);
    }
}

/// The curves of each batch size, and how they end.
pub fn picture(all: &[Trained]) -> Result<String> {
    let batches = batches(all);
    let accuracy =
        || Axis { name: "test images told right (%)", range: 30.0..100.0, ticks: 8, label: |y| format!("{y:.0}") };
    let epochs = |batch| runs(all, Method::Layer, batch).map(|trained| trained.accuracy.len()).max().unwrap_or(0);
    let mut panels: Vec<Panel> = batches
        .iter()
        .map(|&batch| Panel {
            title: format!("batch size {batch}"),
            x: Axis { name: "epoch", range: 0.0..epochs(batch) as f64 + 0.5, ticks: 8, label: whole },
            y: accuracy(),
            curves: Method::ALL
                .into_iter()
                .enumerate()
                .map(|(color, method)| {
                    let runs: Vec<_> = runs(all, method, batch).map(|trained| &trained.accuracy[..]).collect();
                    Curve::of_runs(&method.to_string(), color, 1.0, &runs)
                })
                .collect(),
        })
        .collect();
    let ends = |(color, method): (usize, Method)| {
        let point = |&batch: &usize| {
            let ends: Vec<f64> = runs(all, method, batch).map(Trained::last).collect();
            (!ends.is_empty()).then(|| ((batch as f64).log2(), spread(&ends)))
        };
        Curve { name: method.to_string(), color, points: batches.iter().filter_map(point).collect() }
    };
    panels.push(Panel {
        title: "after the last epoch".into(),
        x: Axis { name: "batch size", range: -0.3..7.3, ticks: 8, label: |x| format!("{:.0}", x.exp2()) },
        y: accuracy(),
        curves: Method::ALL.into_iter().enumerate().map(ends).collect(),
    });
    draw(&panels, 3)
}

/// A tick between two epochs has no label.
fn whole(x: &f64) -> String {
    if (x - x.round()).abs() < 1e-9 { format!("{x:.0}") } else { String::new() }
}

/// The data and the kernels that all trainings share.
pub struct Bench<'a> {
    kernels: Kernels<'a>,
    feed: Feed,
    trained: Vec<u32>,
    tested: Vec<u32>,
}

/// Where a network's parameters are. A network without norms leaves its gains at 1.
const WEIGHTS: [usize; 3] = [0, 1, 2];
const GAINS: [usize; 2] = [3, 4];
const BIASES: [usize; 3] = [5, 6, 7];

/// How the norms of a forward pass take their statistics.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Batch norm: of the batch, and tracked.
    Training,
    /// Batch norm: of the batch.
    AsInTraining,
    /// Batch norm: what was tracked.
    Use,
}

/// A network of a method, and the tensors of a batch.
struct Net<'a> {
    bench: &'a Bench<'a>,
    method: Method,
    parameters: &'a Parameters,
    /// The running mean and variance of each hidden layer.
    running: &'a [[wgpu::Buffer; 2]; 2],
    batch: usize,
    images: wgpu::Buffer,
    /// Of the hidden layers: sums, and what the layer gives. Gradients of both.
    sums: [wgpu::Buffer; 2],
    units: [wgpu::Buffer; 2],
    grad_sums: wgpu::Buffer,
    grad_units: wgpu::Buffer,
    last: wgpu::Buffer,
    grad_last: wgpu::Buffer,
}

impl<'a> Bench<'a> {
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        let digits = Cases::digits(1)?;
        // The same test images for all.
        let order = digits.shuffled(0);
        let (tested, rest) = order.split_at(TESTED);
        Ok(Self {
            kernels: Kernels::new(gpu, KERNELS),
            feed: Feed::new(gpu, &digits),
            trained: rest.to_vec(),
            tested: tested.to_vec(),
        })
    }

    /// Trains a network. The seed is that of its weights and of the order of the images.
    pub fn train(
        &self,
        method: Method,
        batch: usize,
        seed: u64,
        epochs: usize,
        mut after_epoch: impl FnMut(f64),
    ) -> Result<Trained> {
        let (gpu, feed) = (self.kernels.gpu, &self.feed);
        let mut random = Random::new(seed);
        let sizes = [(PIXELS, UNITS), (UNITS, UNITS), (UNITS, DIGITS)];
        let mut start = sizes.map(|(inputs, outputs)| linear(&mut random, inputs, outputs)).to_vec();
        start.extend([vec![1.0; UNITS], vec![1.0; UNITS], vec![0.0; UNITS], vec![0.0; UNITS], vec![0.0; DIGITS]]);
        let parameters = Parameters::new(gpu, &start);
        let running = [(); 2].map(|()| [zeros(gpu, UNITS), upload(gpu, &[1.0; UNITS])]);
        let net = |batch| Net::new(self, method, &parameters, &running, batch);
        let training = net(batch).training()?;
        let used = net(TESTED).forward(Mode::Use)?;
        let as_in_training = net(batch).forward(Mode::AsInTraining)?;

        let tested = |commands: &[Command], batch| -> Result<f64> {
            feed.start(gpu, &self.tested, 0);
            run(gpu, commands, TESTED / batch);
            Ok(100.0 * f64::from(feed.totals(gpu)?.hits) / TESTED as f64)
        };
        let mut accuracy = Vec::new();
        let mut order = self.trained.clone();
        for epoch in 0..epochs {
            shuffle(&mut order, &mut random);
            let steps = TRAINED / batch;
            feed.start(gpu, &order, epoch * steps);
            run(gpu, &training, steps);
            let now = tested(&used, TESTED)?;
            accuracy.push(now);
            after_epoch(now);
        }
        let as_in_training = tested(&as_in_training, batch)?;
        Ok(Trained { method, batch, seed, accuracy, as_in_training })
    }
}

impl<'a> Net<'a> {
    fn new(
        bench: &'a Bench<'a>,
        method: Method,
        parameters: &'a Parameters,
        running: &'a [[wgpu::Buffer; 2]; 2],
        batch: usize,
    ) -> Self {
        let of = |columns| zeros(bench.kernels.gpu, batch * columns);
        let [sums, units] = [(); 2].map(|()| [of(UNITS), of(UNITS)]);
        let [grad_sums, grad_units] = [of(UNITS), of(UNITS)];
        let [last, grad_last] = [of(DIGITS), of(DIGITS)];
        let images = of(PIXELS);
        Self { bench, method, parameters, running, batch, images, sums, units, grad_sums, grad_units, last, grad_last }
    }

    fn weight(&self, layer: usize) -> Matrix<'_> {
        Matrix::new(self.parameters.value(WEIGHTS[layer]), [UNITS, UNITS, DIGITS][layer])
    }

    /// What a layer reads.
    fn input(&self, layer: usize) -> Matrix<'_> {
        match layer {
            0 => Matrix::new(&self.images, PIXELS),
            _ => Matrix::new(&self.units[layer - 1], UNITS),
        }
    }

    /// A batch of images, through all layers to the loss.
    fn forward(&self, mode: Mode) -> Result<Vec<Command>> {
        let (kernels, feed) = (&self.bench.kernels, &self.bench.feed);
        let mut commands = vec![feed.gather(kernels, &self.images)];
        for layer in [0, 1] {
            commands.push(kernels.product(self.input(layer), self.weight(layer), &self.sums[layer], false));
            commands.push(self.norm(layer, mode)?);
        }
        commands.push(kernels.product(self.input(2), self.weight(2), &self.last, false));
        commands.push(feed.loss(kernels, "cross_entropy", &self.last, &self.grad_last, self.parameters, BIASES[2]));
        Ok(commands)
    }

    /// Forward, backward, and the step down.
    fn training(&self) -> Result<Vec<Command>> {
        let (kernels, parameters) = (&self.bench.kernels, self.parameters);
        let mut commands = self.forward(Mode::Training)?;
        for layer in [2, 1, 0] {
            let grad = if layer == 2 {
                commands.push(kernels.column_sums(&self.grad_last, parameters.gradient(BIASES[2])));
                Matrix::new(&self.grad_last, DIGITS)
            } else {
                commands.extend(self.norm_backward(layer)?);
                Matrix::new(&self.grad_sums, UNITS)
            };
            commands.push(kernels.product(
                self.input(layer).transposed(),
                grad,
                parameters.gradient(WEIGHTS[layer]),
                false,
            ));
            if layer > 0 {
                commands.push(kernels.product(grad, self.weight(layer).transposed(), &self.grad_units, false));
            }
        }
        commands.push(kernels.adam(parameters, &self.bench.feed, RATE * (self.batch as f32 / 128.0).sqrt()));
        Ok(commands)
    }

    /// `units = relu(norm(sums))`.
    fn norm(&self, layer: usize, mode: Mode) -> Result<Command> {
        let (sums, units) = (&self.sums[layer], &self.units[layer]);
        let (gain, bias) = (self.parameters.value(GAINS[layer]), self.parameters.value(BIASES[layer]));
        let [mean, var] = &self.running[layer];
        let planner = self.bench.kernels.gpu.planner();
        let bindings = Bindings::new().input(sums).weight(gain).bias(bias).output(units);
        let shape = [self.batch, UNITS];
        let tracked = || bindings.clone().running_mean(mean).running_var(var);
        Ok(match (self.method, mode) {
            (Method::None, _) => self.relu("relu", &[(1, sums.into()), (2, bias), (3, units.into())]),
            (Method::Layer, _) => planner.plan(&layer_norm(shape))?.bind(&bindings)?.into(),
            (Method::Batch, Mode::Training) => {
                let op = batch_norm(shape).running_stats(RunningStats::PYTORCH);
                planner.plan(&op)?.bind(&tracked())?.into()
            }
            (Method::Batch, Mode::AsInTraining) => planner.plan(&batch_norm(shape))?.bind(&bindings)?.into(),
            (Method::Batch, Mode::Use) => {
                let op = BatchNorm::inference(&shape).activation(Activation::Relu);
                planner.plan(&op)?.bind(&tracked())?.into()
            }
        })
    }

    /// The gradients of sums, gain and bias from that of the units.
    fn norm_backward(&self, layer: usize) -> Result<Vec<Command>> {
        let parameters = self.parameters;
        let (sums, units) = (&self.sums[layer], &self.units[layer]);
        let [gain, bias] = [GAINS[layer], BIASES[layer]];
        let bindings = Bindings::new().grad_output(&self.grad_units).input(sums).grad_input(&self.grad_sums);
        let bindings = bindings.weight(parameters.value(gain)).grad_weight(parameters.gradient(gain));
        let bindings = bindings.bias(parameters.value(bias)).grad_bias(parameters.gradient(bias));
        let planner = self.bench.kernels.gpu.planner();
        let shape = [self.batch, UNITS];
        Ok(match self.method {
            Method::None => {
                let buffers = [(1, units.into()), (2, (&self.grad_units).into()), (3, (&self.grad_sums).into())];
                vec![
                    self.relu("relu_backward", &buffers),
                    self.bench.kernels.column_sums(&self.grad_sums, parameters.gradient(bias)),
                ]
            }
            Method::Batch => vec![planner.plan(&batch_norm(shape).backward())?.bind(&bindings)?.into()],
            Method::Layer => vec![planner.plan(&layer_norm(shape).backward())?.bind(&bindings)?.into()],
        })
    }

    fn relu(&self, entry_point: &'static str, buffers: &[(u32, nets::Part<'_>)]) -> Command {
        let sizes = [self.batch, UNITS].map(|n| n as u32);
        self.bench.kernels.bind(entry_point, &sizes, buffers, [(self.batch * UNITS).div_ceil(64), 1])
    }
}

fn layer_norm(shape: [usize; 2]) -> LayerNorm {
    LayerNorm::new(&shape, 1..).activation(Activation::Relu)
}

fn batch_norm(shape: [usize; 2]) -> BatchNorm {
    BatchNorm::training(&shape).activation(Activation::Relu)
}
