//! Forward passes.

use super::{
    Caps, KernelCall, Lowered, Method, Problem, Scratch, Slab, Strategy, Team,
    method::{
        MAX_TURNS, REDUCE_WORKGROUP, Rows, at_once, choose, fill, fill_columns, filling, full, lanes, largest_team,
        left_to_merge, merging_workgroups, registers, resident_rows, rounds, splits, streamed_rows, teams, together,
        turns_to_merge, workgroup_size,
    },
};
use crate::{
    error::{Error, Result},
    geometry::{Fold, Part},
    kernel::{
        key::{
            Forward, Given, Hold, KernelKey, Merged, Partials, REDUCE_BLOCK, SMALL_WORKGROUP, Saved, Scale, Tracking,
            Width, X,
        },
        params,
    },
    ops::{
        Options,
        definition::{Definition, Source},
    },
    tensor::{Slot, TensorSpec},
};

/// Lowers a forward pass.
pub(crate) fn forward(definition: &Definition, options: &Options, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
    let tensors = definition.forward(options);
    let Some(problem) = Problem::new(definition, options, &tensors, caps)? else {
        return Ok(Lowered::nothing(tensors));
    };
    let method = choose(&problem, strategy, true)?;
    let (calls, scratch) = match method {
        Method::Resident(team) => (problem.rows(team, false)?, Vec::new()),
        Method::Streamed(team) => (problem.rows(team, true)?, Vec::new()),
        Method::Split(_) | Method::Columns => {
            let (mut calls, mut scratch, stats) = problem.take_statistics(method, problem.x(), problem.saved())?;
            calls.extend(problem.apply(problem.taken(), stats)?);
            scratch.extend(problem.statistics_scratch(stats));
            (calls, scratch)
        }
        Method::Elementwise => match definition.source {
            Source::Running => (problem.apply(Given::Running, problem.stats)?, Vec::new()),
            Source::Batch { parts, .. } => {
                let parts = parts.unwrap_or(1) as u32;
                let merged = Merged::Statistics(problem.scale(), problem.saved());
                let mut calls = problem.finalize(Partials::Moments, parts, 1, merged)?;
                calls.extend(problem.apply(Given::Batch, problem.stats)?);
                (calls, problem.statistics_scratch(problem.stats).into_iter().collect())
            }
        },
    };
    Lowered::new(method, tensors, calls, scratch, caps)
}

/// Lowers what takes the moments of a part of a batch.
pub(crate) fn moments(
    definition: &Definition,
    options: &Options,
    tensors: Vec<TensorSpec>,
    caps: &Caps,
    strategy: Strategy,
) -> Result<Lowered> {
    // Of the whole batch, as far as this pass knows.
    let definition = &Definition { source: Source::Batch { parts: None, tracked: None }, ..definition.clone() };
    let Some(problem) = Problem::new(definition, options, &tensors, caps)? else {
        return Ok(Lowered::nothing(tensors));
    };
    let method = choose(&problem, strategy, false)?;
    let (mut calls, splits, scratch) = problem.partials(method, problem.x())?;
    calls.extend(problem.finalize(Partials::Scratch, splits, 1, Merged::Moments)?);
    Lowered::new(method, tensors, calls, vec![scratch], caps)
}

/// A reduction over a fold by teams that share what is kept, slab by slab.
pub(super) struct Shared {
    pub workgroup_size: u32,
    /// Of each slab.
    pub splits: u32,
    /// Partial results of what is kept, all slabs together.
    pub partials: u32,
    /// The fewest teams that a workgroup has.
    teams: u32,
    /// Neighbours of what is kept that belong to a team.
    width: u32,
}

impl Shared {
    /// Workgroups for a part of the fold.
    pub fn workgroups(&self, part: &Part) -> u64 {
        (u64::from(part.fold.kept_len() / self.width) * u64::from(self.splits)).div_ceil(self.teams.into())
    }

    /// Where the partial results of the part of the slab number `at` begin, `apart` from one split to the next.
    pub fn first_partial(&self, at: usize, part: &Part, apart: u32) -> u32 {
        if part.shares { at as u32 * self.splits * apart } else { part.first_kept }
    }
}

/// Packs that a lane of a cluster holds of a row that is short.
const SHORT_ROWS: u32 = 2;

/// Short rows of halves that a cluster goes through with weights that it decoded once: that takes longer than to load its part of a row.
const SHORT_HALVES_ROUNDS: u32 = 4;

impl Problem<'_> {
    fn forward(&self) -> Forward {
        let options = self.options;
        Forward {
            x: self.x(),
            affine: self.affine(),
            sum: options.residual_output.then_some(options.types.residual_output()),
            output: (!options.in_place).then_some(options.types.output()),
        }
    }

    /// Scratch for the statistics of a fold, unless they are kept: the mean's hi and lo, and rstd.
    pub(super) fn statistics_scratch(&self, stats: Fold) -> Option<Scratch> {
        let bytes = u64::from(stats.kept_len()) * 3 * 4;
        (!self.options.keep_statistics).then_some(Scratch { slot: Slot::Statistics, bytes })
    }

    fn saved(&self) -> Saved {
        match (self.options.save_stats, self.scale()) {
            (false, _) => Saved::None,
            (true, Scale::Variance) => Saved::MeanRstd,
            (true, _) => Saved::Rstd,
        }
    }

    /// The calls for rows that a team each goes through, `rounds` of them or of blocks of them, slab by slab. Their partial sums follow each
    /// other.
    pub(super) fn row_calls(
        &self,
        team: Team,
        rows: &Rows,
        hold: Hold,
        rounds: u32,
        key: &KernelKey,
    ) -> Result<Vec<KernelCall>> {
        let mut first_partial = 0;
        let calls = self.slabs.iter().map(|&slab| {
            let teams = rows.teams(slab.len, hold, rounds);
            let (params, workgroups) = self.row_params(slab, team, rows, rounds, teams, first_partial);
            first_partial += teams * self.stats.shared();
            self.call(slab, *key, &params, workgroups)
        });
        calls.collect()
    }

    /// Sums of a column that the teams of all slabs have.
    pub(super) fn row_partials(&self, rows: &Rows, hold: Hold, rounds: u32) -> u32 {
        self.slabs.iter().map(|slab| rows.teams(slab.len, hold, rounds)).sum()
    }

    /// The parameters of the kernels of rows, and how many workgroups there are.
    fn row_params(
        &self,
        slab: Slab,
        team: Team,
        rows: &Rows,
        rounds: u32,
        teams: u32,
        first_partial: u32,
    ) -> (params::Row, u64) {
        let [param_rows, param_quotient, param_remainder, param_run] = rows.view.place(self.stats.kept_len()).param;
        let len = self.stats.shared();
        let unit = rows.view.width.unit();
        let [stride, input_stride] = match rows.view.width {
            Width::Across => [self.stats.kept; 2],
            _ => [len, self.input_stride(len)],
        };
        let params = params::Row {
            rows: rows.count(slab.len),
            first: slab.first / len,
            packs: rows.packs,
            stride: stride / unit,
            input_stride: input_stride / unit,
            rounds,
            teams,
            elements: len,
            eps: self.options.eps,
            weight_offset: self.weight_offset(),
            stats_stride: self.stats.kept_len(),
            first_partial,
            param_rows,
            param_quotient,
            param_remainder,
            param_run,
            zero: 0,
        };
        let a_workgroup = self::teams(team, rows.workgroup_size(team, self.caps), self.caps);
        (params, teams.div_ceil(a_workgroup).into())
    }

    /// How a team goes through rows `rounds` times, where it is known whether all blocks are whole.
    pub(super) fn whole(&self, rows: &Rows, hold: Hold, rounds: u32) -> Hold {
        let Hold::Rows { at_once, .. } = hold else { return hold };
        let is_whole = |&slab: &Slab| {
            let teams = rows.teams(slab.len, hold, rounds);
            u64::from(rows.count(slab.len)) == u64::from(teams) * u64::from(at_once * rounds)
        };
        Hold::Rows { at_once, whole: self.slabs.iter().all(is_whole) }
    }

    /// Rows that belong to a team each.
    fn rows(&self, team: Team, streamed: bool) -> Result<Vec<KernelCall>> {
        let (rows, hold) = self.hold(team, streamed)?;
        let workgroup_size = rows.workgroup_size(team, self.caps);
        let rounds = self.rounds(team, &rows, hold);
        let hold = self.whole(&rows, hold, rounds);
        let key = KernelKey::Row {
            team,
            workgroup_size,
            hold,
            width: rows.view.width,
            scale: self.scale(),
            params: rows.view.by(rows.view.param),
            shared: rows.shares_weights(hold, rounds),
            forward: self.forward(),
            saved: self.saved(),
        };
        self.row_calls(team, &rows, hold, rounds, &key)
    }

    /// Rows that a team goes through, or blocks of rows.
    pub(super) fn rounds(&self, team: Team, rows: &Rows, hold: Hold) -> u32 {
        match hold {
            // A block shares what it loads, and what rows don't share is not worth a longer life of a team.
            Hold::Rows { .. } => 1,
            Hold::Registers { .. } if !rows.shared => 1,
            Hold::Registers { packs, .. } => {
                let tuning = &self.caps.tuning;
                let is_short = team == Team::Cluster && packs <= SHORT_ROWS;
                let least = if is_short && self.has_halves() { SHORT_HALVES_ROUNDS } else { 1 };
                let most = tuning.rounds.max(least);
                let workgroup_size = rows.workgroup_size(team, self.caps);
                let filling = filling(tuning.workgroups, team, workgroup_size, self.caps);
                rounds(rows.count(self.stats.len()), filling, most)
            }
        }
    }

    /// The problem as rows, and how a team goes through them; `choose` saw to it that it is one.
    pub(super) fn hold(&self, team: Team, streamed: bool) -> Result<(Rows, Hold)> {
        let method = if streamed { Method::Streamed(team) } else { Method::Resident(team) };
        let rows = if streamed { streamed_rows(self, team) } else { resident_rows(self) };
        let rows = rows.ok_or_else(|| Error::Unsupported {
            what: format!("the method {method}"),
            why: "its statistics are not those of rows".into(),
        })?;
        if streamed {
            let workgroup_size = rows.workgroup_size(team, self.caps);
            let at_once = at_once(rows.count(self.stats.len()), team, workgroup_size, self.caps);
            return Ok((rows, Hold::Rows { at_once, whole: false }));
        }
        let rows = rows.in_pairs(team, self);
        let packs = registers(&rows, team, self.caps)?;
        let hold = Hold::Registers { packs, full: full(&rows, team, self.caps) };
        Ok((rows, hold))
    }

    /// Takes the statistics of the input: the calls, their scratch, and how the statistics lie in it.
    pub(super) fn take_statistics(
        &self,
        method: Method,
        x: X,
        saved: Saved,
    ) -> Result<(Vec<KernelCall>, Vec<Scratch>, Fold)> {
        let (stats, members) = match method {
            Method::Columns => (self.stats.columns(), self.stats.inner),
            _ => (self.stats, 1),
        };
        let (mut calls, splits, partials) = self.partials(method, x)?;
        let merged = Merged::Statistics(self.scale(), saved);
        let kind = if self.scale().is_norm() { Partials::Norms } else { Partials::Scratch };
        calls.extend(self.finalize(kind, splits, members, merged)?);
        Ok((calls, vec![partials], stats))
    }

    /// What the statistics are that this op takes.
    pub(super) fn taken(&self) -> Given {
        if self.scale().is_norm() { Given::Norms } else { Given::Batch }
    }

    /// Partial statistics, and how many there are of what is kept.
    fn partials(&self, method: Method, x: X) -> Result<(Vec<KernelCall>, u32, Scratch)> {
        let (norm, magnitudes) = (self.scale().is_norm(), self.scale() == Scale::L1);
        let columns = method == Method::Columns;
        let whole = if columns { self.stats.columns() } else { self.stats };
        let width = self.width(if columns { whole.kept } else { whole.inner }, &[]);
        let team = match method {
            Method::Split(team) => team,
            _ => largest_team(self.caps),
        };
        let shared = self.shared(self.stats, columns, width, team);
        let splits = shared.splits;
        let partial_stride = whole.kept_len();
        let mut calls = Vec::new();
        for (at, (slab, part)) in self.parts(whole).enumerate() {
            let Fold { outer, reduced, kept, inner } = part.fold;
            let first_partial = shared.first_partial(at, &part, partial_stride);
            let workgroups = shared.workgroups(&part);
            calls.push(if columns {
                let key = if norm {
                    KernelKey::NormsColumns { width, x, magnitudes }
                } else {
                    KernelKey::MomentsColumns { width, x }
                };
                let (rows, columns) = (reduced, kept);
                let params =
                    params::MomentsColumns { outer, rows, columns, splits, first_partial, partial_stride, zero: 0 };
                self.call(slab, key, &params, workgroups)?
            } else {
                let workgroup_size = shared.workgroup_size;
                let key = if norm {
                    KernelKey::Norms { team, workgroup_size, width, x, magnitudes }
                } else {
                    KernelKey::Moments { team, workgroup_size, width, x }
                };
                let params = params::Moments {
                    groups: part.fold.kept_len(),
                    reduced,
                    kept,
                    packs: inner / width.elements(),
                    input_packs: self.input_stride(inner) / width.elements(),
                    splits,
                    first_partial,
                    partial_stride,
                    zero: 0,
                };
                self.call(slab, key, &params, workgroups)?
            });
        }
        let bytes = u64::from(partial_stride) * u64::from(shared.partials) * 16;
        Ok((calls, shared.partials, Scratch { slot: Slot::Partials, bytes }))
    }

    /// How teams share what is kept of a fold: contiguous runs of it, or its columns.
    pub(super) fn shared(&self, fold: Fold, columns: bool, width: Width, team: Team) -> Shared {
        let caps = self.caps;
        // Slabs that have a part of each sum share its splits too.
        let slabs = if fold.part(0, self.slabs[0].len).shares { self.slabs.len() as u32 } else { 1 };
        let of = |workgroup_size, splits: u32, teams, width| {
            let splits = splits.div_ceil(slabs);
            Shared { workgroup_size, splits, partials: splits * slabs, teams, width }
        };
        // No more than a binding holds partial results of, which have 24 bytes at most.
        let fits =
            |kept: u32| (caps.max_storage_buffer_binding_size / 24 / u64::from(kept) / u64::from(slabs)) as u32 * slabs;
        if columns {
            let columns = fold.columns();
            let fill = fill_columns(columns.kept_len() / width.elements(), caps).min(fits(columns.kept_len()));
            let splits = splits(fill, columns.reduced.into(), Width::X1, 1);
            return of(SMALL_WORKGROUP, splits, SMALL_WORKGROUP, width.elements());
        }
        let total = u64::from(fold.reduced) * u64::from(fold.inner / width.elements());
        // Larger ones leave registers to few of them at a time.
        let lanes_wanted = (total / u64::from(REDUCE_BLOCK)).min(REDUCE_WORKGROUP.into()) as u32;
        let workgroup_size = workgroup_size(team, lanes_wanted, caps);
        let fill = fill(fold.kept_len(), team, caps).min(fits(fold.kept_len()));
        let splits = splits(fill, total, width, lanes(team, workgroup_size, caps));
        of(workgroup_size, splits, teams(team, workgroup_size, caps), 1)
    }

    /// Merges partial statistics. A group has `members` columns with statistics of their own.
    fn finalize(&self, partials: Partials, splits: u32, members: u32, merged: Merged) -> Result<Vec<KernelCall>> {
        let tracked = self.tracked();
        let (tracking, old_weight, new_weight) = match tracked.map(|tracked| tracked.convention.weights()) {
            None => (Tracking::None, 0.0, 0.0),
            Some(Some((old, new))) => (Tracking::Fixed, old as f32, new as f32),
            Some(None) => (Tracking::Cumulative, 0.0, 0.0),
        };
        // Groups are merged on their own, unless running statistics average over some of them.
        let (outer, groups) =
            if tracked.is_some() { (self.stats.outer, self.stats.kept) } else { (1, self.stats.kept_len()) };
        // No more than there are elements.
        let apart = self.stats.kept_len() * members;
        let merged_by_one = outer.saturating_mul(members);
        let left = if partials == Partials::Moments { splits } else { left_to_merge(splits, merged_by_one, self.caps) };
        if turns_to_merge(u64::from(merged_by_one) * u64::from(left), members) > MAX_TURNS.into() {
            return Err(Error::Unsupported {
                what: format!("{merged_by_one} times {splits} partial statistics of a channel"),
                why: format!("an invocation merges them, and goes through {} at most", MAX_TURNS / 2),
            });
        }
        let params = params::Finalize {
            outer,
            groups,
            members,
            partials: left * apart,
            stats_stride: apart,
            eps: self.options.eps,
            old_weight,
            new_weight,
            correction: tracked.map_or(0.0, |tracked| tracked.convention.correction()),
            zero: 0,
        };
        let call = |merged, tracking, params: params::Finalize| {
            let of_group = params.partials / (params.outer * params.groups);
            let together = together(of_group, self.caps);
            let low = tracking != Tracking::None && tracked.is_some_and(|tracked| tracked.low);
            let key = KernelKey::Finalize { together, partials, merged, tracking, low };
            let workgroups = merging_workgroups(&key, params.groups, together);
            KernelCall::new(key, &params, workgroups, self.caps)
        };
        let mut calls = Vec::new();
        if left < splits {
            let params =
                params::Finalize { outer: 1, groups: left * apart, members: 1, partials: splits * apart, ..params };
            calls.push(call(Merged::Partials, Tracking::None, params)?);
        }
        if tracking == Tracking::Cumulative {
            calls.push(KernelCall::new(KernelKey::Count, &[0u8; 0], 1, self.caps)?);
        }
        calls.push(call(merged, tracking, params)?);
        Ok(calls)
    }

    /// Applies statistics that lie as the fold says.
    fn apply(&self, given: Given, stats: Fold) -> Result<Vec<KernelCall>> {
        let calls = self.slabs.iter().map(|&slab| {
            let walk = self.walk(stats, slab)?;
            let lookups = walk.view.lookups(given, walk.fixed);
            let key = KernelKey::Apply { width: walk.view.width, lookups, forward: self.forward() };
            let (params, workgroups) = self.walk_params(&walk, stats);
            self.call(slab, key, &params, workgroups)
        });
        calls.collect()
    }
}
