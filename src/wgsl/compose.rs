//! Composes a shader from its constants, its storage buffers and its parts.

use std::fmt::Write as _;

use super::{
    Part, part,
    storage::{Storage, declare},
    unroll::unroll,
};
use crate::tensor::DType;

/// The components of a shader.
pub(crate) struct Source {
    /// Declarations that differ between kernels made of the same parts.
    pub constants: Vec<String>,
    pub storage: Vec<Storage>,
    pub parts: Vec<Part>,
    /// The iterations of unrolled loops.
    pub block: u32,
    /// Whether the device's own instructions convert f16.
    pub native_f16: bool,
    /// Whether all storage buffers are `read_write`.
    pub shared_buffers: bool,
}

/// The complete WGSL.
pub(crate) fn compose(source: &Source) -> String {
    let mut text = String::new();
    for line in &source.constants {
        text.push_str(line);
        text.push('\n');
    }
    for storage in &source.storage {
        text.push_str(&declare(storage, source.shared_buffers));
    }
    for (name, part) in conversions(source).iter().chain(&source.parts) {
        // Writing to a String can't fail.
        let _ = write!(text, "\n// ==== {name}.wgsl\n{}", unroll(part, source.block));
    }
    text
}

/// The parts that decode and encode the half-precision types of the storage buffers.
fn conversions(source: &Source) -> Vec<Part> {
    let uses = |dtype| source.storage.iter().any(|storage| storage.element.dtype() == Some(dtype));
    let f16 = if source.native_f16 { part!("parts/storage/f16_native") } else { part!("parts/storage/f16") };
    let parts = [(DType::F16, f16), (DType::BF16, part!("parts/storage/bf16"))];
    parts.into_iter().filter(|&(dtype, _)| uses(dtype)).map(|(_, part)| part).collect()
}
