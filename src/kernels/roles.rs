//! The roles that several kernels share: the values to normalize, the affine map, the gradients, and the tables of
//! statistics and weights. Each role lists its buffers and its part of a shader.

use super::flag;
use crate::{
    layout::{TableAccess, VectorLayout},
    tensor::{Access, DType, Slot},
    types::{Activation, Scale, Team},
    wgsl::{
        Part, part,
        storage::{Buffer, Element, Storage},
    },
};

/// The storage buffers of a kernel under construction.
pub(crate) struct Buffers {
    layout: VectorLayout,
    list: Vec<Storage>,
}

impl Buffers {
    pub fn new(layout: VectorLayout) -> Self {
        Self { layout, list: Vec::new() }
    }

    pub fn list(self) -> Vec<Storage> {
        self.list
    }

    fn floats(&mut self, buffer: Buffer, access: Access, element: Element) {
        self.list.push(Storage { buffer, access, element });
    }

    /// A tensor with one element for each element of the input.
    pub fn tensor(&mut self, slot: Slot, access: Access, dtype: Option<DType>) {
        if let Some(dtype) = dtype {
            self.floats(Buffer::Tensor(slot), access, Element::Floats(dtype, self.layout));
        }
    }

    /// A table that packs look up.
    pub fn table(&mut self, buffer: Buffer, access: Access, dtype: Option<DType>, by: TableAccess) {
        let Some(dtype) = dtype else { return };
        let element = match (by, self.layout) {
            (TableAccess::Gather, _) => Element::Gather(dtype),
            (TableAccess::Element, VectorLayout::Vec4x2) => Element::Floats(dtype, VectorLayout::Vec4),
            // A pack of a perpendicular layout has one position of its rows.
            (TableAccess::Element, VectorLayout::Perpendicular) | (TableAccess::Row | TableAccess::Run, _) => {
                Element::Floats(dtype, VectorLayout::Scalar)
            }
            (TableAccess::Element, layout) => Element::Floats(dtype, layout),
        };
        self.floats(buffer, access, element);
    }

    /// A buffer whose element type the shaders define.
    pub fn raw(&mut self, buffer: Buffer, access: Access, ty: &'static str) {
        self.list.push(Storage { buffer, access, element: Element::Raw(ty) });
    }

    /// Tensors of f32, one element at a time.
    pub fn values(&mut self, slots: &[Slot], access: Access) {
        for &slot in slots {
            self.table(Buffer::Tensor(slot), access, Some(DType::F32), TableAccess::Row);
        }
    }
}

/// The values to normalize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum X {
    /// No values: nothing depends on them.
    None,
    Input(DType),
    /// The sum of input and residual.
    Residual(DType, DType),
    /// The sum that the forward pass wrote.
    Sum(DType),
}

impl X {
    pub fn bind(self, buffers: &mut Buffers, in_place: bool) {
        match self {
            Self::None => {}
            Self::Input(input) | Self::Residual(input, _) => {
                let access = if in_place { Access::ReadWrite } else { Access::Read };
                buffers.tensor(Slot::Input, access, Some(input));
            }
            Self::Sum(dtype) => buffers.tensor(Slot::ResidualOutput, Access::Read, Some(dtype)),
        }
        if let Self::Residual(_, residual) = self {
            buffers.tensor(Slot::Residual, Access::Read, Some(residual));
        }
    }

    pub fn part(self) -> Part {
        match self {
            Self::None => part!("parts/x/none"),
            Self::Input(_) => part!("parts/x/input"),
            Self::Residual(..) => part!("parts/x/residual"),
            Self::Sum(_) => part!("parts/x/sum"),
        }
    }

    /// Whether the values have the few digits of half precision. A sum of input and residual has more.
    pub fn is_half_precision(self) -> bool {
        matches!(self, Self::Input(DType::F16 | DType::BF16) | Self::Sum(DType::F16 | DType::BF16))
    }
}

/// The affine map, the residual and the activation after the normalization, with the types of their tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Affine {
    pub weight: Option<DType>,
    pub bias: Option<DType>,
    /// The residual after weight and bias.
    pub after: Option<DType>,
    pub activation: Activation,
}

impl Affine {
    pub const NONE: Self = Self { weight: None, bias: None, after: None, activation: Activation::None };

    fn bind(self, buffers: &mut Buffers, by: TableAccess) {
        buffers.table(Buffer::Tensor(Slot::Weight), Access::Read, self.weight, by);
        buffers.table(Buffer::Tensor(Slot::Bias), Access::Read, self.bias, by);
        buffers.tensor(Slot::Residual, Access::Read, self.after);
    }

    fn parts(self) -> Vec<Part> {
        let mut parts = vec![
            weight(self.weight.is_some()),
            if self.bias.is_some() { part!("parts/bias/table") } else { part!("parts/bias/none") },
            part!("parts/affine"),
            if self.after.is_some() { part!("parts/after/residual") } else { part!("parts/after/none") },
        ];
        if !matches!(self.activation, Activation::None | Activation::Relu) {
            parts.push(part!("parts/exponential"));
        }
        parts.push(match self.activation {
            Activation::None => part!("parts/activation/none"),
            Activation::Relu => part!("parts/activation/relu"),
            Activation::Gelu => part!("parts/activation/gelu"),
            Activation::GeluTanh => part!("parts/activation/gelu_tanh"),
            Activation::Silu => part!("parts/activation/silu"),
            Activation::Sigmoid => part!("parts/activation/sigmoid"),
            Activation::Tanh => part!("parts/activation/tanh"),
        });
        parts
    }
}

/// The forward pass of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Forward {
    pub x: X,
    pub affine: Affine,
    /// The sum of input and residual.
    pub sum: Option<DType>,
    /// The type of the output; `None` in place.
    pub output: Option<DType>,
}

impl Forward {
    pub fn bind(self, buffers: &mut Buffers, by: TableAccess) {
        self.x.bind(buffers, self.output.is_none());
        self.affine.bind(buffers, by);
        buffers.tensor(Slot::ResidualOutput, Access::Write, self.sum);
        buffers.tensor(Slot::Output, Access::Write, self.output);
    }

    pub fn parts(self) -> Vec<Part> {
        let mut parts = vec![self.x.part()];
        parts.extend(self.affine.parts());
        parts.push(if self.sum.is_some() { part!("parts/sum/residual_output") } else { part!("parts/sum/none") });
        parts.push(if self.output.is_some() { part!("parts/result/output") } else { part!("parts/result/in_place") });
        parts
    }
}

/// The gradient of the normalized values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gradient {
    pub x: X,
    pub affine: Affine,
    pub grad_output: DType,
}

impl Gradient {
    pub fn bind(self, buffers: &mut Buffers, by: TableAccess) {
        self.x.bind(buffers, false);
        self.affine.bind(buffers, by);
        buffers.tensor(Slot::GradOutput, Access::Read, Some(self.grad_output));
    }

    pub fn parts(self) -> Vec<Part> {
        let mut parts = vec![self.x.part()];
        parts.extend(self.affine.parts());
        let plain = self.affine.activation == Activation::None;
        parts.push(if plain { part!("parts/gradient/plain") } else { part!("parts/gradient/activated") });
        parts
    }
}

/// The gradient of the input, as the kernel writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GradInput {
    pub dtype: DType,
    /// The gradient of the sum of input and residual, which the kernel adds.
    pub grad_sum: Option<DType>,
}

impl GradInput {
    pub fn bind(self, buffers: &mut Buffers) {
        buffers.tensor(Slot::GradResidualOutput, Access::Read, self.grad_sum);
        buffers.tensor(Slot::GradInput, Access::Write, Some(self.dtype));
    }

    pub fn part(grad_input: Option<Self>) -> Part {
        match grad_input.map(|grad| grad.grad_sum.is_some()) {
            None => part!("parts/grad_input/none"),
            Some(false) => part!("parts/grad_input/write"),
            Some(true) => part!("parts/grad_input/sum"),
        }
    }
}

/// The statistics that the op writes for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Saved {
    None,
    Rstd,
    MeanRstd,
}

impl Saved {
    pub fn bind(self, buffers: &mut Buffers) {
        match self {
            Self::None => {}
            Self::Rstd => buffers.values(&[Slot::Rstd], Access::Write),
            Self::MeanRstd => buffers.values(&[Slot::Mean, Slot::Rstd], Access::Write),
        }
    }

    pub fn part(self) -> Part {
        match self {
            Self::None => part!("parts/saved/none"),
            Self::Rstd => part!("parts/saved/rstd"),
            Self::MeanRstd => part!("parts/saved/mean_rstd"),
        }
    }
}

/// The source of statistics that a kernel does not compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Given {
    /// Nothing depends on them.
    None,
    /// An earlier pass of this op.
    Batch,
    /// The same, for norms.
    Norms,
    /// The forward pass, through the tensor `statistics`.
    Saved,
    Running,
}

/// The tables of a kernel that looks up statistics and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lookups {
    pub given: Given,
    pub stats: TableAccess,
    pub affine: TableAccess,
    /// Whether a lane uses one statistic for its whole walk.
    pub stats_fixed: bool,
    /// The same for weight and bias.
    pub affine_fixed: bool,
}

impl Lookups {
    /// Binds the statistics. wgpu does not allow a dispatch to read and to write one buffer through different bindings,
    /// and scratch regions share a buffer. So `access` is `ReadWrite` if the kernel writes another scratch region.
    pub fn bind_statistics(self, buffers: &mut Buffers, access: Access) {
        let mut table = |slot, access| buffers.table(Buffer::Tensor(slot), access, Some(DType::F32), self.stats);
        match self.given {
            Given::None => {}
            Given::Batch | Given::Norms => table(Slot::Statistics, access),
            Given::Saved => table(Slot::Statistics, Access::Read),
            Given::Running => {
                table(Slot::RunningMean, Access::Read);
                table(Slot::RunningVar, Access::Read);
            }
        }
    }

    pub fn statistics(self) -> Part {
        match self.given {
            Given::None => part!("parts/statistics/none"),
            Given::Batch | Given::Saved => part!("parts/statistics/batch"),
            Given::Norms => part!("parts/statistics/norms"),
            Given::Running => part!("parts/statistics/running"),
        }
    }

    pub fn constants(self, layout: VectorLayout) -> Vec<String> {
        let mut lines = table("Stat", self.stats, layout);
        lines.extend(table("Param", self.affine, layout));
        lines.extend([flag("STATS_FIXED", self.stats_fixed), flag("PARAMS_FIXED", self.affine_fixed)]);
        lines
    }
}

/// The WGSL type of a table's value for a pack, and the table's index for a column.
pub(crate) fn table(name: &str, by: TableAccess, layout: VectorLayout) -> Vec<String> {
    let lower = name.to_lowercase();
    let (ty, index) = match by {
        TableAccess::Row => ("u32", "0u".into()),
        TableAccess::Element => ("u32", "number_of(column)".into()),
        TableAccess::Run => ("u32", format!("number_of(column) / params.{lower}_run")),
        TableAccess::Gather => ("vec4<u32>", format!("indices_of(column) / params.{lower}_run")),
    };
    let is_element = by == TableAccess::Element && layout != VectorLayout::Perpendicular;
    let value = if by == TableAccess::Gather || is_element { "Pack" } else { "f32" };
    vec![
        format!("alias {name} = {value};"),
        format!("alias {name}At = {ty};"),
        format!("fn {lower}_column(column: At) -> {name}At {{ return {index}; }}"),
    ]
}

/// The gradients of weight and bias, as the kernel writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AffineGradients {
    pub weight: bool,
    pub bias: bool,
    pub accumulate: bool,
    pub dtype: DType,
}

impl AffineGradients {
    pub const NONE: Self = Self { weight: false, bias: false, accumulate: false, dtype: DType::F32 };

    pub fn bind(self, buffers: &mut Buffers) {
        let access = if self.accumulate { Access::ReadWrite } else { Access::Write };
        buffers.tensor(Slot::GradWeight, access, self.weight.then_some(self.dtype));
        buffers.tensor(Slot::GradBias, access, self.bias.then_some(self.dtype));
    }

    pub fn parts(self) -> [Part; 2] {
        [
            match (self.weight, self.accumulate) {
                (false, _) => part!("parts/grad_weight/none"),
                (true, false) => part!("parts/grad_weight/write"),
                (true, true) => part!("parts/grad_weight/add"),
            },
            match (self.bias, self.accumulate) {
                (false, _) => part!("parts/grad_bias/none"),
                (true, false) => part!("parts/grad_bias/write"),
                (true, true) => part!("parts/grad_bias/add"),
            },
        ]
    }
}

/// The part that reads the weight.
pub(crate) fn weight(on: bool) -> Part {
    if on { part!("parts/weight/table") } else { part!("parts/weight/none") }
}

/// The parts that define a pack and its position in the row.
pub(crate) fn pack(layout: VectorLayout) -> Vec<Part> {
    let (single, four, lane) = (part!("parts/pack/x1"), part!("parts/pack/x4"), part!("parts/at/lane"));
    match layout {
        VectorLayout::Scalar => vec![single, part!("parts/at/whole"), lane],
        VectorLayout::Vec4 => vec![four, part!("parts/at/whole"), part!("parts/at/gathered"), lane],
        VectorLayout::HalfUnaligned => vec![four, part!("parts/at/half_unaligned")],
        VectorLayout::Vec4x2 => vec![four, part!("parts/at/pairs")],
        VectorLayout::Perpendicular => vec![four, part!("parts/at/across")],
    }
}

/// The part for sums of packs as hi and lo.
pub(crate) fn real(layout: VectorLayout) -> Part {
    if layout == VectorLayout::Scalar { part!("parts/real/x1") } else { part!("parts/real/x4") }
}

pub(crate) fn team(team: Team) -> Part {
    match team {
        Team::Lane => part!("parts/team/lane"),
        Team::Cluster => part!("parts/team/cluster"),
        Team::Subgroup => part!("parts/team/subgroup"),
        Team::Workgroup => part!("parts/team/workgroup"),
        Team::WorkgroupSubgroups => part!("parts/team/workgroup_subgroups"),
    }
}

/// The parts that turn sums into the scale, and that set the powers of two of the sums.
pub(crate) fn scale(scale: Scale) -> [Part; 2] {
    [
        match scale {
            Scale::Variance => part!("parts/scale/variance"),
            Scale::MeanSquare => part!("parts/scale/mean_square"),
            Scale::L2 => part!("parts/scale/l2"),
            Scale::L1 => part!("parts/scale/l1"),
        },
        if scale.is_norm() { part!("parts/scales/norm") } else { part!("parts/scales/one") },
    ]
}

/// The part for the terms of the sums: squares or magnitudes.
pub(crate) fn measure(magnitudes: bool) -> Part {
    if magnitudes { part!("parts/measure/magnitude") } else { part!("parts/measure/square") }
}

/// The part for a merge by one lane, or by the lanes of a workgroup that share a group.
pub(crate) fn merging(by_workgroup: bool) -> Part {
    if by_workgroup { part!("parts/merging/workgroup") } else { part!("parts/merging/lane") }
}
