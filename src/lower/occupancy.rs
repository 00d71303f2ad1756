//! How many lanes, teams and workgroups fill a device, and how long one invocation may run.

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

/// Teams that fill the device, which so many workgroups of up to 64 lanes do.
pub(super) fn filling(workgroups: u32, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    let workgroups = workgroups.div_ceil(workgroup_size.div_ceil(SMALL_WORKGROUP));
    workgroups.saturating_mul(teams(team, workgroup_size, caps))
}

/// Rows that each team goes through: at most `max`, and so few that there are as many teams as fill the device.
pub(super) fn rows_per_team(rows: u32, filling: u32, max: u32) -> u32 {
    let rows_per_team = (rows / filling).clamp(1, max);
    // As many for each.
    rows.div_ceil(rows.div_ceil(rows_per_team))
}

/// Rows that a team streams at once: as many as share a loaded weight, and so few that there are as many teams as fill the device.
pub(super) fn streamed_at_once(rows: u32, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    let filling = filling(caps.tuning.workgroups, team, workgroup_size, caps);
    let most = rows_per_team(rows, filling, caps.tuning.stream_rows);
    // A power of two: there are few kernels then.
    1 << most.ilog2()
}

/// The workgroup size for a team that should have so many lanes.
pub(super) fn workgroup_size(team: Team, lanes: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane | Team::Cluster if !caps.cpu => SHORT_ROWS_WORKGROUP.min(caps.max_workgroup_size),
        // A CPU runs what a workgroup has one after the other: where that is little, rows spread evenly, and few teams are without one.
        Team::Lane => CPU_WORKGROUP,
        Team::Cluster | Team::Subgroup => match caps.subgroup_size {
            Some((min, max)) if caps.cpu && min == max => max,
            Some((_, max)) if max > SMALL_WORKGROUP => WIDE_SUBGROUP_WORKGROUP,
            _ => SMALL_WORKGROUP,
        },
        Team::Workgroup | Team::WorkgroupSubgroups => {
            let allowed = TEAM_WORKGROUPS.into_iter().filter(|&size| size <= caps.max_workgroup_size);
            let enough = allowed.clone().find(|&size| size >= lanes);
            // Where not even the smallest is allowed, KernelCall::new says so.
            enough.or(allowed.max()).unwrap_or(TEAM_WORKGROUPS[0])
        }
    }
}

/// Lanes of a workgroup that has many short rows: it takes a GPU longer to begin small ones than to finish them.
const SHORT_ROWS_WORKGROUP: u32 = 256;

/// Lanes of a workgroup that has a row, unless they would residency too much of it.
pub(super) const WIDE_WORKGROUP: u32 = 256;

/// Lanes of a workgroup that is a team and shares a group with others, at most.
pub(super) const REDUCE_WORKGROUP: u32 = 256;

/// Lanes of a workgroup on a CPU, where each is a team: two or four of its vectors.
const CPU_WORKGROUP: u32 = 16;

/// Lanes of a workgroup that keep a thread of a CPU busy: one of its vectors.
pub(super) const CPU_LANES: u32 = 4;

/// The most elements a partial may count: in f32, counts up to here are exact.
pub(super) const MAX_PARTIAL: u64 = 1 << 24;

/// How often a lane may go through a loop. LLVM-based adapters up to Mesa 22 end all loops of an invocation, silently, after 65535 turns together,
/// of which a streamed backward pass takes up to three and a bit for each pack; and a lane that runs for long meets the watchdog of a GPU.
pub(super) const MAX_STEPS: u32 = 15_000;

/// Turns of loops of an invocation that merges: with room below those 65535.
pub(super) const MAX_TURNS: u32 = 60_000;

/// What an invocation takes to merge `results` and to write what they make for each of `members`. Measured on lavapipe of Mesa 22: a turn of
/// the loop that merges counts twice there.
pub(super) fn turns_to_merge(results: u64, members: u32) -> u64 {
    2 * results + u64::from(members)
}

/// Columns of a group, each with a partial result of its own, at most.
pub(super) const MAX_MEMBERS: u32 = MAX_TURNS / 3;

/// Whether workgroups can merge on this device, and should where there are many partial results.
fn can_merge_by_workgroup(caps: &Caps) -> bool {
    let fits = caps.max_workgroup_size >= MERGE_WORKGROUP && caps.max_workgroup_storage >= MERGE_STORAGE;
    caps.tuning.merge_by_workgroup == 1 && fits
}

/// Whether lanes of a workgroup share a group with so many partial results.
pub(super) fn merges_by_workgroup(of_group: u32, caps: &Caps) -> bool {
    of_group > MERGE_LANES / 2 && can_merge_by_workgroup(caps)
}

/// Workgroups of a kernel that merges so many groups.
pub(super) fn merging_workgroups(groups: u32, by_workgroup: bool) -> u64 {
    let of_workgroup = if by_workgroup { MERGE_WORKGROUP / MERGE_LANES } else { SMALL_WORKGROUP };
    groups.div_ceil(of_workgroup).into()
}

/// How many of the `splits` partial results of each of `members` are left to merge. A pass before makes fewer of what would keep an
/// invocation, or those that share a group, for too long: a GPU waits longer for an invocation alone than for that pass.
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
    // Invocations alone have as many in either pass.
    let left = if by_workgroup { at_once / members } else { (splits / members).isqrt() };
    left.max(1)
}

/// Teams that fill a device, shared out among the groups that they reduce.
pub(super) fn fill(groups: u32, team: Team, caps: &Caps) -> u32 {
    match (team, caps.cpu) {
        // Lanes of one hardware vector should read neighbouring memory, so they share a group.
        (Team::Lane, true) => 256_u32.div_ceil(groups).max(32),
        (Team::Lane, false) => (1_u32 << 16).div_ceil(groups),
        (Team::Cluster | Team::Subgroup, true) => 16_u32.div_ceil(groups),
        (Team::Cluster | Team::Subgroup, false) => 4096_u32.div_ceil(groups),
        (Team::Workgroup | Team::WorkgroupSubgroups, _) => 1024_u32.div_ceil(groups),
    }
}

/// Lanes that fill a device, shared out among columns. Those of neighbouring columns read neighbouring memory.
pub(super) fn fill_columns(packs: u32, caps: &Caps) -> u32 {
    if caps.cpu { 256_u32.div_ceil(packs) } else { (1_u32 << 16).div_ceil(packs) }
}

/// How many teams share a group of `packs`: enough to `fill` the device, few enough that each has a block to do.
pub(super) fn splits(fill: u32, packs: u64, layout: VectorLayout, lanes: u32) -> u32 {
    let useful = (packs / u64::from(lanes * REDUCE_BLOCK)).max(1);
    let counted = (packs * u64::from(layout.elements())).div_ceil(MAX_PARTIAL);
    let ended = packs.div_ceil(u64::from(MAX_STEPS) * u64::from(lanes * REDUCE_BLOCK));
    let needed = counted.max(ended);
    // All three are below 2^31, as the tensor's elements are.
    u64::from(fill).min(useful).max(needed) as u32
}

/// The fewest lanes that a team may have: subgroups are as small as the driver likes.
pub(super) fn lanes(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => 1,
        Team::Cluster => CLUSTER,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(min, _)| min.max(1)),
        Team::Workgroup | Team::WorkgroupSubgroups => workgroup_size,
    }
}

/// The fewest teams that a workgroup may have.
pub(super) fn teams(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => workgroup_size,
        Team::Cluster => workgroup_size / CLUSTER,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(_, max)| workgroup_size / max.clamp(1, workgroup_size)),
        Team::Workgroup | Team::WorkgroupSubgroups => 1,
    }
}
