//! The merge of partial sums of gradients: `kernels/merge_sums.wgsl`. It gives the gradients of weight and bias, and
//! the coefficients of the statistics' gradient.

use super::{
    Code, MERGE_BLOCK, MERGE_STORAGE, MERGE_WORKGROUP, ParamField, SMALL_WORKGROUP, flag, params,
    roles::{self, AffineGradients, Buffers},
};
use crate::{
    layout::{TableAccess, VectorLayout},
    slot::Slot,
    tensor::{Access, DType},
    types::Scale,
    wgsl::{
        Variant, kernel,
        storage::{Buffer, Storage},
    },
};

/// The coefficients of the statistics' gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Coefficients {
    pub scale: Scale,
    /// The weight by which the merge multiplies the sums.
    pub weight: Option<DType>,
    /// Whether the statistics are a tensor that the forward pass wrote.
    pub saved: bool,
}

/// The result of the merge, besides the gradients of weight and bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Merged {
    Nothing,
    /// Fewer partial sums.
    Partials,
    Coefficients(Coefficients),
    /// The sums of one part of a batch, for the caller.
    GradSums,
    /// The coefficients, of the sums of all parts of a batch that the caller gives, with the weight for these.
    OfParts(Option<DType>),
}

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MergeSums {
    /// Whether the lanes of a workgroup share a group.
    pub by_workgroup: bool,
    /// Whether partial sums are f32, not hi and lo.
    pub numbers: bool,
    pub merged: Merged,
    pub gradients: AffineGradients,
}

params! {
    /// `kernels/merge_sums.wgsl`
    MergeSumsParams {
        groups: u32,
        members: u32,
        copies: u32,
        partials: u32,
        weights: u32,
        stats_stride: u32,
        count: f32,
        eps: f32,
        weight_offset: f32,
        whole: u32,
        zero: u32,
    }
}

impl MergeSums {
    /// The weight by which the merge multiplies the sums.
    fn weight(&self) -> Option<DType> {
        match self.merged {
            Merged::Coefficients(Coefficients { weight, .. }) | Merged::OfParts(weight) => weight,
            Merged::Nothing | Merged::Partials | Merged::GradSums => None,
        }
    }

    fn is_weighted(&self) -> bool {
        self.weight().is_some()
    }
}

impl Code for MergeSums {
    fn workgroup_size(&self) -> u32 {
        if self.by_workgroup { MERGE_WORKGROUP } else { SMALL_WORKGROUP }
    }

    fn workgroup_storage(&self) -> u32 {
        if self.by_workgroup { MERGE_STORAGE } else { 0 }
    }

    fn scale(&self) -> Option<Scale> {
        match self.merged {
            Merged::Coefficients(Coefficients { scale, .. }) => Some(scale),
            Merged::Nothing | Merged::Partials | Merged::GradSums | Merged::OfParts(_) => None,
        }
    }

    fn block(&self) -> u32 {
        MERGE_BLOCK
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(VectorLayout::Scalar);
        let sums = if self.numbers { "vec2<f32>" } else { "GroupSums" };
        match self.merged {
            Merged::OfParts(_) => buffers.raw(Buffer::Tensor(Slot::GradSums), Access::Read, "vec4<f32>"),
            _ => buffers.raw(Buffer::PartialSums, Access::ReadWrite, sums),
        }
        self.gradients.bind(&mut buffers);
        buffers.table(Buffer::Tensor(Slot::Weight), Access::Read, self.weight(), TableAccess::Row);
        match self.merged {
            Merged::Nothing | Merged::Partials => {}
            Merged::Coefficients(Coefficients { saved, .. }) => {
                buffers.values(&[Slot::Statistics], if saved { Access::Read } else { Access::ReadWrite });
                buffers.values(&[Slot::Coefficients], Access::Write);
            }
            Merged::GradSums => buffers.raw(Buffer::Tensor(Slot::GradSums), Access::Write, "vec4<f32>"),
            Merged::OfParts(_) => buffers.values(&[Slot::Coefficients], Access::Write),
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        MergeSumsParams::FIELDS
    }

    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        &[("groups", 1), ("partials", 0), ("stats_stride", 0)]
    }

    fn constants(&self) -> Vec<String> {
        vec![flag("WEIGHTED", self.is_weighted())]
    }

    fn file(&self) -> (&'static str, &'static str) {
        kernel!("merge_sums")
    }

    fn variants(&self) -> Vec<Variant> {
        let mut variants = roles::pack(VectorLayout::Scalar);
        variants.extend(["sum_vec2", "affine_row"]);
        variants.push(match (self.merged, self.numbers) {
            (Merged::OfParts(_), _) => "from_parts",
            (_, true) => "from_numbers",
            (_, false) => "from_hi_lo",
        });
        variants.extend([roles::merging(self.by_workgroup), roles::weight(self.is_weighted())]);
        match self.merged {
            Merged::Nothing => variants.push("to_nothing"),
            Merged::Partials => variants.push("to_partial_sums"),
            Merged::Coefficients(_) => variants.push("to_coefficients"),
            Merged::GradSums => variants.push("to_grad_sums"),
            Merged::OfParts(_) => variants.push("to_coefficients_of_parts"),
        }
        variants.extend(self.gradients.variants());
        variants
    }
}
