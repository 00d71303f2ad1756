//! The pages of `docs/` that users need.
//!
//! - To choose an op: [`math`], [`models`], [`onnx`].
//! - To know what to expect: [`numerics`], [`performance`], [`limits`], [`safety`].
//! - To put ops into a program: [`recipes`], [`embedding`], [`changing_shapes`], [`distributed`], [`burn`].
//!
//! # In the repository
//! `docs/` has pages for developers too: `architecture.md`, `testing.md` and `adding-an-op.md`. `docs/paper.md` runs
//! the experiments of the layer norm paper. `docs/notebook` has measurements and what they taught, and is not in the
//! package.

/// A module for each page.
///
/// The pages are for GitHub as they are: links have labels, and the end of a page says where each one leads there.
/// `links.md` says where they lead here. It comes first, and of two definitions of a label the first one counts.
///
/// Only rustdoc reads the pages, so that they are not in the metadata of the crate. The modules are always there: items
/// link to them, also where another crate shows the items.
macro_rules! pages {
    ($(#[doc = $summary:literal] $name:ident = $file:literal $($images:literal)?;)*) => {
        $(
            #[doc = $summary]
            #[cfg_attr(doc, doc = concat!("\n\n", include_str!("links.md"), "\n"))]
            $(#[cfg_attr(doc, doc = include_str!($images))])?
            #[cfg_attr(doc, doc = include_str!(concat!("../../docs/", $file)))]
            pub mod $name {}
        )*
    };
}

pages! {
    /// Every op as a formula, forward and backward, and the nodes of ONNX that it computes.
    math = "math.md";
    /// How exact results are, why, and where that ends.
    numerics = "numerics.md";
    /// How fast ops are, and what to choose.
    performance = "performance.md" "../../docs/plots/embedded.md";
    /// What the crate does not do.
    limits = "limits.md";
    /// Why shaders run without two of wgpu's checks, and why no index leaves its tensor.
    safety = "safety.md";
    /// Recipes for programs with `ndarray`, `half` and `safetensors`.
    recipes = "recipes.md";
    /// Tensors in one buffer, offsets, strides, rows by an index, your own WGSL, statistics from elsewhere.
    embedding = "embedding.md";
    /// Any number of rows by one binding, and compilation before it is needed.
    changing_shapes = "changing-shapes.md";
    /// The norms of today's models as options of ops.
    models = "models.md";
    /// What devices that share a batch exchange.
    distributed = "distributed.md";
    /// Nodes of ONNX models as ops.
    onnx = "onnx.md";
    /// The package for programs on burn.
    burn = "burn.md";
}
