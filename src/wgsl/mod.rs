//! WGSL text: declares storage buffers, expands unrolled loops, and joins parts. Knows no kernel.

pub(crate) mod compose;
pub(crate) mod storage;
mod unroll;

/// A WGSL file: its path below `shaders/`, and its text.
pub(crate) type Part = (&'static str, &'static str);

/// The part of this path.
macro_rules! part {
    ($path:literal) => {
        ($path, include_str!(concat!("../../shaders/", $path, ".wgsl")))
    };
}
pub(crate) use part;
