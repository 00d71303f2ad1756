//! The merge of partial statistics (`kernels/finalize.wgsl`), which also updates running statistics. For a cumulative
//! average, `kernels/count.wgsl` counts the batch first.

use super::{
    Code, MERGE_BLOCK, MERGE_STORAGE, MERGE_WORKGROUP, ParamField, SMALL_WORKGROUP, params,
    roles::{self, Buffers, Saved},
};
use crate::{
    layout::VectorLayout,
    slot::Slot,
    tensor::Access,
    types::Scale,
    wgsl::{
        Variant, kernel,
        storage::{Buffer, Element, Storage},
    },
};

/// The source of partial statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Partials {
    Scratch,
    /// Scratch too, with the sums of a norm.
    Norms,
    /// The caller: the moments of the parts of a batch.
    Moments,
}

/// The result of the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Merged {
    Statistics(Scale, Saved),
    /// The moments of one part of a batch or of a row, for the caller.
    Moments(Scale),
    /// Fewer partial statistics.
    Partials,
}

/// The update of running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tracking {
    None,
    Fixed,
    Cumulative,
}

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Finalize {
    /// Whether the lanes of a workgroup share a group.
    pub by_workgroup: bool,
    pub partials: Partials,
    pub merged: Merged,
    pub tracking: Tracking,
    /// Whether running statistics have lo parts.
    pub low: bool,
}

params! {
    /// `kernels/finalize.wgsl`
    FinalizeParams {
        outer: u32,
        groups: u32,
        members: u32,
        partials: u32,
        stats_stride: u32,
        eps: f32,
        old_weight: f32,
        new_weight: f32,
        correction: f32,
        zero: u32,
    }
}

impl Code for Finalize {
    fn workgroup_size(&self) -> u32 {
        if self.by_workgroup { MERGE_WORKGROUP } else { SMALL_WORKGROUP }
    }

    fn workgroup_storage(&self) -> u32 {
        if self.by_workgroup { MERGE_STORAGE } else { 0 }
    }

    fn scale(&self) -> Option<Scale> {
        match self.merged {
            Merged::Statistics(scale, _) => Some(scale),
            Merged::Moments(_) | Merged::Partials => None,
        }
    }

    fn block(&self) -> u32 {
        MERGE_BLOCK
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(VectorLayout::Scalar);
        match self.partials {
            Partials::Scratch | Partials::Norms => buffers.raw(Buffer::Partials, Access::ReadWrite, "vec4<f32>"),
            Partials::Moments => buffers.other(Slot::Moments, Access::Read, Element::Vec4),
        }
        match self.merged {
            Merged::Statistics(_, saved) => {
                saved.bind(&mut buffers);
                buffers.values(&[Slot::Statistics], Access::Write);
            }
            Merged::Moments(_) => buffers.other(Slot::Moments, Access::Write, Element::Vec4),
            // The kernel overwrites the partial statistics that it merged.
            Merged::Partials => {}
        }
        if self.tracking != Tracking::None {
            buffers.values(&[Slot::RunningMean, Slot::RunningVar], Access::ReadWrite);
        }
        if self.low {
            buffers.values(&[Slot::RunningLow], Access::ReadWrite);
        }
        if self.tracking == Tracking::Cumulative {
            buffers.other(Slot::NumBatchesTracked, Access::Read, Element::Word);
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        FinalizeParams::FIELDS
    }

    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        &[("groups", 1), ("partials", 0), ("stats_stride", 0)]
    }

    fn constants(&self) -> Vec<String> {
        Vec::new()
    }

    fn file(&self) -> (&'static str, &'static str) {
        kernel!("finalize")
    }

    fn variants(&self) -> Vec<Variant> {
        let real = roles::real(VectorLayout::Scalar);
        let mut variants = vec![real, roles::merging(self.by_workgroup)];
        variants.extend(match self.partials {
            Partials::Scratch => ["merge_moments", "scratch_partials"],
            Partials::Norms => ["merge_norms", "scratch_partials"],
            Partials::Moments => ["merge_moments", "given_moments"],
        });
        match self.merged {
            Merged::Statistics(scale, saved) => {
                let norms = scale.is_norm();
                let statistics = if norms { "to_norm" } else { "to_statistics" };
                variants.extend([saved.variant(), statistics]);
            }
            Merged::Moments(Scale::Variance) => variants.push("to_moments"),
            Merged::Moments(_) => variants.push("to_squares"),
            Merged::Partials => variants.push("to_partials"),
        }
        match self.tracking {
            Tracking::None => variants.push("untracked"),
            tracking => variants.extend([
                if tracking == Tracking::Fixed { "fixed_momentum" } else { "cumulative_average" },
                if self.low { "running_hi_lo" } else { "running_f32" },
                "tracked",
            ]),
        }
        variants
    }
}

/// The key of the kernel that counts batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Count;

impl Code for Count {
    fn workgroup_size(&self) -> u32 {
        1
    }

    fn block(&self) -> u32 {
        1
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(VectorLayout::Scalar);
        buffers.other(Slot::NumBatchesTracked, Access::ReadWrite, Element::Word);
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        &[]
    }

    fn constants(&self) -> Vec<String> {
        Vec::new()
    }

    fn file(&self) -> (&'static str, &'static str) {
        kernel!("count")
    }

    fn variants(&self) -> Vec<Variant> {
        Vec::new()
    }
}
