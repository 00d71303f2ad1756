//! Errors, as values.

use burn::tensor::DType;
use wgpu_norm::Slot;

/// Why an op was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor, or a tensor that is missing or not used, by wgpu-norm's own checks.
    #[error(transparent)]
    Norm(#[from] wgpu_norm::Error),
    /// A tensor has another shape than the descriptor says.
    #[error("{slot} has the shape {actual:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        slot: Slot,
        /// Its shape.
        actual: Vec<usize>,
        /// The shape by the descriptor.
        expected: Vec<usize>,
    },
    /// A tensor has another storage type than the op takes.
    #[error("{slot} is {dtype:?}, expected {expected}")]
    DType {
        /// The tensor.
        slot: Slot,
        /// Its storage type.
        dtype: DType,
        /// The types that it may have here.
        expected: String,
    },
    /// A tensor is on another device than the input.
    #[error("{slot} is on another device than input")]
    OtherDevice {
        /// The tensor.
        slot: Slot,
    },
    /// The device of a tensor is not known to this crate.
    #[error(
        "{device} is not registered: make burn's device with `wgpu_norm_burn::init`, or give the device and its \
         `WgpuSetup` to `wgpu_norm_burn::register`"
    )]
    Unregistered {
        /// burn's name of the device.
        device: String,
    },
    /// burn captures a graph of its kernels, which would lack the kernels of this crate.
    #[error("burn is capturing a graph, which would lack the kernels of wgpu-norm: end the capture before the op")]
    Capturing,
}
