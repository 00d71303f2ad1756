//! The compile key: everything that changes a kernel's code, and nothing else. Shapes, eps and momentum are run-time
//! parameters.

use std::fmt;

use crate::{
    geometry::Columns,
    kernel::params::{self, ParamField},
    lower::Team,
    ops::Activation,
    tensor::{Access, DType, Slot},
};

/// Elements that a lane moves at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Width {
    X1,
    X4,
    /// Four, in rows of halves that begin anywhere in a word: two rows may share one, and both store it atomically.
    HalfUnaligned,
    /// Four, of which a lane has two neighbours; tensors of halves move both at once, in 16 bytes.
    Pairs,
    /// An element of each of four rows, which are neighbours.
    Across,
}

impl Width {
    pub const fn elements(self) -> u32 {
        match self {
            Self::X1 => 1,
            Self::X4 | Self::HalfUnaligned | Self::Pairs | Self::Across => 4,
        }
    }

    /// Elements that an index of a tensor counts at once.
    pub const fn unit(self) -> u32 {
        match self {
            Self::X1 | Self::HalfUnaligned => 1,
            Self::X4 | Self::Across => 4,
            Self::Pairs => 8,
        }
    }

    /// The same of a table that has a value for each position.
    pub const fn table_unit(self) -> u32 {
        match self {
            Self::X1 | Self::HalfUnaligned | Self::Across => 1,
            Self::X4 | Self::Pairs => 4,
        }
    }

    /// Ways in which rows begin in a word: teams come in multiples of it, and all rows of a team begin alike.
    pub const fn phases(self) -> u32 {
        match self {
            Self::X1 | Self::X4 | Self::Pairs | Self::Across => 1,
            Self::HalfUnaligned => 2,
        }
    }

    /// Rows that a pack has elements of.
    pub const fn rows(self) -> u32 {
        match self {
            Self::X1 | Self::X4 | Self::HalfUnaligned | Self::Pairs => 1,
            Self::Across => 4,
        }
    }

    /// Packs next to each other that a lane has together.
    pub const fn neighbours(self) -> u32 {
        match self {
            Self::X1 | Self::X4 | Self::HalfUnaligned | Self::Across => 1,
            Self::Pairs => 2,
        }
    }

    /// Packs that cover a row.
    pub const fn packs(self, elements: u32) -> u32 {
        match self {
            Self::X1 | Self::Across => elements,
            Self::X4 | Self::Pairs => elements / 4,
            // The first may have an element of the row before.
            Self::HalfUnaligned => (elements + 1).div_ceil(4),
        }
    }
}

/// How an element of a storage buffer is seen by a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    /// Floats of a type, as many at once as the width says.
    Floats(DType, Width),
    /// Floats of a type that are read, four at once from anywhere.
    Gathered(DType),
    /// Something that kernels declare for each other.
    Raw(&'static str),
}

/// A storage buffer of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Storage {
    pub slot: Slot,
    pub access: Access,
    pub element: Element,
}

/// How the statistics of some elements make the scale that they are multiplied by.
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
    /// Whether it is that of a norm, which has no mean and no eps under a root.
    pub(crate) fn is_norm(self) -> bool {
        matches!(self, Self::L1 | Self::L2)
    }
}

/// What a lookup depends on inside a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum By {
    /// A row shares one.
    Row,
    /// Each position has its own.
    Position,
    /// Neighbouring packs share one.
    Run,
    /// Each element of a pack looks its own up: neighbours share one, and a pack may have elements of two, or begin anywhere.
    Gathered,
}

impl By {
    pub fn new(columns: Columns, width: Width) -> Self {
        match columns {
            Columns::Whole => Self::Row,
            _ if width == Width::HalfUnaligned => Self::Gathered,
            Columns::Each => Self::Position,
            Columns::Runs(run) if run.is_multiple_of(width.elements()) => Self::Run,
            Columns::Runs(_) => Self::Gathered,
        }
    }

    /// How a table that is looked up like this is read by a kernel of this width.
    const fn element(self, dtype: DType, width: Width) -> Element {
        match (self, width) {
            (Self::Gathered, _) => Element::Gathered(dtype),
            (Self::Position, Width::Pairs) => Element::Floats(dtype, Width::X4),
            // Where a pack lies across rows, a position is that of one pack.
            (Self::Position, Width::Across) | (Self::Row | Self::Run, _) => Element::Floats(dtype, Width::X1),
            (Self::Position, _) => Element::Floats(dtype, width),
        }
    }
}

/// What is normalized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum X {
    /// Nothing depends on it.
    None,
    Input(DType),
    /// The sum of input and residual.
    Residual(DType, DType),
    /// The sum that the forward pass wrote.
    Sum(DType),
}

/// What happens to the normalized elements: the tables and tensors it needs, by their types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Affine {
    pub weight: Option<DType>,
    pub bias: Option<DType>,
    /// The residual that is added after weight and bias.
    pub after: Option<DType>,
    pub activation: Activation,
}

impl Affine {
    pub const NONE: Self = Self { weight: None, bias: None, after: None, activation: Activation::None };
}

/// The forward pass of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Forward {
    pub x: X,
    pub affine: Affine,
    /// The sum of input and residual.
    pub sum: Option<DType>,
    /// `None`: over the input.
    pub output: Option<DType>,
}

/// The gradient that reaches the normalized elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gradient {
    pub x: X,
    pub affine: Affine,
    pub grad_output: DType,
}

/// Where `grad_input` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GradInput {
    pub dtype: DType,
    /// The gradient that is added: that of the sum of input and residual.
    pub grad_sum: Option<DType>,
}

/// Which statistics are written for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Saved {
    None,
    Rstd,
    MeanRstd,
}

/// How running statistics are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tracking {
    None,
    Fixed,
    Cumulative,
}

/// Where statistics come from that were not just taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Given {
    /// Nothing depends on them.
    None,
    /// An earlier pass of this op.
    Batch,
    /// The same, of norms.
    Norms,
    /// The forward pass.
    Kept,
    Running,
}

/// Where `finalize` finds partial statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Partials {
    Scratch,
    /// There too, sums of a norm.
    Norms,
    /// The caller's, of the parts of a batch.
    Moments,
}

/// What `finalize` makes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Merged {
    Statistics(Scale, Saved),
    /// The caller's, of one part of a batch.
    Moments,
    /// Fewer partials.
    Partials,
}

/// The lookups of a kernel that finds statistics and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lookups {
    pub given: Given,
    pub stats: By,
    pub params: By,
    /// Whether all that a lane goes through shares its statistics.
    pub stats_fixed: bool,
    /// The same for weight and bias.
    pub params_fixed: bool,
}

/// How gradients of weight and bias are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ParamGradients {
    pub weight: bool,
    pub bias: bool,
    pub accumulate: bool,
    pub dtype: DType,
}

impl ParamGradients {
    pub const NONE: Self = Self { weight: false, bias: false, accumulate: false, dtype: DType::F32 };
}

/// The coefficients that the gradient of the input needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Coefficients {
    pub scale: Scale,
    /// The weight that comes to the sums as they are merged.
    pub weight: Option<DType>,
    /// Whether the statistics are the forward pass's.
    pub kept: bool,
}

/// What partial sums are merged to, besides the gradients of weight and bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MergedSums {
    Nothing,
    /// Fewer partial sums.
    Partials,
    Coefficients(Coefficients),
}

impl MergedSums {
    /// Whether sums are multiplied by weights as they are merged.
    pub fn is_weighted(self) -> bool {
        matches!(self, Self::Coefficients(Coefficients { weight: Some(_), .. }))
    }
}

/// How a team goes through rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hold {
    /// One after the other, each in so many packs of each lane's registers, of which the first `full` are in the row for every lane.
    Registers { packs: u32, full: u32 },
    /// So many at once, which are read again for each sum. `whole`: no team lacks a row.
    Rows { at_once: u32, whole: bool },
}

/// What the backward pass of rows leaves for the gradients of weight and bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ForParams {
    None,
    /// The statistics, for a pass over the tensors that takes the sums.
    Statistics,
    /// Partial sums of each column.
    Sums,
}

/// One compiled kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KernelKey {
    Row {
        team: Team,
        workgroup_size: u32,
        hold: Hold,
        width: Width,
        scale: Scale,
        params: By,
        /// Whether all rows have the same weight and bias.
        shared: bool,
        forward: Forward,
        saved: Saved,
    },
    RowBackward {
        team: Team,
        workgroup_size: u32,
        hold: Hold,
        width: Width,
        scale: Scale,
        params: By,
        shared: bool,
        gradient: Gradient,
        grad_input: GradInput,
        for_params: ForParams,
    },
    Moments {
        team: Team,
        workgroup_size: u32,
        width: Width,
        x: X,
    },
    MomentsColumns {
        width: Width,
        x: X,
    },
    /// What the scale is made of where nothing is subtracted, and f32's whole range counts.
    Norms {
        team: Team,
        workgroup_size: u32,
        width: Width,
        x: X,
        magnitudes: bool,
    },
    NormsColumns {
        width: Width,
        x: X,
        magnitudes: bool,
    },
    Finalize {
        /// Whether lanes of a workgroup share a group.
        together: bool,
        partials: Partials,
        merged: Merged,
        tracking: Tracking,
        /// Whether running statistics come with a second half.
        low: bool,
    },
    Count,
    Apply {
        width: Width,
        lookups: Lookups,
        forward: Forward,
    },
    Sums {
        team: Team,
        workgroup_size: u32,
        width: Width,
        lookups: Lookups,
        gradient: Gradient,
        /// Whether the gradient is multiplied by the weight.
        weighted: bool,
        /// Whether groups are what the statistics were taken of, so that what is normalized has a mean of zero.
        zero_mean: bool,
    },
    SumsColumns {
        /// Rows that a lane adds up before it adds them to its sum.
        block: u32,
        width: Width,
        lookups: Lookups,
        gradient: Gradient,
        weighted: bool,
        zero_mean: bool,
        /// What the sums are, where a lane has all of a column.
        gradients: Option<ParamGradients>,
    },
    MergeSums {
        /// Whether lanes of a workgroup share a group.
        together: bool,
        /// Whether partial sums are f32, not hi and lo.
        numbers: bool,
        merged: MergedSums,
        gradients: ParamGradients,
    },
    ApplyBackward {
        width: Width,
        lookups: Lookups,
        gradient: Gradient,
        /// The scale, if the statistics depend on the input.
        through: Option<Scale>,
        grad_input: Option<GradInput>,
        grad_residual: Option<DType>,
    },
    Window {
        width: Width,
        /// Of the input and its gradient.
        input: DType,
        /// Of the output and its gradient.
        output: DType,
        backward: bool,
    },
    /// The same for windows that registers hold.
    Slide {
        width: Width,
        input: DType,
        output: DType,
        /// Channels of a window before its own, and after it.
        reach: [u32; 2],
        backward: bool,
    },
}

/// Workgroup size where lanes, or subgroups, work on their own; of teams on a CPU it is less.
pub(crate) const SMALL_WORKGROUP: u32 = 64;
/// The same where a subgroup has more lanes than that.
pub(crate) const WIDE_SUBGROUP_WORKGROUP: u32 = 128;
/// Lanes of a cluster, as `parts/team/cluster` has it.
pub(crate) const CLUSTER: u32 = 4;
/// Workgroup sizes of teams that are workgroups.
pub(crate) const TEAM_WORKGROUPS: [u32; 5] = [64, 128, 256, 512, 1024];
/// Packs that a lane of a reduction holds at a time.
pub(crate) const REDUCE_BLOCK: u32 = 4;
/// Partial results that an invocation which merges loads at a time.
pub(crate) const MERGE_BLOCK: u32 = 4;
/// Lanes that merge a group together, as `parts/merging/workgroup` has it, and of their workgroup.
pub(crate) const MERGE_LANES: u32 = 32;
pub(crate) const MERGE_WORKGROUP: u32 = 256;
/// Bytes of workgroup memory that they share.
pub(crate) const MERGE_STORAGE: u32 = MERGE_WORKGROUP * 16;
/// Packs that a lane of `apply` loads before it stores.
pub(crate) const APPLY_BLOCK: u32 = 4;
/// Packs that a lane of a cluster holds of a row, at most. On a GPU, clusters own the rows of more than four elements that they hold.
pub(crate) const CLUSTER_REGISTERS: u32 = 8;
/// Packs that a lane holds of a row that it owns, at most.
pub(crate) const LANE_REGISTERS: u32 = 32;

/// Channels of a window that registers hold, at most.
pub(crate) const SLIDE_WINDOW: u32 = 11;
/// Channels of a wider window that are loaded at a time.
pub(crate) const WINDOW_BLOCK: u32 = 4;

/// The smallest count of registers that is compiled and holds `packs`, at most `max`: any up to 8, then the even ones, so that there are
/// few kernels, and a lane loads a tenth too much at most.
pub(crate) fn registers_for(packs: u32, max: u32) -> Option<u32> {
    let registers = if packs <= 8 { packs } else { packs.next_multiple_of(2) };
    (registers <= max).then_some(registers)
}

/// The storage buffers of a kernel, as they are put together.
struct Buffers {
    width: Width,
    list: Vec<Storage>,
}

impl Buffers {
    /// A tensor with an element for each of the input's.
    fn tensor(&mut self, slot: Slot, access: Access, dtype: Option<DType>) {
        let element = |dtype| Element::Floats(dtype, self.width);
        self.list.extend(dtype.map(|dtype| Storage { slot, access, element: element(dtype) }));
    }

    /// A tensor that is looked up.
    fn table(&mut self, slot: Slot, access: Access, dtype: Option<DType>, by: By) {
        let element = |dtype| by.element(dtype, self.width);
        self.list.extend(dtype.map(|dtype| Storage { slot, access, element: element(dtype) }));
    }

    fn raw(&mut self, slot: Slot, access: Access, ty: &'static str) {
        self.list.push(Storage { slot, access, element: Element::Raw(ty) });
    }

    /// f32s, one at a time.
    fn values(&mut self, slots: &[Slot], access: Access) {
        for &slot in slots {
            self.table(slot, access, Some(DType::F32), By::Row);
        }
    }

    fn x(&mut self, x: X, in_place: bool) {
        match x {
            X::None => {}
            X::Input(input) | X::Residual(input, _) => {
                self.tensor(Slot::Input, if in_place { Access::ReadWrite } else { Access::Read }, Some(input));
            }
            X::Sum(dtype) => self.tensor(Slot::ResidualOutput, Access::Read, Some(dtype)),
        }
        if let X::Residual(_, residual) = x {
            self.tensor(Slot::Residual, Access::Read, Some(residual));
        }
    }

    fn affine(&mut self, affine: Affine, params: By) {
        self.table(Slot::Weight, Access::Read, affine.weight, params);
        self.table(Slot::Bias, Access::Read, affine.bias, params);
        self.tensor(Slot::Residual, Access::Read, affine.after);
    }

    fn forward(&mut self, forward: Forward, params: By) {
        self.x(forward.x, forward.output.is_none());
        self.affine(forward.affine, params);
        self.tensor(Slot::ResidualOutput, Access::Write, forward.sum);
        self.tensor(Slot::Output, Access::Write, forward.output);
    }

    fn gradient(&mut self, gradient: Gradient, params: By) {
        self.x(gradient.x, false);
        self.affine(gradient.affine, params);
        self.tensor(Slot::GradOutput, Access::Read, Some(gradient.grad_output));
    }

    fn grad_input(&mut self, grad_input: GradInput) {
        self.tensor(Slot::GradResidualOutput, Access::Read, grad_input.grad_sum);
        self.tensor(Slot::GradInput, Access::Write, Some(grad_input.dtype));
    }

    /// Those of weight and bias.
    fn gradients(&mut self, gradients: ParamGradients) {
        let access = if gradients.accumulate { Access::ReadWrite } else { Access::Write };
        self.tensor(Slot::GradWeight, access, gradients.weight.then_some(gradients.dtype));
        self.tensor(Slot::GradBias, access, gradients.bias.then_some(gradients.dtype));
    }

    fn saved(&mut self, saved: Saved) {
        match saved {
            Saved::None => {}
            Saved::Rstd => self.values(&[Slot::Rstd], Access::Write),
            Saved::MeanRstd => self.values(&[Slot::Mean, Slot::Rstd], Access::Write),
        }
    }

    /// wgpu allows no buffer to be bound both to be read and to be written, and scratch slots share one: `access` is
    /// `ReadWrite` where another scratch slot is written.
    fn given(&mut self, lookups: Lookups, access: Access) {
        match lookups.given {
            Given::None => {}
            Given::Batch | Given::Norms => self.table(Slot::Statistics, access, Some(DType::F32), lookups.stats),
            Given::Kept => self.table(Slot::Statistics, Access::Read, Some(DType::F32), lookups.stats),
            Given::Running => {
                for slot in [Slot::RunningMean, Slot::RunningVar] {
                    self.table(slot, Access::Read, Some(DType::F32), lookups.stats);
                }
            }
        }
    }
}

impl KernelKey {
    pub fn workgroup_size(&self) -> u32 {
        match *self {
            Self::Row { workgroup_size, .. }
            | Self::RowBackward { workgroup_size, .. }
            | Self::Moments { workgroup_size, .. }
            | Self::Norms { workgroup_size, .. }
            | Self::Sums { workgroup_size, .. } => workgroup_size,
            Self::Finalize { together: true, .. } | Self::MergeSums { together: true, .. } => MERGE_WORKGROUP,
            Self::Count => 1,
            _ => SMALL_WORKGROUP,
        }
    }

    /// How often the kernel's unrolled blocks are repeated.
    pub fn unroll(&self) -> u32 {
        match *self {
            Self::Row { hold, .. } | Self::RowBackward { hold, .. } => match hold {
                Hold::Registers { packs: count, .. } | Hold::Rows { at_once: count, .. } => count,
            },
            Self::Moments { .. }
            | Self::MomentsColumns { .. }
            | Self::Norms { .. }
            | Self::NormsColumns { .. }
            | Self::Sums { .. } => REDUCE_BLOCK,
            Self::SumsColumns { block, .. } => block,
            Self::Apply { .. } | Self::ApplyBackward { .. } => APPLY_BLOCK,
            Self::Slide { reach: [before, after], .. } => before + 1 + after,
            Self::Finalize { .. } | Self::MergeSums { .. } => MERGE_BLOCK,
            Self::Window { .. } => WINDOW_BLOCK,
            Self::Count => 1,
        }
    }

    pub fn team(&self) -> Option<Team> {
        match *self {
            Self::Row { team, .. }
            | Self::RowBackward { team, .. }
            | Self::Moments { team, .. }
            | Self::Norms { team, .. }
            | Self::Sums { team, .. } => Some(team),
            _ => None,
        }
    }

    pub fn width(&self) -> Width {
        match *self {
            Self::Row { width, .. }
            | Self::RowBackward { width, .. }
            | Self::Moments { width, .. }
            | Self::MomentsColumns { width, .. }
            | Self::Norms { width, .. }
            | Self::NormsColumns { width, .. }
            | Self::Apply { width, .. }
            | Self::Sums { width, .. }
            | Self::SumsColumns { width, .. }
            | Self::ApplyBackward { width, .. }
            | Self::Window { width, .. }
            | Self::Slide { width, .. } => width,
            Self::Finalize { .. } | Self::MergeSums { .. } | Self::Count => Width::X1,
        }
    }

    /// Whether a row is made of halves, not of what they sum up to.
    pub fn normalizes_halves(&self) -> bool {
        let (Self::Row { forward: Forward { x, .. }, .. } | Self::RowBackward { gradient: Gradient { x, .. }, .. }) =
            self
        else {
            return false;
        };
        matches!(x, X::Input(DType::F16 | DType::BF16) | X::Sum(DType::F16 | DType::BF16))
    }

    pub fn uses_subgroups(&self) -> bool {
        self.team().is_some_and(Team::uses_subgroups)
    }

    /// Bytes of workgroup memory.
    pub fn workgroup_storage(&self) -> u32 {
        if matches!(self, Self::Finalize { together: true, .. } | Self::MergeSums { together: true, .. }) {
            return MERGE_STORAGE;
        }
        match self.team() {
            Some(Team::Workgroup) => self.workgroup_size() * 8 + self.workgroup_size() / 16 * 8,
            Some(Team::WorkgroupSubgroups) => 2 * (self.workgroup_size() / 4) * 16,
            _ => 0,
        }
    }

    /// The storage buffers that the kernel binds, in the order of their numbers.
    pub fn storage(&self) -> Vec<Storage> {
        use Access::{Read, ReadWrite, Write};
        let mut buffers = Buffers { width: self.width(), list: Vec::new() };
        match *self {
            Self::Row { params, forward, saved, .. } => {
                buffers.forward(forward, params);
                buffers.saved(saved);
            }
            Self::RowBackward { params, hold, gradient, grad_input, for_params, .. } => {
                buffers.gradient(gradient, params);
                buffers.grad_input(grad_input);
                match for_params {
                    ForParams::None => {}
                    ForParams::Statistics => buffers.values(&[Slot::Statistics], Write),
                    ForParams::Sums => {
                        let access = if matches!(hold, Hold::Rows { .. }) { ReadWrite } else { Write };
                        buffers.raw(Slot::PartialSums, access, "vec2<f32>");
                    }
                }
            }
            Self::Moments { x, .. }
            | Self::MomentsColumns { x, .. }
            | Self::Norms { x, .. }
            | Self::NormsColumns { x, .. } => {
                buffers.x(x, false);
                buffers.raw(Slot::Partials, Write, "vec4<f32>");
            }
            Self::Finalize { partials, merged, tracking, low, .. } => {
                match partials {
                    Partials::Scratch | Partials::Norms => buffers.raw(Slot::Partials, ReadWrite, "vec4<f32>"),
                    Partials::Moments => buffers.raw(Slot::Moments, Read, "vec4<f32>"),
                }
                match merged {
                    Merged::Statistics(_, saved) => {
                        buffers.saved(saved);
                        buffers.values(&[Slot::Statistics], Write);
                    }
                    Merged::Moments => buffers.raw(Slot::Moments, Write, "vec4<f32>"),
                    // Over those that were merged.
                    Merged::Partials => {}
                }
                if tracking != Tracking::None {
                    buffers.values(&[Slot::RunningMean, Slot::RunningVar], ReadWrite);
                }
                if low {
                    buffers.values(&[Slot::RunningLow], ReadWrite);
                }
                if tracking == Tracking::Cumulative {
                    buffers.raw(Slot::NumBatchesTracked, Read, "u32");
                }
            }
            Self::Count => buffers.raw(Slot::NumBatchesTracked, ReadWrite, "u32"),
            Self::Apply { lookups, forward, .. } => {
                buffers.forward(forward, lookups.params);
                buffers.given(lookups, Read);
            }
            Self::SumsColumns { lookups, gradient, gradients: Some(gradients), .. } => {
                buffers.gradient(gradient, lookups.params);
                buffers.given(lookups, Read);
                buffers.gradients(gradients);
            }
            Self::Sums { lookups, gradient, .. } | Self::SumsColumns { lookups, gradient, .. } => {
                buffers.gradient(gradient, lookups.params);
                buffers.given(lookups, ReadWrite);
                buffers.raw(Slot::PartialSums, Write, "GroupSums");
            }
            Self::MergeSums { numbers, merged, gradients, .. } => {
                buffers.raw(Slot::PartialSums, ReadWrite, if numbers { "vec2<f32>" } else { "GroupSums" });
                buffers.gradients(gradients);
                if let MergedSums::Coefficients(Coefficients { weight, kept, .. }) = merged {
                    buffers.table(Slot::Weight, Read, weight, By::Row);
                    buffers.values(&[Slot::Statistics], if kept { Read } else { ReadWrite });
                    buffers.values(&[Slot::Coefficients], Write);
                }
            }
            Self::ApplyBackward { lookups, gradient, through, grad_input, grad_residual, .. } => {
                buffers.gradient(gradient, lookups.params);
                buffers.given(lookups, Read);
                if through.is_some() {
                    buffers.table(Slot::Coefficients, Read, Some(DType::F32), lookups.stats);
                }
                if let Some(grad_input) = grad_input {
                    buffers.grad_input(grad_input);
                }
                buffers.tensor(Slot::GradResidual, Write, grad_residual);
            }
            Self::Window { input, output, backward, .. } | Self::Slide { input, output, backward, .. } => {
                buffers.tensor(Slot::Input, Read, Some(input));
                buffers.tensor(Slot::Output, Write, (!backward).then_some(output));
                buffers.tensor(Slot::GradOutput, Read, backward.then_some(output));
                buffers.tensor(Slot::GradInput, Write, backward.then_some(input));
            }
        }
        buffers.list.sort_by_key(|storage| storage.slot);
        buffers.list
    }

    /// The fields of the kernel's uniform; none where it has no uniform.
    pub fn param_fields(&self) -> &'static [ParamField] {
        match self {
            Self::Row { .. } | Self::RowBackward { .. } => params::Row::FIELDS,
            Self::Moments { .. } | Self::Norms { .. } => params::Moments::FIELDS,
            Self::MomentsColumns { .. } | Self::NormsColumns { .. } => params::MomentsColumns::FIELDS,
            Self::Finalize { .. } => params::Finalize::FIELDS,
            Self::Apply { .. } | Self::ApplyBackward { .. } => params::Apply::FIELDS,
            Self::Sums { .. } | Self::SumsColumns { .. } => params::Sums::FIELDS,
            Self::MergeSums { .. } => params::MergeSums::FIELDS,
            Self::Window { .. } => params::Window::FIELDS,
            Self::Slide { .. } => params::Slide::FIELDS,
            Self::Count => &[],
        }
    }
}

/// The key as a label: what a profiler or an error message shows.
impl fmt::Display for KernelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whether it is there, and not how Rust writes that.
        write!(f, "wgpu-norm {}", format!("{self:?}").replace("Some(", "("))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_rounded_up_to_a_compiled_count() {
        assert_eq!(registers_for(1, 8), Some(1));
        assert_eq!(registers_for(7, 8), Some(7));
        assert_eq!(registers_for(9, 32), Some(10));
        assert_eq!(registers_for(32, 32), Some(32));
        assert_eq!(registers_for(9, 8), None);
        assert_eq!(registers_for(33, 32), None);
    }
}
