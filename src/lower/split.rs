//! How teams share the groups of a reduction, chunk by chunk: contiguous runs, or columns.

use super::{
    occupancy::{REDUCE_WORKGROUP, fill, fill_columns, lanes, splits, teams, workgroup_size},
    problem::Problem,
};
use crate::{
    geometry::{Part, Reduction},
    kernels::{REDUCE_BLOCK, SMALL_WORKGROUP},
    layout::VectorLayout,
    types::Team,
};

/// A reduction whose groups are shared.
pub(super) struct Split {
    pub workgroup_size: u32,
    /// Teams that share a group in each chunk.
    pub splits: u32,
    /// Partial results of a group, of all chunks together.
    pub partials: u32,
    /// The fewest teams that a workgroup has.
    teams: u32,
    /// Neighbouring groups that belong to a team.
    groups: u32,
}

impl Split {
    /// Workgroups for a part of the reduction.
    pub fn workgroups(&self, part: &Part) -> u64 {
        (u64::from(part.reduction.group_count() / self.groups) * u64::from(self.splits)).div_ceil(self.teams.into())
    }

    /// Where the partial results of the part of chunk number `at` begin, `apart` from one split to the next.
    pub fn first_partial(&self, at: usize, part: &Part, apart: u32) -> u32 {
        if part.shares { at as u32 * self.splits * apart } else { part.first_group }
    }
}

impl Problem<'_> {
    /// How teams share the groups of a reduction; `columns`: lanes own packs of its columns.
    pub(super) fn split(&self, reduction: Reduction, columns: bool, layout: VectorLayout, team: Team) -> Split {
        let caps = self.caps;
        // Chunks that have a part of each group share its splits too.
        let chunks = if reduction.part(0, self.chunks[0].len).shares { self.chunks.len() as u32 } else { 1 };
        let of = |workgroup_size, splits: u32, teams, groups| {
            let splits = splits.div_ceil(chunks);
            Split { workgroup_size, splits, partials: splits * chunks, teams, groups }
        };
        // No more than a binding holds partial results of, which have 24 bytes at most.
        let allowed = caps.max_storage_buffer_binding_size / 24;
        let fits = |groups: u32| (allowed / u64::from(groups) / u64::from(chunks)) as u32 * chunks;
        if columns {
            let columns = reduction.by_columns();
            let fill = fill_columns(columns.group_count() / layout.elements(), caps).min(fits(columns.group_count()));
            let splits = splits(fill, columns.reduced.into(), VectorLayout::Scalar, 1);
            return of(SMALL_WORKGROUP, splits, SMALL_WORKGROUP, layout.elements());
        }
        let total = u64::from(reduction.reduced) * u64::from(reduction.inner / layout.elements());
        // Larger ones leave registers to few of them at a time.
        let lanes_wanted = (total / u64::from(REDUCE_BLOCK)).min(REDUCE_WORKGROUP.into()) as u32;
        let workgroup_size = workgroup_size(team, lanes_wanted, caps);
        let fill = fill(reduction.group_count(), team, caps).min(fits(reduction.group_count()));
        let splits = splits(fill, total, layout, lanes(team, workgroup_size, caps));
        of(workgroup_size, splits, teams(team, workgroup_size, caps), 1)
    }
}
