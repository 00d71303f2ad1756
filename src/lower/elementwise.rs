//! The elementwise pass, in either direction. The statistics are given, and lanes take packs in a grid-stride walk.

use super::{
    KernelCall,
    chunks::Chunk,
    layout::{IndexMap, RowView},
    problem::Problem,
};
use crate::{
    error::{Error, Result},
    geometry::{Broadcast, Lookup, Reduction},
    kernels::{
        SMALL_WORKGROUP,
        apply::{Apply, ApplyParams, Direction},
        roles::Given,
    },
    layout::{TableAccess, VectorLayout},
};

/// The grid-stride walk of an elementwise kernel: each lane walks through steps of `[blocks, steps, packs]`.
#[derive(Clone, Copy)]
struct GridStride {
    view: RowView,
    /// Whether all steps of a block share their statistics, and whether they share their weights.
    fixed: [bool; 2],
    blocks: u32,
    steps: u32,
    packs: u32,
    /// The rows of the lookups: the first row, the stride of the blocks, and the stride of the steps.
    first_row: u32,
    block_rows: u32,
    step_rows: u32,
    /// The columns of the lookups from one step to the next.
    column_step: u32,
}

impl GridStride {
    /// Loads and stores per element. Those of a table count less, the longer a lane keeps their values.
    fn cost(&self, longest: u32) -> f64 {
        let RowView { stat, affine, layout, .. } = self.view;
        let elements = f64::from(layout.elements());
        let uses = f64::from(self.steps.min(longest));
        let table = |loads: f64, lookup: Lookup, fixed| {
            let access = self.view.access(lookup);
            let each = if matches!(access, TableAccess::Element | TableAccess::Gather) { elements } else { 1.0 };
            loads * each / if fixed { uses } else { 1.0 }
        };
        // Single elements take a third longer than packs in a copy.
        let moved = if layout == VectorLayout::Scalar { 4.0 / 3.0 } else { elements };
        // Input and output; mean as hi and lo, and rstd; weight and bias.
        (2.0 * moved + table(3.0, stat, self.fixed[0]) + table(2.0, affine, self.fixed[1])) / elements
    }
}

impl Problem<'_> {
    /// The calls that apply statistics with the geometry `stats`: for each chunk, one for each of `directions`.
    pub(super) fn elementwise(
        &self,
        given: Given,
        stats: Reduction,
        directions: &[Direction],
    ) -> Result<Vec<KernelCall>> {
        let mut calls = Vec::new();
        for &chunk in &self.chunks {
            let walk = self.walk(stats, chunk)?;
            let lookups = walk.view.lookups(given, walk.fixed);
            let (params, workgroups) = self.walk_params(&walk, stats);
            for &direction in directions {
                let kernel = Apply { layout: walk.view.layout, lookups, direction };
                calls.push(self.call(chunk, walk.view.cols, kernel, &params, workgroups)?);
            }
        }
        Ok(calls)
    }

    /// The cheapest walk through a chunk, for statistics with the geometry `stats`.
    fn walk(&self, stats: Reduction, chunk: Chunk) -> Result<GridStride> {
        let affine = self.affine;
        let cols = [stats.inner, affine.inner, stats.groups * stats.inner, affine.groups * affine.inner];
        let whole_rows = |cols: &u32| chunk.first.is_multiple_of(*cols) && chunk.len.is_multiple_of(*cols);
        let views = cols.into_iter().filter(whole_rows).filter_map(|cols| self.view(stats, cols));
        let walks = views.flat_map(|view| walks(view, chunk));
        let longest = self.caps.tuning.packs_per_lane;
        walks.min_by(|a, b| a.cost(longest).total_cmp(&b.cost(longest))).ok_or_else(|| {
            let of_strides = cols.into_iter().find_map(|cols| self.places(cols).err());
            of_strides.unwrap_or_else(|| Error::Unsupported {
                what: format!("the shape {:?}", self.definition.shape),
                why: "no kernel finds its statistics and weights".into(),
            })
        })
    }

    /// The parameters of an elementwise kernel, and its number of workgroups.
    fn walk_params(&self, walk: &GridStride, stats: Reduction) -> (ApplyParams, u64) {
        let GridStride { view, blocks, steps, packs, first_row, block_rows, step_rows, column_step, .. } = *walk;
        let IndexMap {
            stat: [stat_rows, stat_quotient, stat_remainder, stat_run],
            affine: [affine_rows, affine_quotient, affine_remainder, affine_run],
            stats_stride,
        } = view.index_map(stats.group_count());
        let tuning = &self.caps.tuning;
        let splits = steps.div_ceil(tuning.packs_per_lane).max(tuning.adjacent_lanes.div_ceil(packs)).min(steps);
        let params = ApplyParams {
            blocks,
            steps,
            packs,
            splits,
            first_row,
            block_rows,
            step_rows,
            column_step,
            eps: self.options.eps,
            weight_offset: self.weight_offset(),
            stats_stride,
            stat_rows,
            stat_quotient,
            stat_remainder,
            stat_run,
            affine_rows,
            affine_quotient,
            affine_remainder,
            affine_run,
            zero: 0,
        };
        let lanes = u64::from(blocks) * u64::from(splits) * u64::from(packs);
        (params, lanes.div_ceil(SMALL_WORKGROUP.into()))
    }
}

/// The walks through a chunk in a view. Walks down the columns take as many rows as share a statistic, a weight, or
/// neither. One more walk goes along the rows.
fn walks(view: RowView, chunk: Chunk) -> Vec<GridStride> {
    let packs = view.cols / view.layout.elements();
    let (first_row, rows) = (chunk.first / view.cols, chunk.len / view.cols);
    // An index without a remainder changes after a period of rows. The chunk may have a part of a period.
    let period = |lookup: Lookup| match lookup {
        Lookup { remainder: 1.., .. } => 1,
        Lookup { rows: share, .. } if first_row / share == (first_row + rows - 1) / share => rows,
        Lookup { rows: share, .. } if first_row.is_multiple_of(share) => share,
        _ => 1,
    };
    let periods = [view.stat, view.affine].map(period);
    let down =
        [periods[0], periods[1], 1].into_iter().filter(|&steps| rows.is_multiple_of(steps)).map(|steps| GridStride {
            view,
            fixed: periods.map(|period| period.is_multiple_of(steps)),
            blocks: rows / steps,
            steps,
            packs,
            first_row,
            block_rows: steps,
            step_rows: 1,
            column_step: 0,
        });
    let along = GridStride {
        view,
        fixed: [view.stat, view.affine].map(|lookup| lookup.columns == Broadcast::Row),
        blocks: rows,
        steps: packs,
        packs: 1,
        first_row,
        block_rows: 1,
        step_rows: 0,
        column_step: 1,
    };
    down.chain([along]).collect()
}
