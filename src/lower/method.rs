//! The choice of the method, and what follows from it and the device alone.

use super::{Caps, Method, Problem, Strategy, Team};
use crate::{
    error::{Error, Result},
    geometry::Lookup,
    kernel::key::{
        GPU_REGISTERS, REDUCE_BLOCK, SMALL_WORKGROUP, TEAM_WORKGROUPS, WIDE_SUBGROUP_WORKGROUP, Width, cpu_registers,
        registers_for,
    },
};

/// Fewer rows than this don't fill a GPU with a workgroup each: long ones are shared by several.
const FEW_ROWS: u32 = 64;
/// From this many elements on, few rows are split on a GPU.
const LONG_ROW: u32 = 32 * 1024;
/// Rows of at most this many packs are owned by a lane.
const LANE_PACKS: u32 = 4;

/// The method table.
///
/// | statistics | adapter | row | method |
/// |---|---|---|---|
/// | given, or merged | any | any | elementwise |
/// | of rows | any | up to 4 packs | resident/lane |
/// | of rows | CPU, subgroups | up to 32 vec4s, or 64 elements, a lane | resident/subgroup |
/// | of rows | CPU, none | up to 8 packs | resident/lane |
/// | of rows | GPU, subgroups | up to 8 packs a lane of a subgroup | resident/subgroup |
/// | of rows | GPU | up to 8 packs a lane of a workgroup, unless few and long | resident/workgroup |
/// | of rows, of channels | any | all others | split, by the widest team without a barrier on a CPU, by workgroups on a GPU |
/// | of columns | any | any | columns |
fn infer(problem: &Problem<'_>, resident: bool) -> Method {
    if problem.given() {
        return Method::Elementwise;
    }
    let caps = problem.caps;
    if problem.is_columns() {
        return Method::Columns;
    }
    let (rows, len) = (problem.stats.kept_len(), problem.stats.inner);
    let few_and_long = !caps.cpu && rows < FEW_ROWS && len >= LONG_ROW;
    let candidates: &[Team] = match (caps.cpu, caps.subgroup_size.is_some()) {
        _ if row(problem).is_some_and(|row| row.packs <= LANE_PACKS) => &[Team::Lane],
        (true, true) => &[Team::Subgroup],
        (true, false) => &[Team::Lane],
        (false, _) if few_and_long => &[],
        (false, true) => &[Team::Subgroup, Team::WorkgroupSubgroups],
        (false, false) => &[Team::Workgroup],
    };
    let fits = |team: &&Team| resident && check(Method::Resident(**team), problem, resident).is_ok();
    candidates.iter().find(fits).map_or(Method::Split(split_team(caps)), |&team| Method::Resident(team))
}

/// The team that shares a reduction with others: the widest without a barrier on a CPU, a workgroup on a GPU.
pub(super) fn split_team(caps: &Caps) -> Team {
    match (caps.cpu, caps.subgroup_size.is_some()) {
        (true, true) => Team::Subgroup,
        (true, false) => Team::Lane,
        (false, true) => Team::WorkgroupSubgroups,
        (false, false) => Team::Workgroup,
    }
}

/// The method for a problem. `resident`: whether the pass goes through rows as a whole; sums of gradients alone do not.
pub(super) fn choose(problem: &Problem<'_>, strategy: Strategy, resident: bool) -> Result<Method> {
    match strategy {
        Strategy::Inferred => Ok(infer(problem, resident)),
        Strategy::Forced(method) => check(method, problem, resident).map(|()| method),
    }
}

/// Whether a method can compute a problem on a device.
fn check(method: Method, problem: &Problem<'_>, resident: bool) -> Result<()> {
    let refuse = |why: &str| Err(Error::Unsupported { what: format!("the method {method}"), why: why.into() });
    if matches!(method, Method::Elementwise) != problem.given() {
        return refuse("elementwise is for given statistics, and the only method for them");
    }
    match method {
        Method::Resident(team) | Method::Split(team)
            if team.uses_subgroups() && problem.caps.subgroup_size.is_none() =>
        {
            refuse("the device has no SUBGROUP feature")
        }
        Method::Resident(_) if !resident => refuse("only sums of gradients are asked for"),
        Method::Resident(team) => match row(problem) {
            Some(row) => registers(&row, team, problem.caps).map(|_| ()),
            None => refuse("its statistics are not those of rows"),
        },
        Method::Columns if !problem.is_columns() => refuse("its statistics are not those of columns"),
        Method::Split(_) | Method::Columns | Method::Elementwise => Ok(()),
    }
}

/// Rows that share nothing but their weights.
pub(super) struct Row {
    pub param: Lookup,
    pub width: Width,
    pub packs: u32,
}

/// The problem as rows, if it is one of rows.
pub(super) fn row(problem: &Problem<'_>) -> Option<Row> {
    let len = problem.stats.inner;
    let param = problem.params.lookup(len).filter(|_| problem.is_rows())?;
    let width = problem.width(len, &[param]);
    Some(Row { param, width, packs: len / width.elements() })
}

/// Packs of a row that a lane holds.
pub(super) fn registers(row: &Row, team: Team, caps: &Caps) -> Result<u32> {
    let max = match team {
        Team::Subgroup if caps.cpu => cpu_registers(row.width),
        _ => GPU_REGISTERS,
    };
    let needed = row.packs.div_ceil(lanes(team, workgroup_size(team, row.packs, caps), caps));
    registers_for(needed, max).ok_or_else(|| Error::Unsupported {
        what: format!("the method {}", Method::Resident(team)),
        why: format!("a lane holds {max} packs, the row needs {needed}"),
    })
}

/// The workgroup size for a team whose work is `packs` long.
pub(super) fn workgroup_size(team: Team, packs: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => SMALL_WORKGROUP,
        Team::Subgroup => match caps.subgroup_size {
            Some((_, max)) if max > SMALL_WORKGROUP => WIDE_SUBGROUP_WORKGROUP,
            _ => SMALL_WORKGROUP,
        },
        Team::Workgroup | Team::WorkgroupSubgroups => {
            let allowed = TEAM_WORKGROUPS.into_iter().filter(|&size| size <= caps.max_workgroup_size);
            let enough = allowed.clone().find(|&size| packs.div_ceil(size) <= GPU_REGISTERS / 2);
            // Where not even the smallest is allowed, KernelCall::new says so.
            enough.or(allowed.max()).unwrap_or(TEAM_WORKGROUPS[0])
        }
    }
}

/// The most elements a partial may count: in f32, counts up to here are exact.
pub(super) const MAX_PARTIAL: u64 = 1 << 24;

/// How many teams share a group of `packs`: enough to fill the device, few enough that each has a block to do.
pub(super) fn splits(groups: u32, packs: u64, width: Width, team: Team, lanes: u32, caps: &Caps) -> u32 {
    let fill: u32 = match (team, caps.cpu) {
        // Lanes of one hardware vector should read neighbouring memory, so they share a group.
        (Team::Lane, true) => 32.max(256 / groups.min(256)),
        (Team::Lane, false) => (1 << 16) / groups.min(1 << 16),
        (Team::Subgroup, true) => 16_u32.div_ceil(groups),
        (Team::Subgroup, false) => 4096_u32.div_ceil(groups),
        (Team::Workgroup | Team::WorkgroupSubgroups, _) => 512_u32.div_ceil(groups),
    };
    let useful = (packs / u64::from(lanes * REDUCE_BLOCK)).max(1);
    let needed = (packs * u64::from(width.elements())).div_ceil(MAX_PARTIAL);
    // All three are below 2^31, as the tensor's elements are.
    u64::from(fill).min(useful).max(needed) as u32
}

/// The fewest lanes that a team may have: subgroups are as small as the driver likes.
pub(super) fn lanes(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => 1,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(min, _)| min.max(1)),
        Team::Workgroup | Team::WorkgroupSubgroups => workgroup_size,
    }
}

/// The fewest teams that a workgroup may have.
pub(super) fn teams(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => workgroup_size,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(_, max)| workgroup_size / max.clamp(1, workgroup_size)),
        Team::Workgroup | Team::WorkgroupSubgroups => 1,
    }
}
