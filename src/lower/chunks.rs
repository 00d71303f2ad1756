//! Chunks: of a tensor that is larger than a binding, a dispatch binds a part.

use crate::{
    caps::Caps,
    error::{Error, Result},
    geometry::Reduction,
    tensor::{Slot, TensorSpec},
};

/// Neighbouring elements of every tensor that has one for each of the input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub first: u32,
    pub len: u32,
}

/// What is bound of a tensor, where that is not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The tensor.
    pub slot: Slot,
    /// Bytes before it.
    pub offset: u64,
    /// Bytes of it.
    pub size: u64,
}

/// Cuts the tensors where neither reduction is cut and the device can bind them. All chunks but the last have one length.
pub(super) fn chunks(stats: Reduction, affine: Reduction, tensors: &[TensorSpec], caps: &Caps) -> Result<Vec<Chunk>> {
    let len = stats.len();
    let allowed = caps.max_storage_buffer_binding_size;
    let cut = || tensors.iter().filter(|spec| spec.slot.is_elementwise());
    if cut().all(|spec| spec.bytes() <= allowed) {
        return Ok(vec![Chunk { first: 0, len }]);
    }
    let alignment = u64::from(caps.storage_offset_alignment);
    let slice = lcm(stats.slice().into(), affine.slice().into());
    // Rows of the input may be further apart than they are long.
    let unit = cut().fold(slice, |unit, spec| {
        let (elements, apart) = spec.rows();
        lcm(unit, elements as u64 * (alignment / gcd(alignment, apart as u64 * spec.dtype.size())))
    });
    let bytes = |spec: &TensorSpec| {
        let (elements, apart) = spec.rows();
        unit / elements as u64 * apart as u64 * spec.dtype.size()
    };
    let needed = cut().map(bytes).max().unwrap_or(0);
    let units = allowed / needed.max(1);
    if units == 0 {
        return Err(Error::Limit { what: "max_storage_buffer_binding_size", needed, allowed });
    }
    // Less than the tensor, or it would have fitted.
    let step = (units * unit) as u32;
    Ok((0..len).step_by(step as usize).map(|first| Chunk { first, len: step.min(len - first) }).collect())
}

impl Chunk {
    /// What is bound of a tensor.
    pub fn range(self, spec: &TensorSpec) -> Range {
        let (elements, apart) = spec.rows();
        let at = |element: u32| u64::from(element) / elements as u64 * apart as u64 * spec.dtype.size();
        let (offset, end) = (at(self.first), at(self.first + self.len).min(spec.bytes()));
        Range { slot: spec.slot, offset, size: (end - offset).next_multiple_of(4) }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u64, b: u64) -> u64 {
    a / gcd(a, b) * b
}
