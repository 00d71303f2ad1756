//! Each op in f64 on the CPU, written to be read: what the GPU's results are compared with.
//!
//! Call it through [`Norm::reference`](crate::Norm::reference).

use crate::tensor::Tensors;

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

/// Gain and offset, each if it is there.
struct Affine<'a> {
    weight: Option<&'a [f32]>,
    /// 1 for a zero-centred weight, else 0.
    weight_offset: f64,
    bias: Option<&'a [f32]>,
}

impl<'a> Affine<'a> {
    fn new(tensors: &Tensors<'a>, zero_centered: bool) -> Self {
        let weight_offset = if zero_centered { 1.0 } else { 0.0 };
        Self { weight: tensors.weight, weight_offset, bias: tensors.bias }
    }

    /// `y * weight + bias` at index `i`.
    fn apply(&self, y: f64, i: usize) -> f64 {
        let y = self.weight.map_or(y, |weight| y * (f64::from(weight[i]) + self.weight_offset));
        self.bias.map_or(y, |bias| y + f64::from(bias[i]))
    }
}
