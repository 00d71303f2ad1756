//! The roles that several kernels share: the values to normalize, the affine map, the gradients, and the tables of
//! statistics and weights. Each role lists its buffers and its variants.

use super::flag;
use crate::{
    epilogue::{SLOTS, Text},
    layout::{TableAccess, VectorLayout},
    rotary::Pairs,
    slot::Slot,
    tensor::{Access, DType, MAX_ELEMENTS},
    types::{Activation, GateFunction, Scale, Team},
    wgsl::{
        Variant,
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

    fn push(&mut self, buffer: Buffer, access: Access, element: Element) {
        // Several roles may read a tensor.
        if !self.list.iter().any(|storage| storage.buffer == buffer) {
            self.list.push(Storage { buffer, access, element });
        }
    }

    /// A tensor with one element for each element of the input.
    pub fn tensor(&mut self, slot: Slot, access: Access, dtype: Option<DType>) {
        if let Some(dtype) = dtype {
            self.push(Buffer::Tensor(slot), access, Element::Floats(dtype, self.layout));
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
        self.push(buffer, access, element);
    }

    /// A tensor that is neither elementwise nor a table.
    pub fn other(&mut self, slot: Slot, access: Access, element: Element) {
        self.push(Buffer::Tensor(slot), access, element);
    }

    /// Scratch whose element type the shaders define.
    pub fn raw(&mut self, buffer: Buffer, access: Access, ty: &'static str) {
        self.push(buffer, access, Element::Raw(ty));
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
    /// The sum of input and residual, to which a bias may be added.
    Residual {
        input: DType,
        residual: DType,
        bias: Option<DType>,
    },
    /// The input times the factor of its gate, to which a residual may be added.
    Gated(DType, GateFactor, Option<DType>),
    /// The sum that the forward pass wrote.
    Sum(DType),
}

impl X {
    /// `in_place`: the kernel writes over the input. `sum_in_place`: it writes over the residual.
    pub fn bind(self, buffers: &mut Buffers, in_place: bool, sum_in_place: bool) {
        let access = |in_place| if in_place { Access::ReadWrite } else { Access::Read };
        match self {
            Self::None => {}
            Self::Input(input) | Self::Residual { input, .. } | Self::Gated(input, ..) => {
                buffers.tensor(Slot::Input, access(in_place), Some(input));
            }
            Self::Sum(dtype) => buffers.tensor(Slot::ResidualOutput, Access::Read, Some(dtype)),
        }
        match self {
            Self::Residual { residual, bias, .. } => {
                buffers.tensor(Slot::Residual, access(sum_in_place), Some(residual));
                buffers.tensor(Slot::InputBias, Access::Read, bias);
            }
            Self::Gated(_, gate, residual) => {
                gate.bind(buffers);
                buffers.tensor(Slot::Residual, access(sum_in_place), residual);
            }
            Self::None | Self::Input(_) | Self::Sum(_) => {}
        }
    }

    pub fn variants(self) -> Vec<Variant> {
        match self {
            Self::None => vec!["no_x"],
            Self::Input(_) => vec!["x_of_input"],
            Self::Residual { bias: None, .. } => vec!["x_of_residual"],
            Self::Residual { bias: Some(_), .. } => vec!["x_of_residual_and_bias"],
            Self::Gated(_, gate, None) => vec!["x_of_gated", gate.variant()],
            Self::Gated(_, gate, Some(_)) => vec!["x_of_gated_and_residual", gate.variant()],
            Self::Sum(_) => vec!["x_of_sum"],
        }
    }

    fn input(self) -> Option<DType> {
        match self {
            Self::None | Self::Sum(_) => None,
            Self::Input(input) | Self::Residual { input, .. } | Self::Gated(input, ..) => Some(input),
        }
    }

    fn residual(self) -> Option<DType> {
        match self {
            Self::None | Self::Input(_) | Self::Sum(_) => None,
            Self::Residual { residual, .. } => Some(residual),
            Self::Gated(_, _, residual) => residual,
        }
    }

    /// Whether the values have the few digits of half precision. A sum of input and residual has more.
    pub fn is_half_precision(self) -> bool {
        matches!(self, Self::Input(DType::F16 | DType::BF16) | Self::Sum(DType::F16 | DType::BF16))
    }
}

/// The factor that a gate gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GateFactor {
    pub dtype: DType,
    pub function: GateFunction,
}

impl GateFactor {
    fn bind(self, buffers: &mut Buffers) {
        buffers.tensor(Slot::Gate, Access::Read, Some(self.dtype));
    }

    fn variant(self) -> Variant {
        match self.function {
            GateFunction::Identity => "gate_identity",
            GateFunction::OnePlus => "gate_one_plus",
            GateFunction::Silu => "gate_silu",
            GateFunction::Sigmoid => "gate_sigmoid",
            GateFunction::Tanh => "gate_tanh",
        }
    }
}

/// What follows weight and bias: first the factor of a gate, then the residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct After {
    pub gate: Option<GateFactor>,
    pub residual: Option<DType>,
}

impl After {
    pub const NONE: Self = Self { gate: None, residual: None };

    fn variants(self) -> Vec<Variant> {
        match (self.gate, self.residual) {
            (None, None) => vec!["no_after"],
            (None, Some(_)) => vec!["residual_after"],
            (Some(gate), None) => vec!["gate_after", gate.variant()],
            (Some(gate), Some(_)) => vec!["gate_and_residual_after", gate.variant()],
        }
    }
}

/// The affine map, what follows it, and the activation after the normalization, with the types of their tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Affine {
    pub weight: Option<DType>,
    pub bias: Option<DType>,
    pub after: After,
    pub activation: Activation,
}

impl Affine {
    pub const NONE: Self = Self { weight: None, bias: None, after: After::NONE, activation: Activation::None };

    /// Whether it multiplies by the weight and by nothing that may be large, and adds nothing.
    pub fn is_product(self) -> bool {
        let is_small = |gate: GateFactor| matches!(gate.function, GateFunction::Sigmoid | GateFunction::Tanh);
        let After { gate, residual } = self.after;
        self.bias.is_none() && residual.is_none() && gate.is_none_or(is_small) && self.activation == Activation::None
    }

    /// `over_residual`: the kernel writes over the residual.
    fn bind(self, buffers: &mut Buffers, by: TableAccess, over_residual: bool) {
        buffers.table(Buffer::Tensor(Slot::Weight), Access::Read, self.weight, by);
        buffers.table(Buffer::Tensor(Slot::Bias), Access::Read, self.bias, by);
        let access = if over_residual { Access::ReadWrite } else { Access::Read };
        buffers.tensor(Slot::Residual, access, self.after.residual);
        if let Some(gate) = self.after.gate {
            gate.bind(buffers);
        }
    }

    fn variants(self) -> Vec<Variant> {
        let activation = if self.activation == Activation::None { "identity" } else { self.activation.name() };
        let mut variants =
            vec![weight(self.weight.is_some()), if self.bias.is_some() { "bias" } else { "no_bias" }, activation];
        variants.extend(self.after.variants());
        variants
    }
}

/// The sum of input and residual, as the kernel writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sum {
    None,
    Output(DType),
    /// Over the residual.
    InPlace,
}

/// The result of a forward pass, as the kernel writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Output {
    Tensor(DType),
    /// Over the input.
    InPlace,
    /// Over the residual behind the norm.
    OverResidual,
    Quantized(Quantized),
    /// Only statistics or the sum of input and residual are asked for.
    None,
}

/// int8 of resident or streamed rows. Where fewer packs of a lane or lanes of a team are in a row, all share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quantized {
    /// Elements that share a scale.
    pub block: u32,
    /// Packs of a lane that do.
    pub packs: u32,
    /// Neighbouring lanes that do; `Quantized::TEAM`: all of a team.
    pub lanes: u32,
    /// Packs that a team streams at once: whole blocks.
    pub step: u32,
    /// Whether a lane has four neighbouring packs, and stores their words together.
    pub fours: bool,
}

impl Quantized {
    /// More lanes than a team has.
    pub const TEAM: u32 = 1 << 31;
    /// The block of a scale for each row.
    pub const ROW: u32 = MAX_ELEMENTS as u32;

    fn bind(self, buffers: &mut Buffers) {
        let element = match buffers.layout {
            VectorLayout::Scalar => Element::Bytes,
            _ if self.fours => Element::FourWords,
            _ => Element::Word,
        };
        buffers.other(Slot::QuantizedOutput, Access::Write, element);
        buffers.values(&[Slot::QuantizedScale], Access::Write);
    }

    pub fn constants(self) -> Vec<String> {
        let Self { block, packs, lanes, step, fours: _ } = self;
        let constants = [
            ("QUANTIZED_BLOCK", block),
            ("QUANTIZED_PACKS", packs),
            ("QUANTIZED_LANES", lanes),
            ("QUANTIZED_STEP", step),
        ];
        constants.map(|(name, value)| format!("const {name}: u32 = {value}u;")).to_vec()
    }
}

/// The caller's function, which kernels apply last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epilogue {
    pub text: Text,
    /// The number of buffers that it reads.
    pub buffers: usize,
}

/// The rotary embedding of the result, with the numbers of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rotation {
    pub pairs: Pairs,
    /// Packs of a row that are rotated.
    pub packs: u32,
    /// Rows of a token.
    pub heads: u32,
    /// Rows of the table.
    pub positions: u32,
}

impl Rotation {
    pub fn constants(self, layout: VectorLayout) -> Vec<String> {
        let Self { pairs, packs, heads, positions } = self;
        let number = |name: &str, n: u32| format!("const {name}: u32 = {n}u;");
        let mut constants =
            vec![number("ROTARY_PACKS", packs), number("ROTARY_HEADS", heads), number("ROTARY_POSITIONS", positions)];
        if matches!(layout, VectorLayout::Partners | VectorLayout::Singles) {
            constants.push(number("SPLIT_PACKS", if pairs == Pairs::Halves { packs } else { 0 }));
        }
        constants
    }

    fn variants(self) -> [Variant; 2] {
        let pairs = match self.pairs {
            Pairs::Halves => "rotary_partners",
            Pairs::Neighbours => "rotary_neighbours",
        };
        [pairs, "place_of_rotary"]
    }
}

/// The forward pass of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Forward {
    pub x: X,
    pub affine: Affine,
    pub sum: Sum,
    pub output: Output,
    pub epilogue: Option<Epilogue>,
    pub next: Option<Next>,
    pub rotation: Option<Rotation>,
    pub index: Index,
}

/// Whose rows lie where an index says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Index {
    None,
    Input,
    Output,
    Both,
}

impl Index {
    pub fn new(input: bool, output: bool) -> Self {
        match (input, output) {
            (false, false) => Self::None,
            (true, false) => Self::Input,
            (false, true) => Self::Output,
            (true, true) => Self::Both,
        }
    }

    fn bind(self, buffers: &mut Buffers) {
        let slots: &[Slot] = match self {
            Self::None => &[],
            Self::Input => &[Slot::InputIndex],
            Self::Output => &[Slot::OutputIndex],
            Self::Both => &[Slot::InputIndex, Slot::OutputIndex],
        };
        for &slot in slots {
            buffers.raw(Buffer::Tensor(slot), Access::Read, "u32");
        }
    }

    /// How a kernel finds the rows of tensors with strides, by one of these two roles.
    pub fn variants(self, [strided, indexed]: [Variant; 2]) -> Vec<Variant> {
        match self {
            Self::None => vec![strided],
            Self::Input => vec![indexed, "input_by_index", "output_in_order"],
            Self::Output => vec![indexed, "input_in_order", "output_by_index"],
            Self::Both => vec![indexed, "input_by_index", "output_by_index"],
        }
    }
}

/// A second norm, of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Next {
    pub output: DType,
    pub weight: Option<DType>,
}

/// What a kernel that streams stores early, to load it again in place of several tensors.
#[derive(Clone, Copy, Default)]
pub(crate) struct Early {
    /// The sum of input and residual.
    pub sum: bool,
    /// The output, for a second norm.
    pub output: bool,
}

impl Early {
    pub fn variants(self) -> [Variant; 2] {
        [if self.sum { "early_sum" } else { "late_sum" }, if self.output { "early_output" } else { "late_output" }]
    }
}

impl Forward {
    /// What a kernel of rows stores early if it streams: tensors of f32, as others round the numbers.
    pub fn early(self) -> Early {
        let residual = self.x.residual().or(self.affine.after.residual);
        let sum = match self.sum {
            Sum::None => None,
            Sum::Output(dtype) => Some(dtype),
            Sum::InPlace => residual,
        };
        let output = match self.output {
            Output::Tensor(dtype) => Some(dtype),
            Output::InPlace => self.x.input(),
            Output::OverResidual => residual,
            Output::Quantized(_) | Output::None => None,
        };
        let is_f32 = |dtype: Option<DType>| dtype == Some(DType::F32);
        // The output may lie where x is, which a late sum needs until the end.
        let can_be_early = self.next.is_some() && (sum.is_none() || is_f32(sum));
        Early { sum: is_f32(sum), output: can_be_early && is_f32(output) }
    }

    /// `early`: what the kernel loads again.
    pub fn bind(self, buffers: &mut Buffers, by: TableAccess, early: Early) {
        let access = |is_early| if is_early { Access::ReadWrite } else { Access::Write };
        self.x.bind(buffers, self.output == Output::InPlace, self.sum == Sum::InPlace);
        self.affine.bind(buffers, by, self.output == Output::OverResidual);
        if let Sum::Output(dtype) = self.sum {
            buffers.tensor(Slot::ResidualOutput, access(early.sum), Some(dtype));
        }
        if let Output::Tensor(dtype) = self.output {
            buffers.tensor(Slot::Output, access(early.output), Some(dtype));
        }
        if let Output::Quantized(quantized) = self.output {
            quantized.bind(buffers);
        }
        if let Some(next) = self.next {
            buffers.table(Buffer::Tensor(Slot::NextWeight), Access::Read, next.weight, by);
            buffers.tensor(Slot::NextOutput, Access::Write, Some(next.output));
        }
        self.index.bind(buffers);
        for &slot in &SLOTS[..self.epilogue.map_or(0, |epilogue| epilogue.buffers)] {
            buffers.raw(Buffer::Tensor(slot), Access::Read, "f32");
        }
        if self.rotation.is_some() {
            buffers.raw(Buffer::Tensor(Slot::Positions), Access::Read, "u32");
            buffers.raw(Buffer::Tensor(Slot::RotaryTable), Access::Read, "vec4<f32>");
        }
    }

    pub fn variants(self, layout: VectorLayout) -> Vec<Variant> {
        let mut variants = self.x.variants();
        variants.extend(self.affine.variants());
        variants.push(match self.sum {
            Sum::None => "no_sum",
            Sum::Output(_) => "sum",
            Sum::InPlace => "sum_in_place",
        });
        let is_in_place = self.output == Output::InPlace;
        match self.output {
            Output::Quantized(_) | Output::None => variants.push("no_output"),
            Output::OverResidual => variants.push("over_residual"),
            Output::Tensor(_) | Output::InPlace => {
                if let Some(rotation) = self.rotation {
                    variants.push(if is_in_place { "in_place_rotary" } else { "output_rotary" });
                    variants.extend(rotation.variants());
                } else if self.epilogue.is_some() {
                    variants.push(if is_in_place { "in_place_epilogue" } else { "output_epilogue" });
                    variants.extend(epilogue(layout));
                } else {
                    variants.push(if is_in_place { "in_place" } else { "output" });
                }
            }
        }
        variants.extend(match (self.output, layout) {
            (Output::Quantized(_), VectorLayout::Scalar) => vec!["quantized", "quantized_bytes"],
            (Output::Quantized(Quantized { fours: true, .. }), _) => vec!["quantized", "quantized_fours"],
            (Output::Quantized(_), _) => vec!["quantized", "quantized_words"],
            _ => vec!["not_quantized"],
        });
        variants.push(match self.next {
            None => "no_next",
            Some(Next { weight: Some(_), .. }) => "next",
            Some(Next { weight: None, .. }) => "next_without_weight",
        });
        variants
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
        self.x.bind(buffers, false, false);
        self.affine.bind(buffers, by, false);
        buffers.tensor(Slot::GradOutput, Access::Read, Some(self.grad_output));
    }

    pub fn variants(self) -> Vec<Variant> {
        let mut variants = self.x.variants();
        variants.extend(self.affine.variants());
        variants.push(match (self.affine.after.gate, self.affine.activation) {
            (Some(_), _) => "gated_gradient",
            (_, Activation::None) => "plain_gradient",
            _ => "activated_gradient",
        });
        variants
    }
}

/// The gradient of the input, as the kernel writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GradInput {
    pub dtype: DType,
    /// The gradient of the sum of input and residual, which the kernel adds.
    pub grad_sum: Option<DType>,
    /// The gate of which a function is a factor of the input.
    pub gate: Option<GateFactor>,
    /// The gradient of the residual, where a gate makes it different from that of the input.
    pub grad_residual: Option<DType>,
    /// The gradient of the gate, before or after the norm.
    pub grad_gate: Option<DType>,
}

impl GradInput {
    pub fn bind(self, buffers: &mut Buffers) {
        buffers.tensor(Slot::GradResidualOutput, Access::Read, self.grad_sum);
        buffers.tensor(Slot::GradInput, Access::Write, Some(self.dtype));
        buffers.tensor(Slot::GradResidual, Access::Write, self.grad_residual);
        buffers.tensor(Slot::GradGate, Access::Write, self.grad_gate);
        if let Some(gate) = self.gate {
            gate.bind(buffers);
            buffers.tensor(Slot::Input, Access::Read, self.grad_gate.map(|_| self.dtype));
        }
    }

    pub fn variants(grad_input: Option<Self>) -> Vec<Variant> {
        let Some(Self { grad_sum, gate, grad_residual, grad_gate, .. }) = grad_input else {
            return vec!["no_grad_input", "no_grad_gate"];
        };
        let mut variants = match (gate, grad_sum) {
            (None, None) => vec!["grad_input"],
            (None, Some(_)) => vec!["grad_input_and_sum"],
            (Some(gate), grad_sum) => {
                let sum = if grad_sum.is_some() { "grad_sum" } else { "no_grad_sum" };
                let addend = if grad_residual.is_some() { "grad_addend" } else { "no_grad_addend" };
                vec!["grad_input_of_gated", gate.variant(), sum, addend]
            }
        };
        variants.push(match (grad_gate, gate) {
            (None, _) => "no_grad_gate",
            (Some(_), Some(_)) => "grad_gate_before",
            (Some(_), None) => "grad_gate_after",
        });
        variants
    }
}

/// The statistics that the op writes for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Saved {
    None,
    Rstd,
    MeanRstd,
    /// The mean as hi and lo, and rstd, in one tensor.
    Statistics,
    /// What merges with the moments of other parts. Kernels of rows alone write them so.
    Moments,
}

impl Saved {
    pub fn bind(self, buffers: &mut Buffers) {
        match self {
            Self::None => {}
            Self::Rstd => buffers.values(&[Slot::Rstd], Access::Write),
            Self::MeanRstd => buffers.values(&[Slot::Mean, Slot::Rstd], Access::Write),
            Self::Statistics => buffers.values(&[Slot::Statistics], Access::Write),
            Self::Moments => buffers.other(Slot::Moments, Access::Write, Element::Vec4),
        }
    }

    pub fn variant(self) -> Variant {
        match self {
            Self::None => "no_stats",
            Self::Rstd => "rstd",
            Self::MeanRstd => "mean_rstd",
            Self::Statistics => "saved_statistics",
            Self::Moments => "saved_moments",
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
    /// The forward pass or the caller, through the tensor `statistics`.
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

    pub fn variants(self, layout: VectorLayout) -> [Variant; 3] {
        let statistics = match self.given {
            Given::None => "no_statistics",
            Given::Batch | Given::Saved => "batch_statistics",
            Given::Norms => "norm_statistics",
            Given::Running => "running_statistics",
        };
        [statistics, stat_table(self.stats, layout), affine_table(self.affine, layout)]
    }

    pub fn constants(self) -> Vec<String> {
        vec![flag("STATS_FIXED", self.stats_fixed), flag("AFFINE_FIXED", self.affine_fixed)]
    }
}

/// How a pack looks up statistics.
fn stat_table(by: TableAccess, layout: VectorLayout) -> Variant {
    match (by, layout) {
        (TableAccess::Row, _) => "stat_row",
        // A pack of a perpendicular layout is at one position of its rows.
        (TableAccess::Element, VectorLayout::Perpendicular) => "stat_position",
        (TableAccess::Element, _) => "stat_element",
        (TableAccess::Run, _) => "stat_run",
        (TableAccess::Gather, _) => "stat_gather",
    }
}

/// How a pack looks up weight and bias.
pub(crate) fn affine_table(by: TableAccess, layout: VectorLayout) -> Variant {
    match (by, layout) {
        (TableAccess::Row, _) => "affine_row",
        (TableAccess::Element, VectorLayout::Perpendicular) => "affine_position",
        (TableAccess::Element, VectorLayout::Partners | VectorLayout::Singles) => "affine_apart",
        (TableAccess::Element, _) => "affine_element",
        (TableAccess::Run, _) => "affine_run",
        (TableAccess::Gather, _) => "affine_gather",
    }
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

    pub fn variants(self) -> [Variant; 2] {
        [
            match (self.weight, self.accumulate) {
                (false, _) => "no_grad_weight",
                (true, false) => "grad_weight",
                (true, true) => "add_grad_weight",
            },
            match (self.bias, self.accumulate) {
                (false, _) => "no_grad_bias",
                (true, false) => "grad_bias",
                (true, true) => "add_grad_bias",
            },
        ]
    }
}

/// The table of the weight.
pub(crate) fn weight(on: bool) -> Variant {
    if on { "weight" } else { "no_weight" }
}

/// What a pack is, and where it is in its row.
pub(crate) fn pack(layout: VectorLayout) -> Vec<Variant> {
    match layout {
        VectorLayout::Scalar => vec!["scalar", "contiguous"],
        VectorLayout::Vec4 => vec!["vec4", "contiguous"],
        VectorLayout::HalfUnaligned => vec!["vec4", "half_unaligned"],
        VectorLayout::Vec4x2 => vec!["vec4", "vec4x2"],
        VectorLayout::Perpendicular => vec!["vec4", "perpendicular"],
        VectorLayout::Partners => vec!["vec4", "partners", "apart"],
        VectorLayout::Singles => vec!["vec4", "singles", "apart"],
    }
}

/// What a call of the caller's function gets of a pack, and how a kernel of rows says where the pack lies.
fn epilogue(layout: VectorLayout) -> [Variant; 2] {
    match layout {
        VectorLayout::Scalar => ["epilogue_of_element", "place_of_pack"],
        VectorLayout::Vec4 | VectorLayout::Vec4x2 => ["epilogue_of_pack", "place_of_pack"],
        VectorLayout::Perpendicular => ["epilogue_of_pack", "place_of_four_rows"],
        // Rotary embeddings alone have packs of partners and of singles, and no epilogue.
        VectorLayout::HalfUnaligned | VectorLayout::Partners | VectorLayout::Singles => {
            ["epilogue_of_elements", "place_of_elements"]
        }
    }
}

/// Sums of packs as hi + lo.
pub(crate) fn real(layout: VectorLayout) -> Variant {
    if layout == VectorLayout::Scalar { "sum_scalar" } else { "sum_vec4" }
}

/// `is_part`: the team is a part of a subgroup.
pub(crate) fn team(team: Team, is_part: bool) -> Variant {
    match team {
        Team::Lane => "lane",
        Team::Cluster | Team::Subgroup if is_part => "cluster",
        Team::Cluster | Team::Subgroup => "subgroup",
        Team::Workgroup => "workgroup",
        Team::WorkgroupSubgroups => "workgroup_subgroups",
    }
}

/// From sums to the factor that normalizes, the powers of two at which the sums are taken, and what is summed up.
pub(crate) fn scale(scale: Scale) -> Vec<Variant> {
    vec![
        match scale {
            Scale::Variance => "variance",
            Scale::MeanSquare => "mean_square",
            Scale::L2 => "l2",
            Scale::L1 => "l1",
        },
        if scale.is_norm() { "three_scales" } else { "one_scale" },
        match scale {
            Scale::Variance | Scale::MeanSquare | Scale::L2 => "squares",
            Scale::L1 => "magnitudes",
        },
    ]
}

/// The constants of a scale: whether the mean is subtracted, and whether sums are taken at three powers of two.
pub(crate) fn scale_constants(scale: Scale) -> Vec<String> {
    vec![flag("CENTERED", scale == Scale::Variance), flag("SCALED", scale.is_norm())]
}

/// Whether a lane merges alone or lanes of a workgroup share a group.
pub(crate) fn merging(by_workgroup: bool) -> Variant {
    if by_workgroup { "merge_by_workgroup" } else { "merge_by_lane" }
}
