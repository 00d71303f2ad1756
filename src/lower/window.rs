//! Ops over a window of neighbouring channels, which have no statistics to take.

use super::{Caps, KernelCall, Lowered, Method, Strategy};
use crate::{
    error::{Error, Result},
    kernel::{
        key::{KernelKey, SMALL_WORKGROUP, Width},
        params,
    },
    ops::LocalResponseNorm,
    tensor::TensorSpec,
};

/// Lowers local response norm, which has checked its arguments.
pub(crate) fn window(
    op: &LocalResponseNorm,
    tensors: Vec<TensorSpec>,
    backward: bool,
    caps: &Caps,
    strategy: Strategy,
) -> Result<Lowered> {
    let elements: usize = op.shape.iter().product();
    if elements == 0 {
        return Ok(Lowered::nothing(tensors));
    }
    if let Strategy::Forced(method) = strategy {
        if method != Method::Elementwise {
            return Err(Error::Unsupported {
                what: format!("the method {method}"),
                why: "a window of channels has no statistics: elementwise is the only method".into(),
            });
        }
    }
    let [channels, stride] = op.channels();
    let width = if stride.is_multiple_of(4) { Width::X4 } else { Width::X1 };
    let key = KernelKey::Window { width, input: op.input_dtype, output: op.output_dtype, backward };
    // Nothing is in reach beyond the channels that there are; all these are at most the number of elements.
    let [before, after] = op.reach().map(|reach| reach.min(channels) as u32);
    let packs = elements as u32 / width.elements();
    let params = params::Window {
        packs,
        channels: channels as u32,
        stride: stride as u32 / width.elements(),
        before,
        after,
        alpha: (f64::from(op.alpha) / op.size as f64) as f32,
        beta: op.beta,
        k: op.k,
    };
    let call = KernelCall::new(key, &params, u64::from(packs).div_ceil(SMALL_WORKGROUP.into()), caps)?;
    Lowered::new(Method::Elementwise, tensors, vec![call], Vec::new(), caps)
}
