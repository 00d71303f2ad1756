//! WGSL text: tensors are declared, roles linked to a kernel, and unrolled loops expanded. Knows no kernel.

pub(crate) mod compose;
#[cfg(test)]
mod interfaces;
mod link;
pub(crate) mod storage;
mod unroll;

pub(crate) use link::Variant;

/// The text of a file below `shaders/kernels`, with its path.
macro_rules! kernel {
    ($name:literal) => {
        (concat!("kernels/", $name), include_str!(concat!("../../shaders/kernels/", $name, ".wgsl")))
    };
}
pub(crate) use kernel;
