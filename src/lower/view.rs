//! The tensor seen as rows, with where its statistics and weights are, and how lanes walk through it.

use super::{Problem, Slab};
use crate::{
    error::{Error, Result},
    geometry::{Columns, Fold, Lookup},
    kernel::{
        key::{By, Given, Lookups, SMALL_WORKGROUP, Width},
        params,
    },
};

/// A tensor seen as rows.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub cols: u32,
    pub stat: Lookup,
    pub param: Lookup,
    pub width: Width,
}

/// The numbers of a view's lookups, for a kernel of its width.
pub(super) struct Place {
    /// Rows, quotient, remainder, run.
    pub stat: [u32; 4],
    pub param: [u32; 4],
    /// From one region of statistics to the next, in what a load gives.
    pub stats_stride: u32,
}

impl View {
    /// What a lookup depends on inside a row.
    pub fn by(&self, lookup: Lookup) -> By {
        By::new(lookup.columns, self.width)
    }

    /// The numbers of the lookups, where there are `statistics` of each kind.
    pub fn place(&self, statistics: u32) -> Place {
        let Self { width, .. } = *self;
        // An index counts what a load gives: packs where each position has its own.
        let unit = |lookup| if self.by(lookup) == By::Position { width.table_unit() } else { 1 };
        let numbers = |lookup: Lookup| {
            let run = match lookup.columns {
                Columns::Runs(run) if self.by(lookup) == By::Run => run / width.table_unit(),
                Columns::Runs(run) => run,
                _ => 1,
            };
            [lookup.rows, lookup.quotient / unit(lookup), lookup.remainder / unit(lookup), run]
        };
        Place { stat: numbers(self.stat), param: numbers(self.param), stats_stride: statistics / unit(self.stat) }
    }

    /// The lookups of a kernel in which a lane keeps what is fixed.
    pub fn lookups(&self, given: Given, [stats_fixed, params_fixed]: [bool; 2]) -> Lookups {
        let (stats, params) = (self.by(self.stat), self.by(self.param));
        Lookups { given, stats, params, stats_fixed, params_fixed }
    }
}

/// How the lanes of an elementwise kernel walk: through the steps of `[blocks, steps, packs]`.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub view: View,
    /// Whether the steps of a block share their statistics, and their weights.
    pub fixed: [bool; 2],
    blocks: u32,
    steps: u32,
    packs: u32,
    input_block: u32,
    input_step: u32,
    /// Rows of the view, in which lookups count: the first, and from one block and from one step to the next.
    first_place: u32,
    place_block: u32,
    place_step: u32,
    /// Columns of the view from one step to the next.
    column_step: u32,
}

impl Walk {
    /// Loads and stores for an element: those of a table count less the longer a lane keeps what they give.
    fn cost(&self, longest: u32) -> f64 {
        let View { stat, param, width, .. } = self.view;
        let elements = f64::from(width.elements());
        let kept = f64::from(self.steps.min(longest));
        let table = |loads: f64, lookup: Lookup, fixed| {
            let by = self.view.by(lookup);
            let each = if matches!(by, By::Position | By::Gathered) { elements } else { 1.0 };
            loads * each / if fixed { kept } else { 1.0 }
        };
        // Single elements take a third longer than packs, in a copy.
        let moved = if width == Width::X1 { 4.0 / 3.0 } else { elements };
        // Input and output; mean as hi and lo, and rstd; weight and bias.
        (2.0 * moved + table(3.0, stat, self.fixed[0]) + table(2.0, param, self.fixed[1])) / elements
    }
}

impl Problem<'_> {
    /// Elements from one row of the input to the next, where the tensor is seen as rows of `cols`.
    pub(super) fn input_stride(&self, cols: u32) -> u32 {
        // Rows that are apart are seen as rows and nothing else; with the padding they are few enough for u32.
        self.definition.row_stride.map_or(cols, |(_, stride)| stride as u32)
    }

    /// The widest packs of which rows of `cols` elements are made, with a position in a pack for each that a table has one for.
    pub(super) fn width(&self, cols: u32, lookups: &[Lookup]) -> Width {
        let whole = cols.is_multiple_of(4) && self.input_stride(cols).is_multiple_of(4);
        if whole && lookups.iter().all(|lookup| lookup.suits(4)) { Width::X4 } else { Width::X1 }
    }

    /// The tensor as rows of `cols`, where both lookups exist in them.
    pub(super) fn view(&self, stats: Fold, cols: u32) -> Option<View> {
        let (stat, param) = (stats.lookup(cols)?, self.params.lookup(cols)?);
        let view = View { cols, stat, param, width: self.width(cols, &[stat, param]) };
        self.definition.row_stride.is_none_or(|(len, _)| len as u32 == cols).then_some(view)
    }

    /// The cheapest walk through a slab, with statistics that lie as `stats` says.
    pub(super) fn walk(&self, stats: Fold, slab: Slab) -> Result<Walk> {
        let params = self.params;
        let cols = [stats.inner, params.inner, stats.kept * stats.inner, params.kept * params.inner];
        let whole_rows = |cols: &u32| slab.first.is_multiple_of(*cols) && slab.len.is_multiple_of(*cols);
        let views = cols.into_iter().filter(whole_rows).filter_map(|cols| self.view(stats, cols));
        let walks = views.flat_map(|view| self.walks(view, slab));
        let longest = self.caps.tuning.walk;
        walks.min_by(|a, b| a.cost(longest).total_cmp(&b.cost(longest))).ok_or_else(|| Error::Unsupported {
            what: format!("the shape {:?}", self.definition.shape),
            why: "no kernel finds its statistics and weights".into(),
        })
    }

    /// Walks through a slab in a view: down its columns, through as many rows as share a statistic, a weight, or neither; and along
    /// its rows.
    fn walks(&self, view: View, slab: Slab) -> Vec<Walk> {
        let packs = view.cols / view.width.elements();
        let (first_row, rows) = (slab.first / view.cols, slab.len / view.cols);
        let input_row = self.input_stride(view.cols) / view.width.elements();
        // An index without a remainder changes after this many rows, of which the slab may have a part.
        let period = |lookup: Lookup| match lookup {
            Lookup { remainder: 1.., .. } => 1,
            Lookup { rows: share, .. } if first_row / share == (first_row + rows - 1) / share => rows,
            Lookup { rows: share, .. } if first_row.is_multiple_of(share) => share,
            _ => 1,
        };
        let periods = [view.stat, view.param].map(period);
        let down =
            [periods[0], periods[1], 1].into_iter().filter(|&steps| rows.is_multiple_of(steps)).map(|steps| Walk {
                view,
                fixed: periods.map(|period| period.is_multiple_of(steps)),
                blocks: rows / steps,
                steps,
                packs,
                input_block: steps * input_row,
                input_step: input_row,
                first_place: first_row,
                place_block: steps,
                place_step: 1,
                column_step: 0,
            });
        let along = Walk {
            view,
            fixed: [view.stat, view.param].map(|lookup| lookup.columns == Columns::Whole),
            blocks: rows,
            steps: packs,
            packs: 1,
            input_block: input_row,
            input_step: 1,
            first_place: first_row,
            place_block: 1,
            place_step: 0,
            column_step: 1,
        };
        down.chain([along]).collect()
    }

    /// The parameters of an elementwise kernel, and how many workgroups there are.
    pub(super) fn walk_params(&self, walk: &Walk, stats: Fold) -> (params::Apply, u64) {
        let Walk {
            view,
            blocks,
            steps,
            packs,
            input_block,
            input_step,
            first_place,
            place_block,
            place_step,
            column_step,
            ..
        } = *walk;
        let Place {
            stat: [stat_rows, stat_quotient, stat_remainder, stat_run],
            param: [param_rows, param_quotient, param_remainder, param_run],
            stats_stride,
        } = view.place(stats.kept_len());
        let tuning = &self.caps.tuning;
        let splits = steps.div_ceil(tuning.walk).max(tuning.adjacent.div_ceil(packs)).min(steps);
        let params = params::Apply {
            blocks,
            steps,
            packs,
            splits,
            input_block,
            input_step,
            first_place,
            place_block,
            place_step,
            column_step,
            eps: self.options.eps,
            weight_offset: self.weight_offset(),
            stats_stride,
            stat_rows,
            stat_quotient,
            stat_remainder,
            stat_run,
            param_rows,
            param_quotient,
            param_remainder,
            param_run,
            zero: 0,
        };
        let lanes = u64::from(blocks) * u64::from(splits) * u64::from(packs);
        (params, lanes.div_ceil(SMALL_WORKGROUP.into()))
    }
}
