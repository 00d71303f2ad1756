//! Rows that belong to one team each, in either direction. `kernels/row.wgsl` holds a row in registers.
//! `kernels/stream.wgsl` reads it for the sums, and again for the result.

use super::{
    Code, ParamField, flag, params,
    roles::{
        self, Buffers, Early, Epilogue, Forward, GradInput, Gradient, Index, Output, Quantized, Rotation, Saved, X,
    },
    team_storage,
};
use crate::{
    layout::{TableAccess, VectorLayout},
    slot::Slot,
    tensor::Access,
    types::{Scale, Team},
    wgsl::{
        Variant, kernel,
        storage::{Buffer, Storage},
    },
};

/// How a team reads its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Residency {
    /// One row after the other, each in this many packs of a lane's registers. The first `full` packs of all lanes are
    /// in the row.
    Resident { packs: u32, full: u32 },
    /// This many rows at once, read for the sums and again for the result. `whole`: no team lacks a row.
    Streamed { rows: u32, whole: bool },
}

/// The order in which teams take rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Memory,
    /// The first row of each sample, then the second ones, and so on.
    Samples,
}

/// The results of the backward pass for the gradients of weight and bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ForAffine {
    None,
    /// The statistics, for another pass that computes the sums.
    Statistics,
    /// Partial sums of each column.
    Sums,
}

/// A direction, with the tensors that it reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Forward(Forward, Saved),
    Backward(Gradient, GradInput, ForAffine),
}

impl Direction {
    fn x(self) -> X {
        match self {
            Self::Forward(Forward { x, .. }, _) | Self::Backward(Gradient { x, .. }, ..) => x,
        }
    }

    fn variants(self, layout: VectorLayout, scale: Scale) -> Vec<Variant> {
        match self {
            Self::Forward(forward, saved) => {
                let mut variants = forward.variants(layout);
                variants.extend(["forward", saved.variant()]);
                variants
            }
            Self::Backward(gradient, grad_input, for_affine) => {
                let mut variants = gradient.variants();
                let saved = match (for_affine, scale.is_norm()) {
                    (ForAffine::Statistics, false) => "statistics",
                    (ForAffine::Statistics, true) => "statistics_of_norms",
                    _ => Saved::None.variant(),
                };
                variants.extend(GradInput::variants(Some(grad_input)));
                variants.extend(["backward", "no_next", "not_quantized", saved]);
                variants
            }
        }
    }
}

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub team: Team,
    pub workgroup_size: u32,
    pub residency: Residency,
    pub layout: VectorLayout,
    pub scale: Scale,
    /// How the kernel looks up weight and bias.
    pub affine: TableAccess,
    /// Whether a team loads weight and bias once for all of its rows.
    pub shared: bool,
    pub order: Order,
    pub direction: Direction,
}

params! {
    /// `roles/rows.wgsl`
    RowParams {
        rows: u32,
        first: u32,
        packs: u32,
        stride: u32,
        rows_per_team: u32,
        teams: u32,
        row_step: u32,
        elements: u32,
        eps: f32,
        weight_offset: f32,
        stats_stride: u32,
        first_partial: u32,
        affine_rows: u32,
        affine_quotient: u32,
        affine_remainder: u32,
        affine_run: u32,
        zero: u32,
    }
}

impl Row {
    fn saves_moments(&self) -> bool {
        matches!(self.direction, Direction::Forward(_, Saved::Moments))
    }

    fn rotation(&self) -> Option<Rotation> {
        match self.direction {
            Direction::Forward(forward, _) => forward.rotation,
            Direction::Backward(..) => None,
        }
    }

    /// Whether the largest output of a row is the largest deviation times the weight, times a factor of the row.
    fn finds_peaks_early(&self) -> bool {
        let Direction::Forward(Forward { affine, output: Output::Quantized(quantized), .. }, _) = self.direction else {
            return false;
        };
        self.scale == Scale::MeanSquare && quantized.block == Quantized::ROW && affine.is_product()
    }

    fn early(&self) -> Early {
        match (self.direction, self.residency) {
            (Direction::Forward(forward, _), Residency::Streamed { .. }) => forward.early(),
            _ => Early::default(),
        }
    }

    fn sums(&self) -> bool {
        matches!(self.direction, Direction::Backward(_, _, ForAffine::Sums))
    }
}

impl Row {
    fn quantized(&self) -> Option<Quantized> {
        match self.direction {
            Direction::Forward(Forward { output: Output::Quantized(quantized), .. }, _) => Some(quantized),
            _ => None,
        }
    }
}

impl Code for Row {
    fn workgroup_size(&self) -> u32 {
        self.workgroup_size
    }

    fn team(&self) -> Option<Team> {
        Some(self.team)
    }

    fn scale(&self) -> Option<Scale> {
        Some(self.scale)
    }

    fn epilogue(&self) -> Option<Epilogue> {
        match self.direction {
            Direction::Forward(forward, _) => forward.epilogue,
            Direction::Backward(..) => None,
        }
    }

    fn has_place(&self) -> bool {
        self.epilogue().is_some() || self.rotation().is_some()
    }

    fn index(&self) -> Index {
        match self.direction {
            Direction::Forward(forward, _) => forward.index,
            Direction::Backward(..) => Index::None,
        }
    }

    fn scale_variants(&self) -> Vec<Variant> {
        let mut variants = roles::scale(self.scale);
        if self.saves_moments() {
            variants[0] = "unscaled";
        }
        variants
    }

    fn workgroup_storage(&self) -> u32 {
        let has_peaks = matches!(self.team, Team::Workgroup | Team::WorkgroupSubgroups) && self.quantized().is_some();
        team_storage(self.team, self.workgroup_size) + if has_peaks { self.workgroup_size * 4 } else { 0 }
    }

    fn block(&self) -> u32 {
        match self.residency {
            Residency::Resident { packs: count, .. } | Residency::Streamed { rows: count, .. } => count,
        }
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(self.layout);
        match self.direction {
            Direction::Forward(forward, saved) => {
                forward.bind(&mut buffers, self.affine, self.early());
                saved.bind(&mut buffers);
            }
            Direction::Backward(gradient, grad_input, for_affine) => {
                gradient.bind(&mut buffers, self.affine);
                grad_input.bind(&mut buffers);
                match for_affine {
                    ForAffine::None => {}
                    ForAffine::Statistics => buffers.values(&[Slot::Statistics], Access::Write),
                    ForAffine::Sums => {
                        let adds = matches!(self.residency, Residency::Streamed { .. });
                        let access = if adds { Access::ReadWrite } else { Access::Write };
                        buffers.raw(Buffer::PartialSums, access, "vec2<f32>");
                    }
                }
            }
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        RowParams::FIELDS
    }

    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        &[("rows", 0), ("rows_per_team", 0), ("teams", 0), ("row_step", 1), ("stats_stride", 0), ("affine_rows", 1)]
    }

    fn constants(&self) -> Vec<String> {
        let half_precision = flag("HALF_PRECISION", self.direction.x().is_half_precision());
        let mut constants = vec![flag("SHARED", self.shared), half_precision];
        match self.residency {
            Residency::Resident { full, .. } => constants.push(format!("const FULL: u32 = {full}u;")),
            Residency::Streamed { whole, .. } => {
                constants.extend([flag("WHOLE", whole), flag("EARLY_PEAK", self.finds_peaks_early())]);
            }
        }
        constants.extend(self.rotation().map(|rotation| rotation.constants(self.layout)).unwrap_or_default());
        constants.extend(self.quantized().map(Quantized::constants).unwrap_or_default());
        constants
    }

    fn file(&self) -> (&'static str, &'static str) {
        match self.residency {
            Residency::Resident { .. } => kernel!("row"),
            Residency::Streamed { .. } => kernel!("stream"),
        }
    }

    fn variants(&self) -> Vec<Variant> {
        let mut variants = roles::pack(self.layout);
        variants.push(roles::affine_table(self.affine, self.layout));
        variants.push(match self.order {
            Order::Memory => "in_order_of_memory",
            Order::Samples => "in_order_of_samples",
        });
        variants.extend(self.direction.variants(self.layout, self.scale));
        variants.extend(self.early().variants());
        variants.push(match self.layout {
            VectorLayout::Vec4x2 => "pairs_of_packs",
            _ if self.quantized().is_some_and(|quantized| quantized.fours) => "fours_of_packs",
            _ => "single_packs",
        });
        let perpendicular = self.layout == VectorLayout::Perpendicular;
        let sums = match self.residency {
            Residency::Resident { .. } => "write_partial_sums",
            Residency::Streamed { .. } if perpendicular => "add_partial_sums_perpendicular",
            Residency::Streamed { .. } => "add_partial_sums",
        };
        variants.push(if self.sums() { sums } else { "no_partial_sums" });
        match (self.residency, self.layout) {
            // Its position says which elements are in the row.
            (Residency::Resident { .. }, VectorLayout::HalfUnaligned) => {}
            (Residency::Resident { .. }, _) => variants.push("mask_packs"),
            // Sums of four rows are a pack, of one a number.
            (Residency::Streamed { .. }, VectorLayout::Perpendicular) => variants.push("sum_vec4"),
            (Residency::Streamed { .. }, _) => variants.extend(["along", "sum_scalar"]),
        }
        variants
    }
}
