//! Sums of gradients over the groups of the statistics, or of the weight. In `kernels/sums.wgsl`, teams share
//! contiguous runs. In `kernels/sums_columns.wgsl`, each lane owns a pack of columns.

use super::{
    Code, ParamField, REDUCE_BLOCK, SMALL_WORKGROUP, flag, params,
    roles::{self, AffineGradients, Buffers, Gradient, Lookups},
};
use crate::{
    layout::VectorLayout,
    tensor::Access,
    types::Team,
    wgsl::{
        Variant, kernel,
        storage::{Buffer, Storage},
    },
};

/// The elements that a lane or a team sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Over {
    Runs {
        team: Team,
        workgroup_size: u32,
    },
    Columns {
        /// Rows that a lane sums before it adds them to its total.
        block: u32,
        /// The gradients that the sums are, if a lane has whole columns.
        gradients: Option<AffineGradients>,
    },
}

/// The key of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sums {
    pub over: Over,
    pub layout: VectorLayout,
    pub lookups: Lookups,
    pub gradient: Gradient,
    /// Whether the kernel multiplies the gradient by the weight.
    pub weighted: bool,
    /// Whether the groups are those of the statistics, so that normalized values have a mean of zero over each.
    pub zero_mean: bool,
}

params! {
    /// `kernels/sums.wgsl`, `kernels/sums_columns.wgsl`
    SumsParams {
        outer: u32,
        reduced: u32,
        groups: u32,
        packs: u32,
        splits: u32,
        first_row: u32,
        first_partial: u32,
        partial_stride: u32,
        eps: f32,
        weight_offset: f32,
        stats_stride: u32,
        stat_rows: u32,
        stat_quotient: u32,
        stat_remainder: u32,
        stat_run: u32,
        affine_rows: u32,
        affine_quotient: u32,
        affine_remainder: u32,
        affine_run: u32,
        whole: u32,
        mean_share: f32,
        zero: u32,
    }
}

impl Code for Sums {
    fn workgroup_size(&self) -> u32 {
        match self.over {
            Over::Runs { workgroup_size, .. } => workgroup_size,
            Over::Columns { .. } => SMALL_WORKGROUP,
        }
    }

    fn team(&self) -> Option<Team> {
        match self.over {
            Over::Runs { team, .. } => Some(team),
            Over::Columns { .. } => None,
        }
    }

    fn block(&self) -> u32 {
        match self.over {
            Over::Runs { .. } => REDUCE_BLOCK,
            Over::Columns { block, .. } => block,
        }
    }

    fn storage(&self) -> Vec<Storage> {
        let mut buffers = Buffers::new(self.layout);
        self.gradient.bind(&mut buffers, self.lookups.affine);
        if let Over::Columns { gradients: Some(gradients), .. } = self.over {
            self.lookups.bind_statistics(&mut buffers, Access::Read);
            gradients.bind(&mut buffers);
        } else {
            self.lookups.bind_statistics(&mut buffers, Access::ReadWrite);
            buffers.raw(Buffer::PartialSums, Access::Write, "GroupSums");
        }
        buffers.list()
    }

    fn uniform(&self) -> &'static [ParamField] {
        SumsParams::FIELDS
    }

    fn fields_of_call(&self) -> &'static [(&'static str, u32)] {
        &[
            ("outer", 1),
            ("reduced", 0),
            ("groups", 1),
            ("splits", 1),
            ("partial_stride", 0),
            ("stats_stride", 0),
            ("stat_rows", 1),
            ("affine_rows", 1),
        ]
    }

    fn constants(&self) -> Vec<String> {
        let mut lines = self.lookups.constants();
        lines.extend([flag("WEIGHTED", self.weighted), flag("ZERO_MEAN", self.zero_mean)]);
        lines
    }

    fn file(&self) -> (&'static str, &'static str) {
        match self.over {
            Over::Runs { .. } => kernel!("sums"),
            Over::Columns { .. } => kernel!("sums_columns"),
        }
    }

    fn variants(&self) -> Vec<Variant> {
        let mut variants = roles::pack(self.layout);
        variants.extend([roles::real(self.layout)]);
        variants.extend(self.lookups.variants(self.layout));
        variants.extend(self.gradient.variants());
        match self.over {
            Over::Runs { .. } => {}
            Over::Columns { gradients: None, .. } => variants.push("partial_column_sums"),
            Over::Columns { gradients: Some(gradients), .. } => {
                variants.extend(gradients.variants());
                variants.push("column_gradients");
            }
        }
        variants
    }
}
