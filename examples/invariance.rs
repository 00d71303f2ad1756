//! Section 5.1 of the paper, measured: what a normalized neuron's output does not notice. A layer of neurons `a = W x`
//! over a set of cases is normalized by layer, batch and weight norm on the GPU, before and after weights or data are
//! re-scaled or re-centered.
//!
//! `cargo run --example invariance`
//!
//! Source: Ba, Kiros, Hinton, Layer Normalization (2016), table 1.

use std::{error::Error, fmt, process::ExitCode};

use wgpu_norm::{BatchNorm, LayerNorm, LpNormalize, Result, Tensors, host::Gpu};

/// Cases of the data set, inputs and neurons.
const CASES: usize = 64;
const INPUTS: usize = 24;
const NEURONS: usize = 48;
/// A change of the output below this is rounding; outputs are of the order of 1.
const ROUNDING: f32 = 1e-4;
/// What was not rounding must be seen at once.
const VISIBLE: f32 = 0.05;

fn main() -> ExitCode {
    env_logger::init();
    match print() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("invariance: not as in the paper");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("invariance: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; says whether it is the paper's.
fn print() -> Result<bool, Box<dyn Error>> {
    let gpu = Gpu::new()?;
    println!(
        "{}: largest change of a normalized output of {CASES} cases and {NEURONS} neurons\n",
        gpu.device().adapter_info().name
    );
    println!("{:<28} {:>22} {:>22} {:>22}", "", "weight norm", "batch norm", "layer norm");
    let mut same = true;
    for change in Change::ALL {
        let mut line = format!("{:<28}", change.to_string());
        for norm in Norm::ALL {
            let cell = cell(&gpu, norm, change)?;
            same &= cell.is_invariant() == Some(cell.paper);
            line += &format!(" {:>22}", cell.to_string());
        }
        println!("{line}");
    }
    println!("\nIn brackets: what the paper says.");
    Ok(same)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    Weight,
    Batch,
    Layer,
}

impl Norm {
    pub const ALL: [Self; 3] = [Self::Weight, Self::Batch, Self::Layer];
}

/// What is done to the weights or the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    WeightMatrixRescaled,
    WeightMatrixRecentered,
    WeightVectorRescaled,
    DataSetRescaled,
    DataSetRecentered,
    SingleCaseRescaled,
}

impl Change {
    pub const ALL: [Self; 6] = [
        Self::WeightMatrixRescaled,
        Self::WeightMatrixRecentered,
        Self::WeightVectorRescaled,
        Self::DataSetRescaled,
        Self::DataSetRecentered,
        Self::SingleCaseRescaled,
    ];

    /// Table 1 of the paper.
    fn leaves_alone(self, norm: Norm) -> bool {
        match self {
            Self::WeightMatrixRescaled => true,
            Self::WeightMatrixRecentered => norm == Norm::Layer,
            Self::WeightVectorRescaled => norm != Norm::Layer,
            Self::DataSetRescaled => norm != Norm::Weight,
            Self::DataSetRecentered => norm == Norm::Batch,
            Self::SingleCaseRescaled => norm == Norm::Layer,
        }
    }

    fn apply(self, net: &mut Net) {
        // A vector that is added, of the order of weights and data.
        let shift: Vec<f32> = (0..INPUTS).map(|i| (i as f32 * 0.7).sin() + 0.5).collect();
        let add = |rows: &mut [f32]| rows.iter_mut().zip(shift.iter().cycle()).for_each(|(x, s)| *x += s);
        let scale = |x: &mut [f32]| x.iter_mut().for_each(|x| *x *= 3.0);
        match self {
            Self::WeightMatrixRescaled => scale(&mut net.weights),
            Self::WeightMatrixRecentered => add(&mut net.weights),
            Self::WeightVectorRescaled => scale(&mut net.weights[..INPUTS]),
            Self::DataSetRescaled => scale(&mut net.data),
            Self::DataSetRecentered => add(&mut net.data),
            Self::SingleCaseRescaled => scale(&mut net.data[..INPUTS]),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WeightMatrixRescaled => "weight matrix re-scaled",
            Self::WeightMatrixRecentered => "weight matrix re-centered",
            Self::WeightVectorRescaled => "weight vector re-scaled",
            Self::DataSetRescaled => "data set re-scaled",
            Self::DataSetRecentered => "data set re-centered",
            Self::SingleCaseRescaled => "single case re-scaled",
        })
    }
}

/// What was measured, and what the paper says.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub change: f32,
    pub paper: bool,
}

impl Cell {
    /// `None`: neither rounding nor visible.
    pub fn is_invariant(self) -> Option<bool> {
        match self.change {
            change if change < ROUNDING => Some(true),
            change if change > VISIBLE => Some(false),
            _ => None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |invariant| if invariant { "yes" } else { "no" };
        let measured = self.is_invariant().map_or("unclear", word);
        write!(f, "{:.1e} {measured} ({})", self.change, word(self.paper))
    }
}

/// The layer and its data.
struct Net {
    /// `[NEURONS, INPUTS]`
    weights: Vec<f32>,
    /// `[CASES, INPUTS]`
    data: Vec<f32>,
}

impl Net {
    /// Always the same: SplitMix64, uniform in [-1, 1).
    fn new() -> Self {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f32 / (1u64 << 52) as f32 - 1.0
        };
        Self {
            weights: (0..NEURONS * INPUTS).map(|_| uniform()).collect(),
            data: (0..CASES * INPUTS).map(|_| uniform()).collect(),
        }
    }

    /// `W x` of each case: `[CASES, NEURONS]`.
    fn sums(&self, weights: &[f32]) -> Vec<f32> {
        let dot = |w: &[f32], x: &[f32]| w.iter().zip(x).map(|(w, x)| w * x).sum();
        let rows = |x| weights.chunks_exact(INPUTS).map(move |w| dot(w, x));
        self.data.chunks_exact(INPUTS).flat_map(rows).collect()
    }

    /// The normalized outputs. `eps` is 0, as the paper has none.
    fn normalized(&self, gpu: &Gpu, norm: Norm) -> Result<Vec<f32>> {
        let shape = [CASES, NEURONS];
        match norm {
            Norm::Layer => {
                let op = LayerNorm::new(&shape, 1..).weight(false).bias(false).eps(0.0);
                Ok(gpu.run(&op, &Tensors::new(&self.sums(&self.weights)))?.output().to_vec())
            }
            Norm::Batch => {
                let op = BatchNorm::training(&shape).weight(false).bias(false).eps(0.0);
                Ok(gpu.run(&op, &Tensors::new(&self.sums(&self.weights)))?.output().to_vec())
            }
            // w / |w|, with a gain of 1.
            Norm::Weight => {
                let op = LpNormalize::new(&[NEURONS, INPUTS], 1..).eps(0.0);
                let weights = gpu.run(&op, &Tensors::new(&self.weights))?;
                Ok(self.sums(weights.output()))
            }
        }
    }
}

/// The largest change of an output.
pub fn cell(gpu: &Gpu, norm: Norm, change: Change) -> Result<Cell> {
    let mut net = Net::new();
    let before = net.normalized(gpu, norm)?;
    change.apply(&mut net);
    let after = net.normalized(gpu, norm)?;
    let largest = before.iter().zip(&after).map(|(b, a)| (b - a).abs()).fold(0.0, f32::max);
    Ok(Cell { change: largest, paper: change.leaves_alone(norm) })
}
