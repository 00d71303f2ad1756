//! Errors, as values. Each names the argument, its value and the values that are allowed.

use crate::slot::Slot;

/// The name of this limit in errors.
pub(crate) const ELEMENTS: &str = "elements of input";

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the crate refused to lower a descriptor, to make a plan or to bind a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is invalid on every device.
    #[error("{argument} is {value}, expected {expected}")]
    InvalidArgument {
        /// The argument's name, as in the descriptor.
        argument: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        expected: String,
    },
    /// The argument is valid, but this crate or this device can't compute the op.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// The unsupported request.
        what: String,
        /// The reason.
        why: String,
    },
    /// A limit of the device is too small, or the op exceeds this crate's limit of `elements of input`.
    #[error("{what}: {needed} needed, {} allows {allowed}{}", whose(.what), remedy(.what))]
    Limit {
        /// The name of the limit, wgpu's where wgpu has one.
        what: &'static str,
        /// The value that the op needs.
        needed: u64,
        /// The allowed value.
        allowed: u64,
    },
    /// A tensor does not fit the plan's slot.
    #[error("{slot}: {problem}")]
    Binding {
        /// The slot.
        slot: Slot,
        /// The problem of its binding.
        problem: BindingProblem,
    },
    /// This crate or wgpu refused the WGSL of an [`Epilogue`](crate::Epilogue).
    #[error("epilogue{}: {why}", shown(*.line, .code))]
    Epilogue {
        /// The line of the caller's text, from 1; `None` if no single line is wrong.
        line: Option<usize>,
        /// This line, or nothing.
        code: String,
        /// The reason.
        why: String,
    },
    /// wgpu refused a call, or the device is lost.
    #[error("device: {0}")]
    Device(String),
    /// The text of a [`Tuning`](crate::Tuning), or a number in it, is invalid.
    #[error("tuning: {0}")]
    Tuning(String),
    /// No adapter matches the request.
    #[error("no adapter: {0}")]
    NoAdapter(String),
}

/// The owner of a limit: this crate, or the device for wgpu's limits.
fn whose(limit: &str) -> &'static str {
    if limit == ELEMENTS { "this crate" } else { "the device" }
}

/// A hint: the adapter may have a higher limit than the program requested for its device.
fn remedy(limit: &str) -> &'static str {
    if limit.starts_with("max_") { "; `recommended(&adapter)` requests all that there is" } else { "" }
}

/// A line of an epilogue.
fn shown(line: Option<usize>, code: &str) -> String {
    line.map_or(String::new(), |line| format!(", line {line}, \"{code}\""))
}

/// A problem of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingProblem {
    /// The descriptor needs this tensor.
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
    /// A slice on the host and the tensor differ in length.
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
        /// The byte after the view's last byte.
        end: u64,
        /// The buffer's size.
        size: u64,
    },
    /// The buffer lacks a usage that the slot needs.
    #[cfg(feature = "wgpu")]
    #[error("the buffer has no {0:?} usage")]
    Usage(wgpu::BufferUsages),
    /// The offset is not a multiple of `min_storage_buffer_offset_alignment`.
    #[error("offset {offset} is not a multiple of {alignment}")]
    Misaligned {
        /// The view's offset in its buffer.
        offset: u64,
        /// The required alignment of the offset.
        alignment: u64,
    },
    /// The caller binds the output to the buffer of the input.
    #[error("the same buffer as input, which takes an op with `in_place(true)`")]
    OverInput,
    /// The op writes the buffer through one slot and uses it through another. wgpu tracks whole buffers and allows one
    /// usage. [`Plan::bind`](crate::Plan::bind) lists the slots that may share a buffer.
    #[error("the same buffer as {0}, and one of them is written, which takes `Planner::shared_buffers(true)`")]
    Aliases(Slot),
    /// Two tensors have elements in the same 32-bit word of a buffer, and the op writes one of them.
    #[error("overlaps {0}, and one of them is written")]
    Overlaps(Slot),
    /// WebGPU refuses bindings that overlap, and a binding begins at a multiple of the device's alignment.
    #[error(
        "shares {alignment} bytes of its buffer with {other}, which WebGPU refuses: begin each tensor in {alignment} \
         bytes of its own"
    )]
    Windows {
        /// The other tensor.
        other: Slot,
        /// The alignment of bindings, in bytes.
        alignment: u64,
    },
}
