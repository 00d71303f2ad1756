//! The same networks in f64, one number after the other: what finite differences are taken of.

use super::{
    layout::{Branch, Cell, Layout, Source, UNITS},
    nets::cases::Cases,
};

/// The mean cross entropy of these cases.
pub fn loss(layout: &Layout, parameters: &[Vec<f64>], cases: &Cases, order: &[u32]) -> f64 {
    let case_len = cases.times * cases.inputs + 1;
    let loss_of = |&case: &u32| {
        let case = &cases.values[case as usize * case_len..][..case_len];
        let outputs = outputs(layout, parameters, case[..case_len - 1].chunks_exact(cases.inputs));
        let sum: f64 = outputs.iter().map(|u| u.exp()).sum();
        sum.ln() - outputs[case[case_len - 1] as usize]
    };
    order.iter().map(loss_of).sum::<f64>() / order.len() as f64
}

fn outputs<'a>(layout: &Layout, parameters: &[Vec<f64>], inputs: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
    let mut hidden = vec![0.0; UNITS];
    let mut memory = vec![0.0; UNITS];
    let squash =
        |sums: &[f64]| -> Vec<f64> { layer_norm(sums, layout.squash, parameters).iter().map(|u| u.tanh()).collect() };
    for x in inputs {
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let given: Vec<Vec<f64>> = layout
            .branches
            .iter()
            .map(|branch| give(branch, parameters, if branch.source == Source::Input { &x } else { &hidden }))
            .collect();
        let sum = |i: usize| given[0][i] + given[1][i];
        match layout.cell {
            Cell::Rnn => hidden = squash(&(0..UNITS).map(sum).collect::<Vec<_>>()),
            Cell::Lstm => {
                for (i, c) in memory.iter_mut().enumerate() {
                    *c = sigmoid(sum(i)) * *c + sigmoid(sum(UNITS + i)) * sum(3 * UNITS + i).tanh();
                }
                hidden = squash(&memory);
                hidden.iter_mut().enumerate().for_each(|(i, h)| *h *= sigmoid(sum(2 * UNITS + i)));
            }
            Cell::Gru => {
                for (i, h) in hidden.iter_mut().enumerate() {
                    let z = sigmoid(sum(i));
                    let candidate = (given[2][i] + sigmoid(sum(UNITS + i)) * given[3][i]).tanh();
                    *h = (1.0 - z) * *h + z * candidate;
                }
            }
        }
    }
    let [weight, bias] = layout.last.map(|parameter| &parameters[parameter]);
    bias.iter().enumerate().map(|(i, b)| b + dot(&hidden, weight, i, bias.len())).collect()
}

fn give(branch: &Branch, parameters: &[Vec<f64>], source: &[f64]) -> Vec<f64> {
    let sums: Vec<f64> =
        (0..branch.columns).map(|i| dot(source, &parameters[branch.weight], i, branch.columns)).collect();
    match branch.bias {
        Some(bias) => sums.iter().zip(&parameters[bias]).map(|(u, b)| u + b).collect(),
        None => layer_norm(&sums, branch.norm, parameters),
    }
}

/// A column of a matrix with so many columns.
fn dot(source: &[f64], weight: &[f64], column: usize, columns: usize) -> f64 {
    source.iter().enumerate().map(|(i, x)| x * weight[i * columns + column]).sum()
}

fn layer_norm(sums: &[f64], norm: Option<[usize; 2]>, parameters: &[Vec<f64>]) -> Vec<f64> {
    let Some([gain, bias]) = norm else { return sums.to_vec() };
    let count = sums.len() as f64;
    let mean = sums.iter().sum::<f64>() / count;
    let var = sums.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / count;
    let affine = parameters[gain].iter().zip(&parameters[bias]);
    sums.iter().zip(affine).map(|(u, (g, b))| (u - mean) / (var + 1e-5).sqrt() * g + b).collect()
}

fn sigmoid(u: f64) -> f64 {
    1.0 / (1.0 + (-u).exp())
}
