//! What can go wrong, as values: every error names the argument, what it was and what it may be.

use crate::tensor::{ELEMENTS, Slot};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a descriptor was not lowered, a plan not made or a tensor not bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is wrong on every device.
    #[error("{argument} is {value}, expected {expected}")]
    InvalidArgument {
        /// The argument's name, as in the descriptor.
        argument: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// The argument makes sense, but this crate or this device can't do it.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it can't be done.
        why: String,
    },
    /// A limit of the device is too small, or that of this crate to `elements of input`.
    #[error("{what}: {needed} needed, {} allows {allowed}{}", whose(.what), remedy(.what))]
    Limit {
        /// The limit, by wgpu's name where it has one.
        what: &'static str,
        /// What the op needs.
        needed: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// A tensor does not fit the plan's slot.
    #[error("{slot}: {problem}")]
    Binding {
        /// The slot.
        slot: Slot,
        /// What is wrong with what was bound to it.
        problem: BindingProblem,
    },
    /// wgpu refused something, or the device is gone.
    #[error("device: {0}")]
    Device(String),
    /// The text of a [`Tuning`](crate::Tuning), or a number in it, is wrong.
    #[error("tuning: {0}")]
    Tuning(String),
    /// No adapter answers what was asked for.
    #[error("no adapter: {0}")]
    NoAdapter(String),
}

/// Whose limit it is: wgpu's are the device's.
fn whose(limit: &str) -> &'static str {
    if limit.starts_with(ELEMENTS) { "this crate" } else { "the device" }
}

/// What may help: an adapter may have more than was requested of it.
fn remedy(limit: &str) -> &'static str {
    if limit.starts_with("max_") { "; `recommended(&adapter)` requests all that there is" } else { "" }
}

/// What is wrong with a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingProblem {
    /// The descriptor asks for this tensor.
    #[error("missing, the descriptor asks for it")]
    Missing,
    /// The descriptor has no such tensor.
    #[error("bound, but the descriptor has no such tensor")]
    Unexpected,
    /// The view is smaller than the tensor.
    #[error("{actual} bytes, expected at least {needed}")]
    TooSmall {
        /// Bytes of the tensor.
        needed: u64,
        /// Bytes of the view.
        actual: u64,
    },
    /// A slice on the host has another length than the tensor.
    #[error("{actual} elements, expected {expected}")]
    Length {
        /// Elements of the tensor.
        expected: usize,
        /// Elements of the slice.
        actual: usize,
    },
    /// The view lies outside its buffer.
    #[error("bytes {offset}..{end} of a buffer of {size} bytes")]
    OutOfRange {
        /// The view's first byte.
        offset: u64,
        /// The byte after its last.
        end: u64,
        /// The buffer's size.
        size: u64,
    },
    /// The buffer was made without a usage that the slot needs.
    #[error("the buffer has no {0:?} usage")]
    Usage(wgpu::BufferUsages),
    /// The offset is not a multiple of `min_storage_buffer_offset_alignment`.
    #[error("offset {offset} is not a multiple of {alignment}")]
    Misaligned {
        /// The view's offset in its buffer.
        offset: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// The output is to be written over the input.
    #[error("the same buffer as input, which takes an op with `in_place(true)`")]
    OverInput,
    /// The buffer is written through one slot and used by another. wgpu tracks whole buffers, so it can't be both; parts that are only
    /// written may lie side by side where [`Plan::bind`](crate::Plan::bind) says so.
    #[error("the same buffer as {0}, and one of them is written, which takes `Planner::shared_buffers(true)`")]
    Aliases(Slot),
    /// Two tensors share bytes of a buffer, and one of them is written.
    #[error("overlaps {0}, and one of them is written")]
    Overlaps(Slot),
}
