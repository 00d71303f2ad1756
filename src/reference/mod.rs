//! Each op in f64 on the CPU, written to be read: what the GPU's results are compared with.
//!
//! Call it through [`Norm::reference`](crate::Norm::reference).

mod batch_norm;
mod group_norm;
mod layer_norm;
mod rms_norm;

pub(crate) use batch_norm::batch_norm;
pub(crate) use group_norm::group_norm;
pub(crate) use layer_norm::layer_norm;
pub(crate) use rms_norm::rms_norm;

/// Mean and biased variance, in two passes.
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let var = values.map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    (mean, var)
}

/// `y * weight + bias`, each if it is there, at index `i`.
fn affine(y: f64, weight: Option<&[f32]>, bias: Option<&[f32]>, i: usize) -> f64 {
    let y = weight.map_or(y, |weight| y * f64::from(weight[i]));
    bias.map_or(y, |bias| y + f64::from(bias[i]))
}
