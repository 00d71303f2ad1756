use super::{Affine, moments};
use crate::{
    ops::GroupNorm,
    tensor::{Outputs, Tensors},
};

/// The tensors were checked against the descriptor.
pub(crate) fn group_norm(op: &GroupNorm, tensors: &Tensors<'_>) -> Outputs<f64> {
    let (per_group, spatial) = (op.channels_per_group(), op.spatial());
    let affine = Affine::new(tensors, op.zero_centered);
    let mut output = Vec::with_capacity(tensors.input.len());
    let (mut means, mut rstds) = (Vec::new(), Vec::new());
    let groups = tensors.input.chunks_exact(per_group * spatial);
    for (values, group) in groups.zip((0..op.groups).cycle()) {
        let (mean, var) = moments(values.iter().copied());
        let rstd = 1.0 / (var + f64::from(op.eps)).sqrt();
        output.extend(values.iter().enumerate().map(|(i, &x)| {
            let channel = group * per_group + i / spatial;
            affine.apply((f64::from(x) - mean) * rstd, channel)
        }));
        means.push(mean);
        rstds.push(rstd);
    }
    Outputs { output, mean: op.save_stats.then_some(means), rstd: op.save_stats.then_some(rstds), ..Outputs::default() }
}
