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

/// Root-mean-square normalization over adjacent axes of a tensor: layer norm without the mean and the bias.
///
/// ```text
/// output = input / sqrt(mean(input^2) + eps) * weight
/// ```
///
/// with the mean square of the elements that share an index in the other axes.
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
/// | `bias` | as `weight` | read, if [`bias`](Self::bias): the shift of an adaptive norm |
/// | `residual` | `shape` | read and added, if [`residual`](Self::residual): to `input`, or [after] the norm |
/// | `input_bias` | `shape[axes]` | read and added, if [`input_bias`](Self::input_bias) |
/// | `gate` | `shape` | read, if there is a [`gate`](Self::gate) |
/// | `residual_output` | `shape` | written, if [`residual_output`](Self::residual_output): the sum |
/// | `output` | `shape` | written |
/// | `next_weight`, `next_output` | as `weight`, `shape` | read and written, with [`next_norm`](Self::next_norm) |
/// | `input_index` | `[shape[0]]`, u32 | read, with [`gather_rows`](Self::gather_rows) |
/// | `output_index` | `[shape[0]]`, u32 | read, with [`scatter_rows`](Self::scatter_rows) |
/// | `quantized_output`, `quantized_scale` | [`Quantized`](crate::Quantized) | in place of `output`, if asked for |
/// | `rstd` | the other axes | written, if [`save_stats`](Self::save_stats): `1 / sqrt(mean(input^2) + eps)` |
/// | `epilogue_a`, `epilogue_b` | their lengths, f32 | read, if the [`epilogue`](Self::epilogue) has buffers |
/// | `positions`, `rotary_table` | those of [`Rotary`](crate::Rotary) | read, with [`rotary`](Self::rotary) |
/// | `statistics` | `[3]` and the other axes, f32 | read, with [`given_statistics`](Self::given_statistics) |
///
/// `eps` is `f32::EPSILON` by default, as in PyTorch. There is no bias by default. With
/// [`per_sample`](Self::per_sample), each index of the first axis has its own weight and bias.
///
/// [after]: Self::residual_after
///
/// [`affine_axes`](Self::affine_axes) are the normalized axes by default. [Models](crate::guide::models) use these
/// options.
///
/// # Types
/// The storage type of each tensor is f32, f16 or bf16, see [`dtype`](Self::dtype). Statistics and arithmetic are f32,
/// see [numerics](crate::guide::numerics).
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
/// use wgpu_norm::{Norm, RmsNorm, Tensors};
///
/// // 1 row of 2: normalize over axis 1. The mean square is 12.5.
/// let op = RmsNorm::new(&[1, 2], 1..).weight(false);
/// let truth = op.reference(&Tensors::new(&[3., 4.]))?;
/// assert!((truth.output()[0] - 3. / 12.5_f64.sqrt()).abs() < 1e-6);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device, in bf16 with a weight in f32:
/// ```
/// use wgpu_norm::{Bindings, DType, Planner, RmsNorm};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(64 * 4096 / 2));
/// # let weight = buffer(4096);
/// let op = RmsNorm::new(&[64, 4096], 1..).eps(1e-6).dtype(DType::BF16).affine_dtype(DType::F32);
/// let bindings = Bindings::new()
///     .input(&input).output(&output) // [64, 4096], bf16
///     .weight(&weight);              // [4096], f32
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Zhang, Sennrich, Root Mean Square Layer Normalization, 2019 (arXiv 1910.07467). PyTorch: `torch.nn.RMSNorm`.
/// ONNX: `RMSNormalization` (23).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RmsNorm {
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

impl RmsNorm {
    /// RMS norm of a tensor of this shape over these axes: `RmsNorm::new(&[64, 384], 1..)`.
    #[must_use]
    pub fn new(shape: &[usize], axes: impl RangeBounds<usize>) -> Self {
        let axes = resolve(axes, shape.len());
        Self {
            shape: shape.to_vec(),
            affine_axes: axes.clone(),
            axes,
            given: None,
            options: Options::new(f32::EPSILON, true, false),
        }
    }

    fn over_axes(&self) -> OverAxes<'_> {
        let Self { shape, axes, affine_axes, given, options } = self;
        OverAxes { shape, axes, affine_axes, given: *given, options }
    }
}

setters!(RmsNorm:
    backward statistics eps weight zero_centered bias affine_axes per_sample save_stats residual after input_bias gate
    next_norm quantized activation epilogue rotary in_place dtype affine_dtype strides index);

impl RmsNorm {
    fn definition(&self) -> Result<Definition> {
        self.over_axes().definition(Scale::MeanSquare)
    }
}

impl Norm for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        "rms_norm_backward"
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
