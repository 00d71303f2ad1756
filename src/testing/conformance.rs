//! Holds any implementation of an op to the bound of this crate.

use std::fmt;

use crate::{
    ops::Norm,
    slot::Slot,
    tensor::{Outputs, Tensors},
    testing::{Data, compare_outputs, hard_rows, worst_error},
};

/// Runs an implementation of an op, usually a shader of the caller, on random tensors and on [`hard_rows`]. Compares
/// its results with the f64 reference. Returns the largest error as a fraction of its bound
/// ([`slot_bound`](crate::testing::slot_bound)), at most 1.
///
/// `run` gets the tensors that the op reads, whose shapes [`Norm::tensors`] has, and returns the tensors that the op
/// writes. `conformance` omits rows whose squares do not fit f32.
///
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Outputs, Slot, testing};
///
/// // In place of a shader: naive f32, whose variance is a small difference of large numbers.
/// let op = LayerNorm::new(&[4, 64], 1..).weight(false).bias(false);
/// let wrong = testing::conformance(&op, |tensors| {
///     let input = tensors.get(Slot::Input).unwrap_or_default();
///     let row = |x: &[f32]| {
///         let mean = x.iter().sum::<f32>() / 64.;
///         let var = x.iter().map(|x| x * x).sum::<f32>() / 64. - mean * mean;
///         x.iter().map(|x| (x - mean) / (var + 1e-5).sqrt()).collect::<Vec<_>>()
///     };
///     let mut outputs = Outputs::default();
///     outputs.set(Slot::Output, input.chunks(64).flat_map(row).collect());
///     Ok::<_, std::convert::Infallible>(outputs)
/// });
/// assert!(wrong.unwrap_err().contains("a large offset: output"));
/// ```
///
/// # Errors
/// One line for each case that does not conform: the data, the tensor and its error, or the error of `run`. Also the
/// error of an op that this crate refuses.
pub fn conformance<E: fmt::Display>(
    op: &(impl Norm + ?Sized),
    mut run: impl FnMut(&Tensors<'_>) -> Result<Outputs<f32>, E>,
) -> Result<f64, String> {
    let specs = op.tensors().map_err(|e| e.to_string())?;
    let mut cases: Vec<_> = (1..4).map(|seed| ("random", Data::random(op, seed))).collect();
    if let Some(spec) = specs.iter().find(|spec| spec.slot == Slot::Input && !spec.is_empty()) {
        let len = spec.shape.last().copied().unwrap_or(1);
        let fits = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() < f64::from(f32::MAX);
        let hard = hard_rows(len).into_iter().filter(|(_, row)| fits(row));
        cases.extend(
            hard.map(|(name, row)| (name, Data::random(op, 4).with(Slot::Input, row.repeat(spec.len() / len)))),
        );
    }
    let (mut worst, mut wrong) = (0.0_f64, Vec::new());
    for (name, data) in cases {
        let mut check = || {
            let outputs = run(&data.tensors()).map_err(|e| e.to_string())?;
            let truth = op.reference(&data.tensors()).map_err(|e| e.to_string())?;
            compare_outputs(op, &outputs, &truth)?;
            worst_error(&specs, &outputs, &truth)
        };
        match check() {
            Ok(error) => worst = worst.max(error),
            Err(e) => wrong.push(format!("{name}: {e}")),
        }
    }
    if wrong.is_empty() { Ok(worst) } else { Err(wrong.join("\n")) }
}
