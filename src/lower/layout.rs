//! A tensor seen as rows: which vector layout fits them, and how a kernel finds the statistics and weights of a row.

use super::problem::Problem;
use crate::{
    geometry::{Broadcast, Lookup, Reduction},
    kernels::roles::{Given, Lookups},
    layout::{TableAccess, VectorLayout},
};

/// A tensor seen as rows.
#[derive(Clone, Copy)]
pub(super) struct RowView {
    pub cols: u32,
    pub stat: Lookup,
    pub affine: Lookup,
    pub layout: VectorLayout,
}

/// The numbers by which a kernel finds what a view looks up.
pub(super) struct IndexMap {
    /// Rows, quotient, remainder, run.
    pub stat: [u32; 4],
    pub affine: [u32; 4],
    /// From one region of statistics to the next, in what a load gives.
    pub stats_stride: u32,
}

impl RowView {
    /// How a kernel reads what is looked up.
    pub fn access(&self, lookup: Lookup) -> TableAccess {
        match lookup.columns {
            Broadcast::Row => TableAccess::Row,
            _ if self.layout == VectorLayout::HalfUnaligned => TableAccess::Gather,
            Broadcast::Element => TableAccess::Element,
            Broadcast::Run(run) if run.is_multiple_of(self.layout.elements()) => TableAccess::Run,
            Broadcast::Run(_) => TableAccess::Gather,
        }
    }

    /// The numbers of the lookups, where there are `statistics` of each kind.
    pub fn index_map(&self, statistics: u32) -> IndexMap {
        let Self { layout, .. } = *self;
        // An index counts what a load gives: packs where each position has its own.
        let unit = |lookup| if self.access(lookup) == TableAccess::Element { layout.table_unit() } else { 1 };
        let numbers = |lookup: Lookup| {
            let run = match lookup.columns {
                Broadcast::Run(run) if self.access(lookup) == TableAccess::Run => run / layout.table_unit(),
                Broadcast::Run(run) => run,
                _ => 1,
            };
            [lookup.rows, lookup.quotient / unit(lookup), lookup.remainder / unit(lookup), run]
        };
        let stats_stride = statistics / unit(self.stat);
        IndexMap { stat: numbers(self.stat), affine: numbers(self.affine), stats_stride }
    }

    /// The lookups of a kernel in which a lane keeps what is fixed.
    pub fn lookups(&self, given: Given, [stats_fixed, affine_fixed]: [bool; 2]) -> Lookups {
        let (stats, affine) = (self.access(self.stat), self.access(self.affine));
        Lookups { given, stats, affine, stats_fixed, affine_fixed }
    }
}

impl Problem<'_> {
    /// The layout of rows of `cols` elements: vec4, if rows are whole packs and so are the values that packs look up.
    pub(super) fn layout(&self, cols: u32, lookups: &[Lookup]) -> VectorLayout {
        let whole = cols.is_multiple_of(4) && self.input_stride(cols).is_multiple_of(4);
        if whole && lookups.iter().all(|lookup| lookup.suits(4)) { VectorLayout::Vec4 } else { VectorLayout::Scalar }
    }

    /// The tensor as rows of `cols`, where both lookups exist in them.
    pub(super) fn view(&self, stats: Reduction, cols: u32) -> Option<RowView> {
        let (stat, affine) = (stats.lookup(cols)?, self.affine.lookup(cols)?);
        let view = RowView { cols, stat, affine, layout: self.layout(cols, &[stat, affine]) };
        self.definition.row_stride.is_none_or(|(len, _)| len as u32 == cols).then_some(view)
    }
}
