//! Recurrent networks with and without layer norm: RNN, LSTM and GRU learn handwritten digits row by row, and the
//! adding problem over 200 times.
//!
//! `cargo run --example recurrent [-- --quick | --out FILE.svg]`
//!
//! All of a step is on the GPU, in one encoder: the norms, forward and backward at every time, are the crate's. First
//! the gradients of each network are checked by finite differences in f64. Prints how the loss falls, and how long the
//! hidden state is over time.
//!
//! Source: Ba, Kiros, Hinton, Layer Normalization (2016), equation 4 and supplement.

pub mod layout;
mod net;
#[path = "../nets/mod.rs"]
pub mod nets;
mod reference;

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use wgpu_norm::{host::Gpu, testing::Random};

use layout::{Cell, Layout};
use net::Net;
use nets::{
    Feed, Kernels, Parameters, Result,
    cases::{Cases, shuffle},
    chart::{Axis, Curve, Panel, draw, save, spread},
    hold, run,
};

#[derive(Parser)]
struct Args {
    /// Only what takes seconds: the gradients, and some steps on the digits.
    #[arg(long)]
    quick: bool,
    /// Training steps of the adding problem, which takes a thousand to learn.
    #[arg(long, value_name = "N", default_value_t = 40, conflicts_with = "quick")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    adding_steps: u32,
    /// Draws the curves, and writes their numbers beside them as JSON.
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
}

pub const KERNELS: &str = include_str!("cells.wgsl");
const BATCH: usize = 32;
/// The cases that nothing is learned from.
const TESTED: usize = 512;
/// A network's gradients, against finite differences, of the largest of a parameter.
const GRADIENTS: f64 = 1e-5;

pub struct Task {
    name: &'static str,
    cases: Cases,
    loss: &'static str,
    outputs: usize,
    /// Of Adam.
    rate: f32,
    /// Training steps, and those between two points of a curve.
    steps: usize,
    every: usize,
}

impl Task {
    const ADDING: &str = "adding problem";

    pub fn digits() -> Result<Self> {
        Ok(Self {
            name: "digits by rows",
            cases: Cases::digits(8)?,
            loss: "cross_entropy",
            outputs: 10,
            rate: 0.002,
            steps: 400,
            every: 20,
        })
    }

    fn adding(steps: usize) -> Self {
        Self {
            name: Self::ADDING,
            cases: Cases::adding(1, TESTED + 2048, 200),
            loss: "squared_error",
            outputs: 1,
            rate: 0.005,
            steps,
            every: 10,
        }
    }
}

/// A training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trained {
    pub task: String,
    pub cell: Cell,
    pub normalized: bool,
    /// Mean of the steps between two points.
    pub loss: Vec<f64>,
    pub every: usize,
    /// Percent of the test cases.
    pub hits: f64,
    /// Mean length of the hidden state after each input, before the training and after it.
    pub hidden: [Vec<f64>; 2],
}

fn main() -> ExitCode {
    env_logger::init();
    match show(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("recurrent: {e}");
            ExitCode::FAILURE
        }
    }
}

fn show(args: &Args) -> Result<()> {
    let gpu = Gpu::new()?;
    let kernels = Kernels::new(&gpu, KERNELS);
    println!("{}", gpu.device().adapter_info().name);
    println!("\nlargest error of a gradient, of the parameter's largest, against finite differences in f64");
    for (cell, normalized) in networks() {
        let error = gradient_error(&kernels, cell, normalized)?;
        println!("{:<16} {error:.1e}", name(cell, normalized));
        hold("the gradients are those of the network in f64", error <= GRADIENTS)?;
    }
    let tasks = match (Task::digits()?, args.quick) {
        (digits, true) => vec![Task { steps: 120, ..digits }],
        (digits, false) => vec![digits, Task::adding(args.adding_steps as usize)],
    };
    let mut all = Vec::new();
    for task in &tasks {
        println!(
            "\n{}, {} times: loss at the start and at the end, test cases told right, length of the hidden state at \
             first time, halfway and at the last, before the training and after it",
            task.name, task.cases.times
        );
        let bar = ProgressBar::new((6 * task.steps) as u64);
        bar.set_style(ProgressStyle::with_template("{bar:40} {percent}% {msg} {eta}")?);
        for (cell, normalized) in networks() {
            bar.set_message(name(cell, normalized));
            let trained = train(&kernels, task, cell, normalized, |steps| bar.inc(steps as u64))?;
            bar.suspend(|| println!("{trained}"));
            all.push(trained);
        }
        bar.finish_and_clear();
    }
    check(&all)?;
    if let Some(file) = &args.out {
        save(file, &picture(&all)?, &all)?;
    }
    Ok(())
}

/// What the paper says of recurrent networks, on the digits: they learn faster with layer norm, and their hidden state
/// is steadier.
fn check(all: &[Trained]) -> Result<()> {
    for pair in all.chunks_exact(2).take(Cell::ALL.len()) {
        let cell = pair[0].cell;
        let [without, with] = [0, 1].map(|i| pair[i].loss.last().copied().unwrap_or(f64::NAN));
        hold(format!("an {cell} learns faster with layer norm: {with} and {without} without"), with < without)?;
        let [without, with] = [0, 1].map(|i| {
            let [_, low, high] = spread(&pair[i].hidden[1]);
            high / low
        });
        hold(
            format!("the state of an {cell} is steadier with layer norm: {with} and {without} without"),
            with < without,
        )?;
    }
    Ok(())
}

impl fmt::Display for Trained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = [self.loss.first(), self.loss.last()].map(|loss| loss.copied().unwrap_or(f64::NAN));
        write!(f, "{:<16} {first:.4} .. {last:.4} {:>5.1} %", name(self.cell, self.normalized), self.hits)?;
        for (when, hidden) in ["before", "after"].iter().zip(&self.hidden) {
            let at = |time: usize| hidden[time.min(hidden.len() - 1)];
            write!(f, "  {when} {:.2} {:.2} {:.2}", at(0), at(hidden.len() / 2), at(hidden.len()))?;
        }
        Ok(())
    }
}

fn networks() -> impl Iterator<Item = (Cell, bool)> {
    Cell::ALL.into_iter().flat_map(|cell| [(cell, false), (cell, true)])
}

fn name(cell: Cell, normalized: bool) -> String {
    format!("{}{cell}", if normalized { "layer norm " } else { "" })
}

/// The first gradients of a small network, some of each parameter, against central differences of the loss.
fn gradient_error(kernels: &Kernels<'_>, cell: Cell, normalized: bool) -> Result<f64> {
    const DELTA: f64 = 1e-4;
    let cases = Cases::digits(8)?;
    let order = [3, 14, 15, 92];
    let mut layout = Layout::new(cell, normalized, cases.inputs, 10, 1);
    // Gains and biases that are not all alike.
    let mut random = Random::new(2);
    for parameter in &mut layout.start {
        for x in parameter {
            *x += (0.4 * random.uniform() - 0.2) as f32;
        }
    }
    let gpu = kernels.gpu;
    let feed = Feed::new(gpu, &cases);
    let parameters = Parameters::new(gpu, &layout.start);
    let net = Net::new(kernels, &feed, &layout, &parameters, order.len(), "cross_entropy");
    feed.start(gpu, &order, 0);
    run(gpu, &net.forward()?, 1);
    run(gpu, &net.backward()?, 1);
    let loss = feed.totals(gpu)?.loss / order.len() as f64;
    let start: Vec<Vec<f64>> = layout.start.iter().map(|p| p.iter().map(|&x| f64::from(x)).collect()).collect();
    let mut worst = (loss - reference::loss(&layout, &start, &cases, &order)).abs();
    for (parameter, gradient) in parameters.download_gradients(gpu)?.iter().enumerate() {
        let largest = gradient.iter().fold(0.0, |largest, g| f64::max(largest, f64::from(g.abs())));
        for i in (0..gradient.len()).step_by(gradient.len() / 5 + 1) {
            let moved = [DELTA, -DELTA].map(|delta| {
                let mut moved = start.clone();
                moved[parameter][i] += delta;
                reference::loss(&layout, &moved, &cases, &order)
            });
            let error = ((moved[0] - moved[1]) / (2.0 * DELTA) - f64::from(gradient[i])).abs() / largest;
            // Not `max`, which would lose a NaN.
            worst = if error <= worst { worst } else { error };
        }
    }
    Ok(worst)
}

/// Trains a network, and tells after how many more steps each time that it looks at the loss.
pub fn train(
    kernels: &Kernels<'_>,
    task: &Task,
    cell: Cell,
    normalized: bool,
    mut after: impl FnMut(usize),
) -> Result<Trained> {
    let gpu = kernels.gpu;
    let layout = Layout::new(cell, normalized, task.cases.inputs, task.outputs, 1);
    let feed = Feed::new(gpu, &task.cases);
    let parameters = Parameters::new(gpu, &layout.start);
    let net = Net::new(kernels, &feed, &layout, &parameters, BATCH, task.loss);
    let order = task.cases.shuffled(0);
    let (tested, trained) = order.split_at(TESTED);
    let forward = net.forward()?;
    let training = net.training(task.rate)?;

    feed.start(gpu, tested, 0);
    run(gpu, &forward, 1);
    let before = net.hidden_norms()?;
    let mut trained = trained.to_vec();
    let mut random = Random::new(3);
    let mut loss = Vec::new();
    for step in (0..task.steps).step_by(task.every) {
        shuffle(&mut trained, &mut random);
        let steps = task.every.min(task.steps - step);
        feed.start(gpu, &trained, step);
        run(gpu, &training, steps);
        loss.push(feed.totals(gpu)?.loss / (steps * BATCH) as f64);
        after(steps);
    }
    feed.start(gpu, tested, 0);
    run(gpu, &forward, TESTED / BATCH);
    let hits = 100.0 * f64::from(feed.totals(gpu)?.hits) / TESTED as f64;
    let hidden = [before, net.hidden_norms()?];
    Ok(Trained { task: task.name.into(), cell, normalized, loss, every: task.every, hits, hidden })
}

/// A row of panels for each task's losses, and for the hidden states of it.
pub fn picture(all: &[Trained]) -> Result<String> {
    let mut tasks: Vec<&str> = all.iter().map(|trained| &*trained.task).collect();
    tasks.dedup();
    let mut panels = Vec::new();
    for task in tasks {
        let of = |cell| all.iter().filter(move |trained| trained.task == task && trained.cell == cell);
        let highest = |values: &dyn Fn(&Trained) -> Vec<f64>| {
            all.iter().filter(|trained| trained.task == task).flat_map(values).fold(0.0, f64::max)
        };
        let curve = |trained: &Trained, points: Vec<(f64, f64)>| Curve {
            name: if trained.normalized { "with layer norm" } else { "without" }.into(),
            color: usize::from(trained.normalized),
            points: points.into_iter().map(|(x, y)| (x, [y; 3])).collect(),
        };
        let loss = if task == Task::ADDING { "loss (square of the error)" } else { "loss (cross entropy, nats)" };
        let top = highest(&|trained| trained.loss.clone());
        for cell in Cell::ALL {
            let points = |trained: &Trained| {
                let at = |i: usize| (i as f64 + 0.5) * trained.every as f64;
                curve(trained, trained.loss.iter().enumerate().map(|(i, &y)| (at(i), y)).collect())
            };
            let curves: Vec<Curve> = of(cell).map(points).collect();
            let steps = of(cell).map(|trained| trained.loss.len() * trained.every).max().unwrap_or(0);
            panels.push(Panel {
                title: format!("{cell}, {task}"),
                x: Axis { name: "training step", range: 0.0..steps as f64, ticks: 6, label: |x| format!("{x:.0}") },
                y: Axis { name: loss, range: 0.0..top.min(2.5), ticks: 6, label: |y| format!("{y:.2}") },
                curves,
            });
        }
        let top = highest(&|trained| trained.hidden[1].clone());
        for cell in Cell::ALL {
            let points = |trained: &Trained| {
                curve(trained, trained.hidden[1].iter().enumerate().map(|(i, &y)| (i as f64 + 1.0, y)).collect())
            };
            let times = of(cell).map(|trained| trained.hidden[1].len()).max().unwrap_or(0);
            panels.push(Panel {
                title: format!("{cell}, {task}, trained"),
                x: Axis { name: "time", range: 0.0..times as f64, ticks: 6, label: |x| format!("{x:.0}") },
                y: Axis { name: "length of the hidden state", range: 0.0..top, ticks: 6, label: |y| format!("{y:.1}") },
                curves: of(cell).map(points).collect(),
            });
        }
    }
    draw(&panels, 3)
}
