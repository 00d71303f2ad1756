//! Occupancy: the lanes, teams and workgroups that fill a device, and the length of an invocation's loops.

use crate::{
    caps::Caps,
    kernels::{
        CLUSTER, MERGE_LANES, MERGE_STORAGE, MERGE_WORKGROUP, REDUCE_BLOCK, SMALL_WORKGROUP, TEAM_WORKGROUPS,
        WIDE_SUBGROUP_WORKGROUP,
    },
    layout::VectorLayout,
    types::Team,
};

/// The largest team that is not slow: without a barrier on a CPU, a workgroup on a GPU.
pub(super) fn largest_team(caps: &Caps) -> Team {
    match (caps.cpu, caps.subgroup_size.is_some()) {
        (true, true) => Team::Subgroup,
        (true, false) => Team::Lane,
        (false, true) => Team::WorkgroupSubgroups,
        (false, false) => Team::Workgroup,
    }
}

/// The teams that fill a device. `workgroups`: the workgroups of up to 64 lanes that fill it.
pub(super) fn filling(workgroups: u32, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    let workgroups = workgroups.div_ceil(workgroup_size.div_ceil(SMALL_WORKGROUP));
    workgroups.saturating_mul(teams(team, workgroup_size, caps))
}

/// Rows per team: at most `max`, and few enough that the teams fill the device.
pub(super) fn rows_per_team(rows: u32, filling: u32, max: u32) -> u32 {
    let rows_per_team = (rows / filling).clamp(1, max);
    // All teams get the same number.
    rows.div_ceil(rows.div_ceil(rows_per_team))
}

/// Rows that a team streams at once: as many as the tuning table says if the teams then fill half of the device, else
/// one. So there are few kernels over all numbers of rows.
pub(super) fn streamed_at_once(rows: u32, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    let filling = filling(caps.tuning.workgroups, team, workgroup_size, caps);
    let most = caps.tuning.stream_rows;
    if rows / filling >= most.div_ceil(2) { most } else { 1 }
}

/// The workgroup size for a team that should have this many lanes.
pub(super) fn workgroup_size(team: Team, lanes: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane | Team::Cluster if !caps.cpu => SHORT_ROWS_WORKGROUP.min(caps.max_workgroup_size),
        // A CPU runs the invocations of a workgroup in sequence. In small workgroups, rows spread evenly, and few teams
        // have no row.
        Team::Lane => CPU_WORKGROUP,
        Team::Cluster | Team::Subgroup => match caps.subgroup_size {
            Some((min, max)) if caps.cpu && min == max => max,
            Some((_, max)) if max > SMALL_WORKGROUP => WIDE_SUBGROUP_WORKGROUP,
            _ => SMALL_WORKGROUP,
        },
        Team::Workgroup | Team::WorkgroupSubgroups => {
            let allowed = TEAM_WORKGROUPS.into_iter().filter(|&size| size <= caps.max_workgroup_size);
            let enough = allowed.clone().find(|&size| size >= lanes);
            // If the device does not allow the smallest, KernelCall::new returns an error.
            enough.or(allowed.max()).unwrap_or(TEAM_WORKGROUPS[0])
        }
    }
}

/// Lanes of a workgroup with many short rows: small workgroups take a GPU longer to launch than to run.
const SHORT_ROWS_WORKGROUP: u32 = 256;

/// Lanes of a workgroup with one row, unless each would hold too many packs of it.
pub(super) const WIDE_WORKGROUP: u32 = 256;

/// Lanes, at most, of a workgroup that is a team and shares a group with other teams.
pub(super) const REDUCE_WORKGROUP: u32 = 256;

/// Lanes of a workgroup on a CPU, if each is a team: two or four SIMD vectors.
const CPU_WORKGROUP: u32 = 16;

/// Lanes of a workgroup that keep a CPU thread busy: one SIMD vector.
pub(super) const CPU_LANES: u32 = 4;

/// The most elements of a partial result: an f32 counts exactly up to here.
pub(super) const MAX_PARTIAL: u64 = 1 << 24;

/// The most steps of a lane's loop. LLVM-based adapters of Mesa up to 22 silently end all loops of an invocation after
/// 65,535 iterations in total. A streamed backward pass takes up to a little more than three for each pack. On a GPU,
/// the watchdog ends a lane that runs for long.
pub(super) const MAX_STEPS: u32 = 15_000;

/// The most iterations of an invocation that merges: with a margin below those 65,535.
pub(super) const MAX_TURNS: u32 = 60_000;

/// The iterations of an invocation that merges `results` and writes the result of each of `members`. On lavapipe of
/// Mesa 22, an iteration of the merging loop counts twice (measured).
pub(super) fn turns_to_merge(results: u64, members: u32) -> u64 {
    2 * results + u64::from(members)
}

/// The most columns of a group with a partial result each.
pub(super) const MAX_MEMBERS: u32 = MAX_TURNS / 3;

/// Whether workgroups can merge many partial results on this device, and should.
fn can_merge_by_workgroup(caps: &Caps) -> bool {
    let fits = caps.max_workgroup_size >= MERGE_WORKGROUP && caps.max_workgroup_storage >= MERGE_STORAGE;
    caps.tuning.merge_by_workgroup == 1 && fits
}

/// Whether the lanes of a workgroup share a group with this many partial results. `last`: whether the pass leaves
/// nothing to merge. With `few_kernels` one kernel is the last pass of any number. Earlier passes have many groups.
pub(super) fn merges_by_workgroup(of_group: u32, last: bool, caps: &Caps) -> bool {
    (of_group > MERGE_LANES / 2 || (last && caps.few_kernels)) && can_merge_by_workgroup(caps)
}

/// The workgroups of a kernel that merges this many groups.
pub(super) fn merging_workgroups(groups: u32, by_workgroup: bool) -> u64 {
    let of_workgroup = if by_workgroup { MERGE_WORKGROUP / MERGE_LANES } else { SMALL_WORKGROUP };
    groups.div_ceil(of_workgroup).into()
}

/// The number of partial results that a first pass leaves for the merge, of the `splits` of each of `members`. It runs
/// if one invocation, or the lanes of one group, would take too long. A GPU waits longer for a lone invocation than for
/// that pass.
pub(super) fn left_to_merge(splits: u32, members: u32, caps: &Caps) -> u32 {
    let by_workgroup = can_merge_by_workgroup(caps);
    let at_once: u32 = match (by_workgroup, caps.cpu) {
        (true, _) => 2048,
        (false, true) => 1024,
        (false, false) => 64,
    };
    if u64::from(splits) * u64::from(members) <= at_once.into() {
        return splits;
    }
    // Lone invocations merge the same number in both passes.
    let left = if by_workgroup { at_once / members } else { (splits / members).isqrt() };
    left.max(1)
}

/// Teams for each of the groups, so that all teams fill a device.
pub(super) fn fill(groups: u32, team: Team, caps: &Caps) -> u32 {
    match (team, caps.cpu) {
        // The lanes of a SIMD vector should read adjacent memory, so they share a group.
        (Team::Lane, true) => 256_u32.div_ceil(groups).max(32),
        (Team::Lane, false) => (1_u32 << 16).div_ceil(groups),
        (Team::Cluster | Team::Subgroup, true) => 16_u32.div_ceil(groups),
        (Team::Cluster | Team::Subgroup, false) => 4096_u32.div_ceil(groups),
        (Team::Workgroup | Team::WorkgroupSubgroups, _) => 1024_u32.div_ceil(groups),
    }
}

/// Lanes for each pack of columns, so that all lanes fill a device. Lanes of adjacent columns read adjacent memory.
pub(super) fn fill_columns(packs: u32, caps: &Caps) -> u32 {
    if caps.cpu { 256_u32.div_ceil(packs) } else { (1_u32 << 16).div_ceil(packs) }
}

/// The teams that share a group of `packs`: enough to `fill` the device, few enough that each has a block of packs.
pub(super) fn splits(fill: u32, packs: u64, layout: VectorLayout, lanes: u32) -> u32 {
    let useful = (packs / u64::from(lanes * REDUCE_BLOCK)).max(1);
    let counted = (packs * u64::from(layout.elements())).div_ceil(MAX_PARTIAL);
    let ended = packs.div_ceil(u64::from(MAX_STEPS) * u64::from(lanes * REDUCE_BLOCK));
    let needed = counted.max(ended);
    // All three are below 2^31, as the number of elements is.
    u64::from(fill).min(useful).max(needed) as u32
}

/// Lanes of a team. Where the size of subgroups varies, a team is a part of one that every size has.
pub(super) fn lanes(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => 1,
        Team::Cluster => CLUSTER,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(min, _)| min.max(1)),
        Team::Workgroup | Team::WorkgroupSubgroups => workgroup_size,
    }
}

/// Teams of a workgroup.
pub(super) fn teams(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    workgroup_size / lanes(team, workgroup_size, caps)
}
