use std::ops::{Range, RangeBounds};

use super::{
    op::{Internal, Norm, with_first},
    over_axes::{OverAxes, resolve},
    setters::setters,
};
use crate::{
    definition::{Definition, Operation},
    error::Result,
    options::Options,
    types::Scale,
};

/// Layer normalization over adjacent axes of a tensor.
///
/// ```text
/// output = (input - mean) / sqrt(var + eps) * weight + bias
/// ```
///
/// with the mean and the biased variance of the elements that share an index in the other axes.
///
/// # Shapes
/// `shape` is the shape of input and output, of any rank. The op normalizes over `axes`: one or more adjacent axes,
/// none of them empty. If another axis is empty, so is the batch, and the op does nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `weight` | `shape[affine_axes]`; per sample `[shape[0]]` before | read, if [`weight`](Self::weight) (by default) |
/// | `bias` | as `weight` | read, if [`bias`](Self::bias) (by default) |
/// | `residual` | `shape` | read and added, if [`residual`](Self::residual): to `input`, or [after] the norm |
/// | `input_bias` | `shape[axes]` | read and added, if [`input_bias`](Self::input_bias) |
/// | `gate` | `shape` | read, if there is a [`gate`](Self::gate) |
/// | `residual_output` | `shape` | written, if [`residual_output`](Self::residual_output): the sum |
/// | `output` | `shape` | written |
/// | `input_index` | `[shape[0]]`, u32 | read, with [`gather_rows`](Self::gather_rows) |
/// | `output_index` | `[shape[0]]`, u32 | read, with [`scatter_rows`](Self::scatter_rows) |
/// | `quantized_output`, `quantized_scale` | [`Quantized`](crate::Quantized) | in place of `output`, if asked for |
/// | `mean`, `rstd` | the other axes | written, if [`save_stats`](Self::save_stats); rstd is `1 / sqrt(var + eps)` |
/// | `epilogue_a`, `epilogue_b` | their lengths, f32 | read, if the [`epilogue`](Self::epilogue) has buffers |
/// | `positions`, `rotary_table` | those of [`Rotary`](crate::Rotary) | read, with [`rotary`](Self::rotary) |
/// | `statistics` | `[3]` and the other axes, f32 | read, with [`given_statistics`](Self::given_statistics) |
///
/// `eps` is 1e-5 by default. With [`per_sample`](Self::per_sample), each index of the first axis has its own weight and
/// bias. With `zero_centered` too, this is the adaptive layer norm of diffusion transformers: `weight` is the scale and
/// `bias` the shift of a sample.
///
/// [after]: Self::residual_after
///
/// [`affine_axes`](Self::affine_axes) are the normalized axes by default. [Models](crate::guide::models) use these
/// options.
///
/// # Types
/// The storage type of each tensor is f32, f16 or bf16, see [`dtype`](Self::dtype). Statistics and arithmetic are f32:
/// corrected two-pass on shifted data, see [numerics](crate::guide::numerics).
///
/// # Rotary position embedding
/// With [`rotary`](Self::rotary) the op rotates pairs of elements of its result, as attention needs queries and keys:
/// [`Rotary`](crate::Rotary).
///
/// # In place
/// With [`in_place`](Self::in_place) the op writes the result over `input`. Otherwise input and output need different
/// buffers.
///
/// # Backward
/// [`backward`](Self::backward) makes the descriptor of the gradients: [`Backward`](crate::Backward).
///
/// # Statistics from elsewhere
/// [`statistics`](Self::statistics) computes the statistics alone. [`given_statistics`](Self::given_statistics) takes
/// them from a tensor. For rows that devices share, see [`Moments`](crate::Moments) and
/// [`Coefficients`](crate::Coefficients).
///
/// # Errors
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): `axes` empty, out of range or with an empty axis; `eps`
///   negative or not finite; an option without the option that it needs; `per_sample` with a normalized first axis;
///   strides by which elements share memory; given statistics of shorter rows, or with `save_stats`.
/// - [`Error::Unsupported`](crate::Error::Unsupported): `per_sample` with normalized axes that are neither the last nor
///   next to the first; strides that no kernel has, from `plan`.
/// - [`Error::InvalidArgument`](crate::Error::InvalidArgument): rows by an index where the normalized axes are not the
///   last ones behind another axis, of 0 rows, or in an op that writes other tensors than `output`.
/// - [`Error::Unsupported`](crate::Error::Unsupported): rows by an index that are so long that no team owns one, from
///   `plan`.
/// - [`Error::Limit`](crate::Error::Limit): more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Tensors};
///
/// // 2 rows of 4: normalize over axis 1.
/// let op = LayerNorm::new(&[2, 4], 1..).weight(false).bias(false);
/// let truth = op.reference(&Tensors::new(&[1., 2., 3., 4., 5., 5., 5., 5.]))?;
/// assert!((truth.output()[3] - 1.3416).abs() < 1e-4);
/// assert_eq!(truth.output()[4..], [0.; 4]);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device, with the sum of a residual that goes on:
/// ```
/// use wgpu_norm::{Bindings, LayerNorm, Planner};
///
#[doc = crate::example::noop!()]
/// # let [branch, x, sum, output] = [(); 4].map(|()| buffer(64 * 384));
/// # let [weight, bias] = [(); 2].map(|()| buffer(384));
/// let op = LayerNorm::new(&[64, 384], 1..).residual(true).residual_output(true);
/// let bindings = Bindings::new()
///     .input(&branch).residual(&x)            // [64, 384]
///     .weight(&weight).bias(&bias)            // [384]
///     .residual_output(&sum).output(&output); // [64, 384]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Ba, Kiros, Hinton, Layer Normalization, 2016 (arXiv 1607.06450). PyTorch: `torch.nn.LayerNorm`, `native_layer_norm`.
/// ONNX: `LayerNormalization` (17). Per sample: Peebles, Xie, Scalable Diffusion Models with Transformers, 2022 (arXiv
/// 2212.09748).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LayerNorm {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The normalized axes.
    pub axes: Range<usize>,
    /// The axes of weight and bias, which end with the normalized ones.
    pub affine_axes: Range<usize>,
    /// The elements of a whole row, if the caller gives the statistics.
    pub given: Option<usize>,
    /// The options that all ops share.
    pub options: Options,
}

impl LayerNorm {
    /// Layer norm of a tensor of this shape over these axes: `LayerNorm::new(&[64, 384], 1..)`.
    #[must_use]
    pub fn new(shape: &[usize], axes: impl RangeBounds<usize>) -> Self {
        let axes = resolve(axes, shape.len());
        Self {
            shape: shape.to_vec(),
            affine_axes: axes.clone(),
            axes,
            given: None,
            options: Options::new(1e-5, true, true),
        }
    }

    fn over_axes(&self) -> OverAxes<'_> {
        let Self { shape, axes, affine_axes, given, options } = self;
        OverAxes { shape, axes, affine_axes, given: *given, options }
    }
}

setters!(LayerNorm:
    backward statistics eps weight zero_centered bias affine_axes per_sample save_stats residual after input_bias gate
    quantized activation epilogue rotary in_place dtype affine_dtype strides index);

impl LayerNorm {
    fn definition(&self) -> Result<Definition> {
        self.over_axes().definition(Scale::Variance)
    }
}

impl Norm for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        "layer_norm_backward"
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        Ok(Operation::Forward(self.definition()?, self.options.clone()))
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        self.over_axes().place(index)
    }
}
