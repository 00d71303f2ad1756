//! Splits: how teams share the groups of a reduction in each chunk, as contiguous runs or as columns.

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

/// A reduction whose groups several teams share.
pub(super) struct Split {
    pub workgroup_size: u32,
    /// Teams that share a group, in each chunk.
    pub splits: u32,
    /// Partial results of a group, in all chunks together.
    pub partials: u32,
    /// The fewest teams of a workgroup.
    teams: u32,
    /// Adjacent groups of a team.
    groups: u32,
}

impl Split {
    /// Workgroups for a part of the reduction.
    pub fn workgroups(&self, part: &Part) -> u64 {
        (u64::from(part.reduction.group_count() / self.groups) * u64::from(self.splits)).div_ceil(self.teams.into())
    }

    /// The index of the first partial result of chunk `at`. `apart`: the stride from one split to the next.
    pub fn first_partial(&self, at: usize, part: &Part, apart: u32) -> u32 {
        if part.shares { at as u32 * self.splits * apart } else { part.first_group }
    }
}

impl Problem<'_> {
    /// How teams share the groups of a reduction. `columns`: lanes own packs of its columns.
    pub(super) fn split(&self, reduction: Reduction, columns: bool, layout: VectorLayout, team: Team) -> Split {
        let caps = self.caps;
        // Chunks with parts of the same groups share the splits of a group too.
        let chunks = if reduction.part(0, self.chunks[0].len).shares { self.chunks.len() as u32 } else { 1 };
        let of = |workgroup_size, splits: u32, teams, groups| {
            let splits = splits.div_ceil(chunks);
            Split { workgroup_size, splits, partials: splits * chunks, teams, groups }
        };
        // A binding must hold all partial results, of 24 bytes at most.
        let allowed = caps.max_storage_buffer_binding_size / 24;
        let fits = |groups: u32| (allowed / u64::from(groups) / u64::from(chunks)) as u32 * chunks;
        if columns {
            let columns = reduction.by_columns();
            let fill = fill_columns(columns.group_count() / layout.elements(), caps).min(fits(columns.group_count()));
            let splits = splits(fill, columns.reduced.into(), VectorLayout::Scalar, 1);
            return of(SMALL_WORKGROUP, splits, SMALL_WORKGROUP, layout.elements());
        }
        let total = u64::from(reduction.reduced) * u64::from(reduction.inner / layout.elements());
        // Larger workgroups leave registers for few of them at a time.
        let lanes_wanted = (total / u64::from(REDUCE_BLOCK)).min(REDUCE_WORKGROUP.into()) as u32;
        let workgroup_size = workgroup_size(team, lanes_wanted, caps);
        let fill = fill(reduction.group_count(), team, caps).min(fits(reduction.group_count()));
        let splits = splits(fill, total, layout, lanes(team, workgroup_size, caps));
        of(workgroup_size, splits, teams(team, workgroup_size, caps), 1)
    }
}
