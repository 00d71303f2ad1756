//! Chunks: if a tensor is larger than a binding, each dispatch binds a chunk of it.

use crate::{
    caps::Caps,
    error::{Error, Result},
    geometry::Reduction,
    slot::Slot,
    tensor::TensorSpec,
};

/// Adjacent elements, the same of every elementwise tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub first: u32,
    pub len: u32,
}

/// The part of a tensor that a dispatch binds, if not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The tensor.
    pub slot: Slot,
    /// The offset of the part, in bytes.
    pub offset: u64,
    /// The size of the part, in bytes.
    pub size: u64,
}

/// Cuts the elementwise tensors into chunks that the device can bind, at slices of both reductions. All chunks but the
/// last have the same length.
pub(super) fn chunks(stats: Reduction, affine: Reduction, tensors: &[TensorSpec], caps: &Caps) -> Result<Vec<Chunk>> {
    let len = stats.len();
    let allowed = caps.max_tensor_binding_size();
    let cut = || tensors.iter().filter(|spec| spec.slot.is_elementwise());
    if cut().all(|spec| spec.bytes() <= allowed) {
        return Ok(vec![Chunk { first: 0, len }]);
    }
    let alignment = u64::from(caps.storage_offset_alignment);
    let slice = lcm(stats.slice().into(), affine.slice().into());
    // Strides of the outermost axis may exceed the elements of its index.
    let unit = cut().fold(slice, |unit, spec| {
        let (elements, apart) = outermost(spec);
        lcm(unit, elements as u64 * (alignment / gcd(alignment, apart as u64 * spec.dtype.size())))
    });
    let bytes = |spec: &TensorSpec| {
        let (elements, apart) = outermost(spec);
        unit / elements as u64 * apart as u64 * spec.dtype.size()
    };
    let needed = cut().map(bytes).max().unwrap_or(0);
    let units = allowed / needed.max(1);
    if units == 0 {
        return Err(Error::Limit { what: "max_storage_buffer_binding_size", needed, allowed });
    }
    // The tensor does not fit a binding, so the step is less than its length and fits u32.
    let step = (units * unit) as u32;
    Ok((0..len).step_by(step as usize).map(|first| Chunk { first, len: step.min(len - first) }).collect())
}

impl Chunk {
    /// The part of a tensor in this chunk.
    pub fn range(self, spec: &TensorSpec) -> Range {
        let (elements, apart) = outermost(spec);
        if apart == 0 {
            // All chunks share it.
            return Range { slot: spec.slot, offset: 0, size: spec.bytes().next_multiple_of(4) };
        }
        let at = |element: u32| u64::from(element) / elements as u64 * apart as u64 * spec.dtype.size();
        let (offset, end) = (at(self.first), at(self.first + self.len).min(spec.bytes()));
        Range { slot: spec.slot, offset, size: (end - offset).next_multiple_of(4) }
    }
}

/// The elements of an index of the outermost axis, and the stride of this axis.
fn outermost(spec: &TensorSpec) -> (usize, usize) {
    match *spec.levels() {
        [] => (1, 1),
        [(count, stride), ..] => (spec.shape.iter().product::<usize>() / count, stride),
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u64, b: u64) -> u64 {
    a / gcd(a, b) * b
}
