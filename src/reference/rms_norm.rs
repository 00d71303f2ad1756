use super::Affine;
use crate::{
    ops::RmsNorm,
    tensor::{Outputs, Tensors},
};

/// The tensors were checked against the descriptor.
pub(crate) fn rms_norm(op: &RmsNorm, tensors: &Tensors<'_>) -> Outputs<f64> {
    let len = op.normalized().iter().product();
    let affine = Affine::new(tensors, op.zero_centered);
    let mut output = Vec::with_capacity(tensors.input.len());
    let mut rstds = Vec::new();
    for row in tensors.input.chunks_exact(len) {
        let mean_square = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / row.len() as f64;
        let rstd = 1.0 / (mean_square + f64::from(op.eps)).sqrt();
        output.extend(row.iter().enumerate().map(|(i, &x)| affine.apply(f64::from(x) * rstd, i)));
        rstds.push(rstd);
    }
    Outputs { output, rstd: op.save_stats.then_some(rstds), ..Outputs::default() }
}
