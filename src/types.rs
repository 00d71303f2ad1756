//! Types that all modules share: team, method, strategy, scale, activation.

use std::fmt;

use crate::tensor::MAX_ELEMENTS;

/// The invocations that reduce together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Team {
    /// One invocation, which reduces alone.
    Lane,
    /// Four lanes of a subgroup, without a barrier: for short resident rows.
    Cluster,
    /// One subgroup, without a barrier. Where the size of subgroups varies, a part of one: as many lanes as the
    /// smallest has.
    Subgroup,
    /// One workgroup, through workgroup memory. It needs no feature of the device.
    Workgroup,
    /// One workgroup, with subgroup operations first and then workgroup memory.
    WorkgroupSubgroups,
}

impl Team {
    pub(crate) fn uses_subgroups(self) -> bool {
        matches!(self, Self::Cluster | Self::Subgroup | Self::WorkgroupSubgroups)
    }
}

/// The method that computes an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// A team reads each row once and holds it in registers: one dispatch.
    Resident(Team),
    /// A team reads each row for the sums, and again for the result: one dispatch. A lane may instead stream four
    /// adjacent columns.
    Streamed(Team),
    /// Several teams share a row or channel and write partial statistics. A pass merges these, and a second read of the
    /// input applies them.
    Split(Team),
    /// As split, for statistics over the first axis of a matrix: a lane owns adjacent columns.
    Columns,
    /// The op has given statistics, or none: one pass.
    Elementwise,
}

impl Method {
    /// Every method.
    pub const ALL: &'static [Self] = &[
        Self::Resident(Team::Lane),
        Self::Resident(Team::Cluster),
        Self::Resident(Team::Subgroup),
        Self::Resident(Team::Workgroup),
        Self::Resident(Team::WorkgroupSubgroups),
        Self::Streamed(Team::Lane),
        Self::Streamed(Team::Subgroup),
        Self::Streamed(Team::Workgroup),
        Self::Streamed(Team::WorkgroupSubgroups),
        Self::Split(Team::Lane),
        Self::Split(Team::Subgroup),
        Self::Split(Team::Workgroup),
        Self::Split(Team::WorkgroupSubgroups),
        Self::Columns,
        Self::Elementwise,
    ];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, team) = match self {
            Self::Resident(team) => ("resident", Some(team)),
            Self::Streamed(team) => ("streamed", Some(team)),
            Self::Split(team) => ("split", Some(team)),
            Self::Columns => ("columns", None),
            Self::Elementwise => ("elementwise", None),
        };
        f.write_str(name)?;
        f.write_str(match team {
            None => "",
            Some(Team::Lane) => "/lane",
            Some(Team::Cluster) => "/cluster",
            Some(Team::Subgroup) => "/subgroup",
            Some(Team::Workgroup) => "/workgroup",
            Some(Team::WorkgroupSubgroups) => "/workgroup+subgroups",
        })
    }
}

/// The choice of the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// This crate chooses, from the device and the shape.
    #[default]
    Inferred,
    /// The caller chooses. A method that can't compute the op is an error.
    Forced(Method),
}

/// The scale of a normalization: the factor that the statistics give for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// `1 / sqrt(var + eps)`, with the mean subtracted.
    Variance,
    /// `1 / sqrt(mean square + eps)`.
    MeanSquare,
    /// `1 / max(L2 norm, eps)`.
    L2,
    /// `1 / max(L1 norm, eps)`.
    L1,
}

impl Scale {
    /// Whether the scale is that of an L1 or L2 norm, which has no mean, and no eps inside a root.
    pub(crate) fn is_norm(self) -> bool {
        match self {
            Self::Variance | Self::MeanSquare => false,
            Self::L1 | Self::L2 => true,
        }
    }
}

/// A function of each element `u`, after weight, bias and batch norm's residual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// `u`
    #[default]
    None,
    /// `max(u, 0)`; its derivative at 0 is 0, as in PyTorch.
    Relu,
    /// `u * Phi(u)` with the normal distribution function Phi: PyTorch's `gelu`.
    Gelu,
    /// `u / 2 * (1 + tanh(sqrt(2 / pi) * (u + 0.044715 u^3)))`: PyTorch's `gelu(approximate='tanh')`.
    GeluTanh,
    /// `u * sigmoid(u)`, also called swish.
    Silu,
    /// `1 / (1 + exp(-u))`
    Sigmoid,
    /// `tanh(u)`
    Tanh,
    /// `u * sigmoid(1.702 u)`, an approximation of gelu.
    QuickGelu,
    /// `u`, and `0.01 u` where `u < 0`: PyTorch's `leaky_relu`; its derivative at 0 is 0.01.
    LeakyRelu,
    /// `min(max(u, 0), 6)`; its derivative at 0 and 6 is 0, as in PyTorch.
    Relu6,
    /// `u * relu6(u + 3) / 6`: PyTorch's `hardswish`; its derivative is 0 at -3 and 1 at 3.
    HardSwish,
    /// `log(1 + exp(u))`, and `u` above 20: PyTorch's `softplus`.
    Softplus,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Relu,
        Self::Gelu,
        Self::GeluTanh,
        Self::Silu,
        Self::Sigmoid,
        Self::Tanh,
        Self::QuickGelu,
        Self::LeakyRelu,
        Self::Relu6,
        Self::HardSwish,
        Self::Softplus,
    ];

    /// The name, as in PyTorch; `gelu_tanh` and `quick_gelu` for gelu's approximations, `hard_swish` for `hardswish`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::QuickGelu => "quick_gelu",
            Self::LeakyRelu => "leaky_relu",
            Self::Relu6 => "relu6",
            Self::HardSwish => "hard_swish",
            Self::Softplus => "softplus",
        }
    }
}

/// A quantized output: int8, with a scale for each row or for each block of neighbours in a row.
///
/// ```text
/// peak             = max(|u|) of a row or block             u: the output in f32, after all other options
/// quantized_scale  = peak / 127
/// quantized_output = round(u / quantized_scale)             to nearest, ties to even: -127 to 127
/// ```
///
/// The op has these two tensors and no `output`:
///
/// | slot | shape | |
/// |---|---|---|
/// | `quantized_output` | the other axes, then `[ceil(len / 4)]` | u32, four elements a word |
/// | `quantized_scale` | the other axes; with blocks, then `[ceil(len / block)]` | f32 |
///
/// with `len` as the number of normalized elements. Element i of a word has the bits 8i to 8i + 7, in two's complement:
/// the order of WGSL's `dot4I8Packed`. Each row begins at a word, with zeros behind its last element. The last block of
/// a row may be shorter.
///
/// A block of zeros has the scale 0, and zeros. So has a block whose scale would be below the normal numbers of f32. If
/// a block has a NaN or an infinity, so is its scale, and its elements are undefined.
///
/// ```
/// use wgpu_norm::{Norm, Quantized, RmsNorm, Tensors};
///
/// // The mean square is 12.5: the output is 3 and 4, over its root.
/// let op = RmsNorm::new(&[1, 2], 1..).weight(false).quantized(Quantized::rows());
/// let truth = op.reference(&Tensors::new(&[3., 4.]))?;
/// assert!((truth.quantized_scale()[0] - 4. / 12.5_f64.sqrt() / 127.).abs() < 1e-6);
/// // 3 / 4 of 127 is 95.25. A word has four elements, and this row two.
/// assert_eq!(truth.quantized_output(), [95., 127., 0., 0.]);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Quantized {
    /// Neighbours that share a scale; `None`: whole rows.
    pub block: Option<usize>,
}

impl Quantized {
    /// The lengths of blocks.
    pub const BLOCKS: [usize; 2] = [32, 128];

    /// A scale for each row.
    #[must_use]
    pub const fn rows() -> Self {
        Self { block: None }
    }

    /// A scale for each block of so many neighbours: 32 or 128.
    #[must_use]
    pub const fn blocks(len: usize) -> Self {
        Self { block: Some(len) }
    }

    /// Elements of a block. A row has no more than this many.
    pub(crate) fn block(self) -> usize {
        self.block.unwrap_or(MAX_ELEMENTS as usize)
    }
}

/// A gate: a tensor of the input's shape, of which a function is a factor.
///
/// A factor of the input comes before a residual is added to it, one of the normalized tensor after weight and bias,
/// and before a residual there. With [`strides`](crate::RmsNorm::strides) of 0, all rows of a sample share a gate: the
/// modulation of diffusion transformers, a scale for each channel, or a constant.
///
/// ```
/// use wgpu_norm::{Gate, GateFunction, Norm, RmsNorm, Tensors};
///
/// // A row of 2, whose mean square is 12.5. Gated attention normalizes first, and its gates are 0 here.
/// let op = RmsNorm::new(&[1, 2], 1..).weight(false).gate(Gate::after(GateFunction::Sigmoid));
/// let truth = op.reference(&Tensors::new(&[3., 4.]).gate(&[0., 0.]))?;
/// assert!((truth.output()[0] - 0.5 * 3. / 12.5_f64.sqrt()).abs() < 1e-6);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Gate {
    /// The function of the gate.
    pub function: GateFunction,
    /// Whether the factor is one of the input, not of the normalized tensor.
    pub before: bool,
}

impl Gate {
    /// A factor of the input: `norm(input * f(gate) + residual)`.
    #[must_use]
    pub const fn before(function: GateFunction) -> Self {
        Self { function, before: true }
    }

    /// A factor of the normalized tensor: `(norm(input) * weight + bias) * f(gate) + residual`.
    #[must_use]
    pub const fn after(function: GateFunction) -> Self {
        Self { function, before: false }
    }
}

/// The function f of a [`Gate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GateFunction {
    /// `gate`
    Identity,
    /// `1 + gate`
    OnePlus,
    /// `gate * sigmoid(gate)`
    Silu,
    /// `1 / (1 + exp(-gate))`
    Sigmoid,
    /// `tanh(gate)`
    Tanh,
}

impl GateFunction {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Identity, Self::OnePlus, Self::Silu, Self::Sigmoid, Self::Tanh];
}
