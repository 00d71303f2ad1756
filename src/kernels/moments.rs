//! Partial statistics of each group: `kernels/moments.wgsl`. Norms have no mean and need f32's whole range:
//! `kernels/norms.wgsl`. By columns: `kernels/moments_columns.wgsl` and `kernels/norms_columns.wgsl`.

use super::{
    Code, ParamField, REDUCE_BLOCK, SMALL_WORKGROUP, params,
    roles::{self, Buffers, X},
};
use crate::{
    layout::VectorLayout,
    tensor::Access,
    types::{Scale, Team},
    wgsl::{
        Variant, kernel,
        storage::{Buffer, Storage},
    },
};

/// The elements that a lane or a team reduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Over {
    /// Contiguous runs, which teams share.
    Runs { team: Team, workgroup_size: u32 },
    /// Columns of a matrix: a lane for each pack of columns.
    Columns,
}

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Moments {
    pub over: Over,
    pub layout: VectorLayout,
    pub x: X,
    /// The norm whose sums these are, at three powers of two. `None`: mean and squared deviations.
    pub norm: Option<Scale>,
}

params! {
    /// `kernels/moments.wgsl`, `kernels/norms.wgsl`
    MomentsParams {
        all_groups: u32,
        reduced: u32,
        groups: u32,
        packs: u32,
        splits: u32,
        first_partial: u32,
        partial_stride: u32,
        zero: u32,
    }
}
params! {
    /// `kernels/moments_columns.wgsl`, `kernels/norms_columns.wgsl`
    ColumnsParams {
        outer: u32,
        rows: u32,
        columns: u32,
        splits: u32,
        first_partial: u32,
        partial_stride: u32,
        zero: u32,
    }
}

impl Code for Moments {
    fn workgroup_size(&self) -> u32 {
        match self.over {
            Over::Runs { workgroup_size, .. } => workgroup_size,
            Over::Columns => SMALL_WORKGROUP,
        }
    }

    fn team(&self) -> Option<Team> {
        match self.over {
            Over::Runs { team, .. } => Some(team),
            Over::Columns => None,
        }
    }

    fn scale(&self) -> Option<Scale> {
        self.norm
    }

    fn block(&self) -> u32 {
        REDUCE_BLOCK
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(self.layout);
        self.x.bind(&mut buffers, false, false);
        buffers.raw(Buffer::Partials, Access::Write, "vec4<f32>");
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        match self.over {
            Over::Runs { .. } => MomentsParams::FIELDS,
            Over::Columns => ColumnsParams::FIELDS,
        }
    }

    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        match self.over {
            Over::Runs { .. } => &[("all_groups", 1), ("groups", 1), ("splits", 1), ("partial_stride", 0)],
            Over::Columns => &[("outer", 1), ("splits", 1), ("partial_stride", 0)],
        }
    }

    fn constants(&self) -> Vec<String> {
        Vec::new()
    }

    fn file(&self) -> (&'static str, &'static str) {
        match (self.norm, self.over) {
            (None, Over::Runs { .. }) => kernel!("moments"),
            (None, Over::Columns) => kernel!("moments_columns"),
            (Some(_), Over::Runs { .. }) => kernel!("norms"),
            (Some(_), Over::Columns) => kernel!("norms_columns"),
        }
    }

    fn variants(&self) -> Vec<Variant> {
        let mut variants = roles::pack(self.layout);
        variants.extend(self.x.variants());
        variants.push(roles::real(match (self.norm, self.over) {
            // A lane sums single numbers, or packs of its columns.
            (None, Over::Runs { .. }) => VectorLayout::Scalar,
            _ => self.layout,
        }));
        variants
    }
}
