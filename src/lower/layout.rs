//! A tensor as rows: their vector layout, and the lookups of their statistics and weights.

use super::problem::Problem;
use crate::{
    caps::Offsets,
    geometry::{Broadcast, Lookup, Reduction},
    kernels::roles::{Given, Lookups},
    layout::{TableAccess, VectorLayout},
    rotary::Pairs,
};

/// A tensor as rows.
#[derive(Clone, Copy)]
pub(super) struct RowView {
    pub cols: u32,
    pub stat: Lookup,
    pub affine: Lookup,
    pub layout: VectorLayout,
    /// Whether lanes gather the values of all runs, also of runs of whole packs: one kernel for images of any size.
    pub gathers: bool,
}

/// The numbers that give a kernel the indices of a view's lookups.
pub(super) struct IndexMap {
    /// Rows, quotient, remainder and run of a [`Lookup`].
    pub stat: [u32; 4],
    pub affine: [u32; 4],
    /// The stride of the regions of statistics, in loads.
    pub stats_stride: u32,
}

impl RowView {
    /// How a kernel reads the table of a lookup.
    pub fn access(&self, lookup: Lookup) -> TableAccess {
        match lookup.columns {
            Broadcast::Row => TableAccess::Row,
            _ if self.layout == VectorLayout::HalfUnaligned => TableAccess::Gather,
            Broadcast::Element => TableAccess::Element,
            Broadcast::Run(run) if run.is_multiple_of(self.layout.elements()) && !self.gathers => TableAccess::Run,
            Broadcast::Run(_) => TableAccess::Gather,
        }
    }

    /// The numbers of the lookups. Each region has `statistics` values.
    pub fn index_map(&self, statistics: u32) -> IndexMap {
        let Self { layout, .. } = *self;
        // An index counts loads: packs, if each position of a row has its own value.
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

    /// The lookups of a kernel in which a lane keeps fixed values.
    pub fn lookups(&self, given: Given, [stats_fixed, affine_fixed]: [bool; 2]) -> Lookups {
        let (stats, affine) = (self.access(self.stat), self.access(self.affine));
        Lookups { given, stats, affine, stats_fixed, affine_fixed }
    }
}

impl Problem<'_> {
    /// The vector layout of rows of `cols` elements: vec4, if rows are whole packs, and the values that packs look up
    /// are too. The pairs of a rotary embedding lie in one pack each.
    pub(super) fn layout(&self, cols: u32, lookups: &[Lookup]) -> VectorLayout {
        let whole = |unit: u32| {
            self.caps.offsets != Offsets::Element
                && cols.is_multiple_of(4)
                && self.places(cols).is_ok_and(|places| places.are_multiples_of(unit))
                && lookups.iter().all(|lookup| lookup.suits(4))
        };
        match self.rotation().map(|rotation| rotation.pairs) {
            None | Some(Pairs::Neighbours) if whole(4) => VectorLayout::Vec4,
            None => VectorLayout::Scalar,
            Some(Pairs::Halves) if whole(2) => VectorLayout::Partners,
            Some(_) => VectorLayout::Singles,
        }
    }

    /// The lookup of weights, which may be parts of a wider tensor for each sample.
    fn affine_lookup(&self, cols: u32) -> Option<Lookup> {
        let lookup = self.affine.lookup(cols)?;
        let Some(stride) = self.options.sample_stride().filter(|_| self.affine.outer > 1) else { return Some(lookup) };
        let by_samples = lookup.quotient == self.affine.groups && lookup.remainder == 0;
        by_samples.then_some(Lookup { quotient: stride as u32, ..lookup })
    }

    /// The tensor as rows of `cols` elements, if both lookups exist for them.
    pub(super) fn view(&self, stats: Reduction, cols: u32) -> Option<RowView> {
        let (stat, affine) = (stats.lookup(cols)?, self.affine_lookup(cols)?);
        // A CPU takes up to 1.7 times as long to gather.
        let gathers = self.caps.few_kernels && !self.caps.cpu;
        let view = RowView { cols, stat, affine, layout: self.layout(cols, &[stat, affine]), gathers };
        self.places(cols).is_ok().then_some(view)
    }
}
