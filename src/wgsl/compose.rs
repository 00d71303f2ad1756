//! A shader from its constants, its storage buffers, its kernel and the roles that this kernel uses.

use super::{
    Variant,
    link::{items, link},
    storage::Storage,
    unroll::unroll,
};

/// What a shader is made of.
pub(crate) struct Source {
    /// Declarations that differ between shaders of the same kernel and variants.
    pub constants: Vec<String>,
    pub storage: Vec<Storage>,
    /// The path and the text of the kernel's file.
    pub kernel: (&'static str, &'static str),
    /// The variants of the roles.
    pub variants: Vec<Variant>,
    /// How often unrolled loops are repeated.
    pub block: u32,
    /// Whether all storage buffers are `read_write`.
    pub shared_buffers: bool,
}

/// The complete text.
pub(crate) fn compose(source: &Source) -> String {
    let mut constants = source.constants.join("\n");
    constants.push('\n');
    let tensors: String = source.storage.iter().map(|storage| storage.declare(source.shared_buffers)).collect();
    let (path, kernel) = source.kernel;
    let own = [items("constants", &constants), items("tensors", &tensors), items(path, kernel)].concat();
    unroll(&link(&own, &source.variants), source.block)
}
