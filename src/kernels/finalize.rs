//! The merge of partial statistics (`kernels/finalize.wgsl`), which also updates running statistics. For a cumulative
//! average, `kernels/count.wgsl` counts the batch first.

use super::{
    Code, MERGE_BLOCK, MERGE_STORAGE, MERGE_WORKGROUP, ParamField, SMALL_WORKGROUP, params,
    roles::{self, Buffers, Saved},
};
use crate::{
    layout::VectorLayout,
    tensor::{Access, Slot},
    types::Scale,
    wgsl::{
        Part, part,
        storage::{Buffer, Storage},
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
    /// The moments of one part of a batch, for the caller.
    Moments,
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

    fn block(&self) -> u32 {
        MERGE_BLOCK
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(VectorLayout::Scalar);
        match self.partials {
            Partials::Scratch | Partials::Norms => buffers.raw(Buffer::Partials, Access::ReadWrite, "vec4<f32>"),
            Partials::Moments => buffers.raw(Buffer::Tensor(Slot::Moments), Access::Read, "vec4<f32>"),
        }
        match self.merged {
            Merged::Statistics(_, saved) => {
                saved.bind(&mut buffers);
                buffers.values(&[Slot::Statistics], Access::Write);
            }
            Merged::Moments => buffers.raw(Buffer::Tensor(Slot::Moments), Access::Write, "vec4<f32>"),
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
            buffers.raw(Buffer::Tensor(Slot::NumBatchesTracked), Access::Read, "u32");
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        FinalizeParams::FIELDS
    }

    fn constants(&self) -> Vec<String> {
        Vec::new()
    }

    fn parts(&self) -> Vec<Part> {
        let real = roles::real(VectorLayout::Scalar);
        let mut parts = vec![real, part!("parts/real/two_sum"), roles::merging(self.by_workgroup)];
        parts.extend(match self.partials {
            Partials::Scratch => [part!("parts/merge/moments"), part!("parts/partials/scratch")],
            Partials::Norms => [part!("parts/merge/norms"), part!("parts/partials/scratch")],
            Partials::Moments => [part!("parts/merge/moments"), part!("parts/partials/moments")],
        });
        match self.merged {
            Merged::Statistics(scale, saved) => {
                let norms = scale.is_norm();
                let statistics = if norms { part!("parts/merged/norms") } else { part!("parts/merged/statistics") };
                parts.extend(roles::scale(scale));
                parts.extend([saved.part(), statistics]);
            }
            Merged::Moments => parts.push(part!("parts/merged/moments")),
            Merged::Partials => parts.push(part!("parts/merged/partials")),
        }
        match self.tracking {
            Tracking::None => parts.push(part!("parts/running/none")),
            tracking => parts.extend([
                if tracking == Tracking::Fixed {
                    part!("parts/running/fixed")
                } else {
                    part!("parts/running/cumulative")
                },
                if self.low { part!("parts/running/pairs") } else { part!("parts/running/numbers") },
                part!("parts/running/tracked"),
            ]),
        }
        parts.push(part!("kernels/finalize"));
        parts
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
        buffers.raw(Buffer::Tensor(Slot::NumBatchesTracked), Access::ReadWrite, "u32");
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        &[]
    }

    fn constants(&self) -> Vec<String> {
        Vec::new()
    }

    fn parts(&self) -> Vec<Part> {
        vec![part!("kernels/count")]
    }
}
