//! Ops over a window of neighbouring channels, which have no statistics to take.

use super::{Caps, KernelCall, Lowered, Method, Strategy, method::MAX_TURNS};
use crate::{
    error::{Error, Result},
    kernel::{
        key::{KernelKey, SLIDE_WINDOW, SMALL_WORKGROUP, Width},
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
    // Nothing is in reach beyond the channels that there are; all these are at most the number of elements.
    let [before, after] = op.reach().map(|reach| reach.min(channels - 1) as u32);
    let held = before + 1 + after;
    let alpha = (f64::from(op.alpha) / op.size as f64) as f32;
    let (channels, stride) = (channels as u32, stride as u32 / width.elements());
    let packs = elements as u32 / width.elements();
    let (input, output) = (op.types.input(), op.types.output());
    let call = if held <= SLIDE_WINDOW {
        // What a lane loads beside its own channels is a quarter of them at most.
        let beside = if backward { 2 * (held - 1) } else { held - 1 };
        let splits = channels.div_ceil(caps.tuning.walk.max(4 * beside));
        let lanes = packs / channels * splits;
        let steps = channels.div_ceil(splits);
        let key = KernelKey::Slide { width, input, output, reach: [before, after], backward };
        let params = params::Slide { lanes, channels, stride, splits, steps, alpha, beta: op.beta, k: op.k };
        KernelCall::new(key, &params, u64::from(lanes).div_ceil(SMALL_WORKGROUP.into()), caps)?
    } else {
        // The gradient goes through a window of windows.
        let size = (op.size as u64).min(channels.into());
        let turns = if backward { size.saturating_mul(size + 1) } else { size };
        if turns > MAX_TURNS.into() {
            let pass = if backward { "backward" } else { "forward" };
            return Err(Error::Unsupported {
                what: format!("the {pass} pass of windows of {size} channels"),
                why: format!("an invocation goes through all that reaches an element, and through {MAX_TURNS} at most"),
            });
        }
        let key = KernelKey::Window { width, input, output, backward };
        let (beta, k) = (op.beta, op.k);
        let params = params::Window { packs, channels, stride, before, after, alpha, beta, k, zero: 0 };
        KernelCall::new(key, &params, u64::from(packs).div_ceil(SMALL_WORKGROUP.into()), caps)?
    };
    Lowered::new(Method::Elementwise, tensors, vec![call], Vec::new(), caps)
}
