//! The passes that compute statistics which several teams share: partial statistics, and their merge.

use super::{
    KernelCall, Passes, Scratch,
    occupancy::{MAX_TURNS, largest_team, left_to_merge, merges_by_workgroup, merging_workgroups, turns_to_merge},
    problem::Problem,
};
use crate::{
    error::{Error, Result},
    geometry::Reduction,
    kernels::{
        finalize::{Count, Finalize, FinalizeParams, Merged, Partials, Tracking},
        moments::{ColumnsParams, Moments, MomentsParams, Over},
        roles::{Saved, X},
    },
    types::Method,
    wgsl::storage::Buffer,
};

impl Problem<'_> {
    /// Computes the statistics of the input. Returns their geometry.
    pub(super) fn take_statistics(&self, passes: &mut Passes, method: Method, x: X, saved: Saved) -> Result<Reduction> {
        let (stats, members) = match method {
            Method::Columns => (self.stats.by_columns(), self.stats.inner),
            _ => (self.stats, 1),
        };
        let splits = self.partial_statistics(passes, method, x)?;
        let partials = if self.scale().is_norm() { Partials::Norms } else { Partials::Scratch };
        passes.calls.extend(self.finalize(partials, splits, members, Merged::Statistics(self.scale(), saved))?);
        self.statistics_scratch(passes, stats);
        Ok(stats)
    }

    /// Scratch for statistics (the mean as hi and lo, and rstd), unless they are a tensor of the op.
    pub(super) fn statistics_scratch(&self, passes: &mut Passes, stats: Reduction) {
        if !self.has_statistics_tensor() {
            let bytes = u64::from(stats.group_count()) * 3 * 4;
            passes.scratch.push(Scratch { buffer: Buffer::Tensor(crate::Slot::Statistics), bytes });
        }
    }

    /// Computes partial statistics. Returns how many each group has.
    pub(super) fn partial_statistics(&self, passes: &mut Passes, method: Method, x: X) -> Result<u32> {
        let norm = Some(self.scale()).filter(|scale| scale.is_norm());
        let columns = method == Method::Columns;
        let whole = if columns { self.stats.by_columns() } else { self.stats };
        let cols = if columns { whole.groups } else { whole.inner };
        let layout = self.layout(cols, &[]);
        let team = match method {
            Method::Split(team) => team,
            _ => largest_team(self.caps),
        };
        let split = self.split(self.stats, columns, layout, team);
        let splits = split.splits;
        let partial_stride = whole.group_count();
        for (at, (chunk, part)) in self.parts(whole).enumerate() {
            let Reduction { outer, reduced, groups, inner } = part.reduction;
            let first_partial = split.first_partial(at, &part, partial_stride);
            let workgroups = split.workgroups(&part);
            passes.calls.push(if columns {
                let kernel = Moments { over: Over::Columns, layout, x, norm };
                let (rows, columns) = (reduced, groups);
                let params = ColumnsParams { outer, rows, columns, splits, first_partial, partial_stride, zero: 0 };
                self.call(chunk, cols, kernel, &params, workgroups)?
            } else {
                let over = Over::Runs { team, workgroup_size: split.workgroup_size };
                let params = MomentsParams {
                    all_groups: part.reduction.group_count(),
                    reduced,
                    groups,
                    packs: inner / layout.elements(),
                    splits,
                    first_partial,
                    partial_stride,
                    zero: 0,
                };
                self.call(chunk, cols, Moments { over, layout, x, norm }, &params, workgroups)?
            });
        }
        let bytes = u64::from(partial_stride) * u64::from(split.partials) * 16;
        passes.scratch.push(Scratch { buffer: Buffer::Partials, bytes });
        Ok(split.partials)
    }

    /// Merges partial statistics. A group has `members` columns with statistics of their own.
    pub(super) fn finalize(
        &self,
        partials: Partials,
        splits: u32,
        members: u32,
        merged: Merged,
    ) -> Result<Vec<KernelCall>> {
        let tracked = self.tracked();
        let (tracking, old_weight, new_weight) = match tracked.map(|tracked| tracked.convention.weights()) {
            None => (Tracking::None, 0.0, 0.0),
            Some(Some((old, new))) => (Tracking::Fixed, old as f32, new as f32),
            Some(None) => (Tracking::Cumulative, 0.0, 0.0),
        };
        // A merge has one group, unless running statistics average over several groups.
        let (outer, groups) =
            if tracked.is_some() { (self.stats.outer, self.stats.groups) } else { (1, self.stats.group_count()) };
        // At most the number of elements.
        let apart = self.stats.group_count() * members;
        let merged_by_one = outer.saturating_mul(members);
        let left = if partials == Partials::Moments { splits } else { left_to_merge(splits, merged_by_one, self.caps) };
        if turns_to_merge(u64::from(merged_by_one) * u64::from(left), members) > MAX_TURNS.into() {
            return Err(Error::Unsupported {
                what: format!("{merged_by_one} times {splits} partial statistics of a channel"),
                why: format!("an invocation merges them, and goes through {} at most", MAX_TURNS / 2),
            });
        }
        let params = FinalizeParams {
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
        let call = |merged, tracking, params: FinalizeParams| {
            let of_group = params.partials / (params.outer * params.groups);
            let by_workgroup = merges_by_workgroup(of_group, merged != Merged::Partials, self.caps);
            let low = tracking != Tracking::None && tracked.is_some_and(|tracked| tracked.low);
            let kernel = Finalize { by_workgroup, partials, merged, tracking, low };
            KernelCall::new(kernel, &params, merging_workgroups(params.groups, by_workgroup), self.caps)
        };
        let mut calls = Vec::new();
        if left < splits {
            let params =
                FinalizeParams { outer: 1, groups: left * apart, members: 1, partials: splits * apart, ..params };
            calls.push(call(Merged::Partials, Tracking::None, params)?);
        }
        if tracking == Tracking::Cumulative {
            calls.push(KernelCall::new(Count, &[0u8; 0], 1, self.caps)?);
        }
        calls.push(call(merged, tracking, params)?);
        Ok(calls)
    }
}
