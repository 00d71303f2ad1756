//! The pass of local response norm, in either direction: a window of adjacent channels, without statistics.

use super::{KernelCall, Lowered, Passes, occupancy::MAX_TURNS};
use crate::{
    caps::{Caps, Offsets},
    definition::Window,
    error::{Error, Result},
    kernels::{
        SMALL_WORKGROUP,
        window::{self, HELD_WINDOW, SlideParams, WindowParams},
    },
    layout::VectorLayout,
    tensor::TensorSpec,
    types::{Method, Strategy},
};

/// Lowers local response norm.
pub(super) fn lower(
    op: &Window,
    backward: bool,
    tensors: Vec<TensorSpec>,
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
    let [channels, stride] = op.channels;
    let is_vec4 = stride.is_multiple_of(4) && caps.offsets != Offsets::Element;
    let layout = if is_vec4 { VectorLayout::Vec4 } else { VectorLayout::Scalar };
    // The reach ends at the last existing channel. All these numbers are at most the number of elements.
    let [before, after] = op.reach.map(|reach| reach.min(channels - 1) as u32);
    let held = before + 1 + after;
    let alpha = (f64::from(op.alpha) / op.size as f64) as f32;
    let (beta, k) = (op.beta, op.k);
    let (channels, stride) = (channels as u32, stride as u32 / layout.elements());
    let packs = elements as u32 / layout.elements();
    let (input, output) = (op.types.input(), op.types.output());
    let kernel = |held| window::Window { layout, input, output, held, backward };
    let call = if held <= HELD_WINDOW {
        // A lane loads at most a quarter more channels than its own.
        let beside = if backward { 2 * (held - 1) } else { held - 1 };
        let splits = channels.div_ceil(caps.tuning.packs_per_lane.max(4 * beside));
        let lanes = packs / channels * splits;
        let steps = channels.div_ceil(splits);
        let params = SlideParams { lanes, channels, stride, splits, steps, alpha, beta, k };
        let workgroups = u64::from(lanes).div_ceil(SMALL_WORKGROUP.into());
        KernelCall::new(kernel(Some([before, after])), &params, workgroups, caps)?
    } else {
        // The gradient needs a window of windows.
        let size = (op.size as u64).min(channels.into());
        let turns = if backward { size.saturating_mul(size + 1) } else { size };
        if turns > MAX_TURNS.into() {
            let pass = if backward { "backward" } else { "forward" };
            return Err(Error::Unsupported {
                what: format!("the {pass} pass of windows of {size} channels"),
                why: format!("an invocation goes through all that reaches an element, and through {MAX_TURNS} at most"),
            });
        }
        let params = WindowParams { packs, channels, stride, before, after, alpha, beta, k, zero: 0 };
        KernelCall::new(kernel(None), &params, u64::from(packs).div_ceil(SMALL_WORKGROUP.into()), caps)?
    };
    let passes = Passes { calls: vec![call], scratch: Vec::new() };
    Lowered::new(Method::Elementwise, tensors, passes, caps)
}
