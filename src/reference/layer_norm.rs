use super::{Affine, moments};
use crate::{
    ops::LayerNorm,
    tensor::{Outputs, Tensors},
};

/// The tensors were checked against the descriptor.
pub(crate) fn layer_norm(op: &LayerNorm, tensors: &Tensors<'_>) -> Outputs<f64> {
    let len = op.normalized().iter().product();
    let affine = Affine::new(tensors, op.zero_centered);
    let mut output = Vec::with_capacity(tensors.input.len());
    let (mut means, mut rstds) = (Vec::new(), Vec::new());
    for row in tensors.input.chunks_exact(len) {
        let (mean, var) = moments(row.iter().copied());
        let rstd = 1.0 / (var + f64::from(op.eps)).sqrt();
        output.extend(row.iter().enumerate().map(|(i, &x)| affine.apply((f64::from(x) - mean) * rstd, i)));
        means.push(mean);
        rstds.push(rstd);
    }
    Outputs { output, mean: op.save_stats.then_some(means), rstd: op.save_stats.then_some(rstds), ..Outputs::default() }
}
