use super::{Affine, moments};
use crate::{
    ops::{BatchNorm, RunningStats},
    tensor::{Outputs, Tensors},
};

/// The tensors were checked against the descriptor.
pub(crate) fn batch_norm(op: &BatchNorm, tensors: &Tensors<'_>) -> Outputs<f64> {
    let running_mean: Option<Vec<f64>> = tensors.running_mean.map(|v| v.iter().map(|&x| x.into()).collect());
    let running_var: Option<Vec<f64>> = tensors.running_var.map(|v| v.iter().map(|&x| x.into()).collect());
    if !op.training {
        let (mean, var) = (running_mean.unwrap_or_default(), running_var.unwrap_or_default());
        return Outputs { output: normalize(op, tensors, &mean, &var), ..Outputs::default() };
    }
    if tensors.input.is_empty() {
        // An empty batch changes nothing.
        let num_batches_tracked = tensors.num_batches_tracked;
        return Outputs { running_mean, running_var, num_batches_tracked, ..Outputs::default() };
    }
    let (mean, var): (Vec<f64>, Vec<f64>) =
        (0..op.channels()).map(|channel| moments(planes(op, tensors.input, channel).flatten().copied())).unzip();
    let rstd = var.iter().map(|var| 1.0 / (var + f64::from(op.eps)).sqrt()).collect();
    let batches = tensors.num_batches_tracked.map(|n| n.wrapping_add(1));
    let average = 1.0 / f64::from(batches.unwrap_or(1));
    let (old, new) = op.running_stats.and_then(RunningStats::weights).unwrap_or((1.0 - average, average));
    let track = |running: Vec<f64>, batch: &[f64], scale: f64| -> Vec<f64> {
        running.iter().zip(batch).map(|(running, batch)| old * running + new * (batch * scale)).collect()
    };
    let var_scale = op.running_stats.map_or(1.0, |convention| convention.var_scale(op.count()));
    Outputs {
        output: normalize(op, tensors, &mean, &var),
        running_mean: running_mean.map(|running| track(running, &mean, 1.0)),
        running_var: running_var.map(|running| track(running, &var, var_scale)),
        num_batches_tracked: batches,
        mean: op.save_stats.then_some(mean),
        rstd: op.save_stats.then_some(rstd),
    }
}

/// The parts of the input that belong to a channel: one for each sample.
fn planes<'a>(op: &BatchNorm, input: &'a [f32], channel: usize) -> impl Iterator<Item = &'a [f32]> + Clone + use<'a> {
    input.chunks_exact(op.spatial()).skip(channel).step_by(op.channels())
}

fn normalize(op: &BatchNorm, tensors: &Tensors<'_>, mean: &[f64], var: &[f64]) -> Vec<f64> {
    let affine = &Affine::new(tensors, op.zero_centered);
    let rows = tensors.input.chunks_exact(op.spatial());
    rows.zip((0..op.channels()).cycle())
        .flat_map(|(row, channel)| {
            let rstd = 1.0 / (var[channel] + f64::from(op.eps)).sqrt();
            row.iter().map(move |&x| affine.apply((f64::from(x) - mean[channel]) * rstd, channel))
        })
        .collect()
}
