//! Which parameters a recurrent network has.
//!
//! | cell | with layer norm |
//! |---|---|
//! | RNN | `h = tanh(LN(W x + V h))`, equation 4 of the paper |
//! | LSTM | `f, i, o, g = LN(W x) + LN(V h)`, `c = s(f) c + s(i) tanh(g)`, `h = s(o) tanh(LN(c))`, its supplement |
//! | GRU | `z, r = LN(W x) + LN(V h)`, `h = (1 - s(z)) h + s(z) tanh(LN(W' x) + s(r) LN(V' h))`, its supplement |
//!
//! with `s` the sigmoid and gain and bias in every LN. Without layer norm each LN is left out, and what is computed
//! from x has a bias.

use std::fmt;

use wgpu_norm::testing::Random;

use super::nets::linear;

/// Of the hidden state.
pub const UNITS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Cell {
    Rnn,
    Lstm,
    Gru,
}

impl Cell {
    pub const ALL: [Self; 3] = [Self::Rnn, Self::Lstm, Self::Gru];
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rnn => "RNN",
            Self::Lstm => "LSTM",
            Self::Gru => "GRU",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Input,
    Hidden,
}

/// A matrix that is applied to the input or to the hidden state. Numbers are those of parameters.
#[derive(Clone, Debug)]
pub struct Branch {
    pub source: Source,
    pub columns: usize,
    pub weight: usize,
    /// Gain and bias of the layer norm of the result.
    pub norm: Option<[usize; 2]>,
    /// What is added without one.
    pub bias: Option<usize>,
}

pub struct Layout {
    pub cell: Cell,
    /// RNN: input, hidden. LSTM: the same. GRU: those of the gates, then those of the candidate.
    pub branches: Vec<Branch>,
    /// Gain and bias of the layer norm before the tanh of RNN and LSTM.
    pub squash: Option<[usize; 2]>,
    /// Weight and bias of the last layer.
    pub last: [usize; 2],
    /// How each parameter begins.
    pub start: Vec<Vec<f32>>,
}

impl Layout {
    pub fn new(cell: Cell, normalized: bool, inputs: usize, outputs: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut start = Vec::new();
        let mut add = |values: Vec<f32>| {
            start.push(values);
            start.len() - 1
        };
        let (branch_norms, squash_norm) = (normalized && cell != Cell::Rnn, normalized && cell != Cell::Gru);
        let columns: &[usize] = match cell {
            Cell::Rnn => &[UNITS],
            Cell::Lstm => &[4 * UNITS],
            Cell::Gru => &[2 * UNITS, UNITS],
        };
        let mut branches = Vec::new();
        for &columns in columns {
            // A new LSTM keeps its memory: the gate f begins open, as is usual.
            let mut bias = vec![0.0; columns];
            if cell == Cell::Lstm {
                bias[..UNITS].fill(1.0);
            }
            for (source, rows, bias) in [(Source::Input, inputs, bias), (Source::Hidden, UNITS, vec![0.0; columns])] {
                let weight = add(linear(&mut random, rows, columns));
                let gain = branch_norms.then(|| add(vec![1.0; columns]));
                let bias = (branch_norms || (source == Source::Input && !normalized)).then(|| add(bias));
                let norm = gain.zip(bias).map(|(gain, bias)| [gain, bias]);
                branches.push(Branch { source, columns, weight, norm, bias: bias.filter(|_| norm.is_none()) });
            }
        }
        let squash = squash_norm.then(|| [add(vec![1.0; UNITS]), add(vec![0.0; UNITS])]);
        let last = [add(linear(&mut random, UNITS, outputs)), add(vec![0.0; outputs])];
        Self { cell, branches, squash, last, start }
    }
}
