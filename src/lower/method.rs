//! The choice of the method, and what follows from it and the device alone.

use super::{Caps, Method, Problem, Strategy, Team, Tuning, view::View};
use crate::{
    error::{Error, Result},
    geometry::{Columns, Fold, Lookup},
    kernel::key::{
        By, CLUSTER, CLUSTER_REGISTERS, Hold, KernelKey, LANE_REGISTERS, MERGE_LANES, MERGE_STORAGE, MERGE_WORKGROUP,
        REDUCE_BLOCK, SMALL_WORKGROUP, TEAM_WORKGROUPS, WIDE_SUBGROUP_WORKGROUP, Width, registers_for,
    },
};

/// The method table: the first line that fits. Numbers in it are those of [`Tuning`](super::Tuning).
///
/// | statistics | rows | method |
/// |---|---|---|
/// | given, or merged | any | elementwise |
/// | of columns | that share their weights, on a CPU that they fill | streamed/lane |
/// | | any others | columns |
/// | of channels or groups that are no rows | any | split |
/// | of rows | of more than four elements that a cluster of a GPU holds | resident/cluster |
/// | | up to `lane_packs` long, `wide_lane_packs` of 4096 and more | resident/lane |
/// | | fewer than `few_rows`, from `long_row` on | split |
/// | | that registers hold | resident, by the smallest team that does |
/// | | longer ones, whose gradients of weight and bias come with the sums that split rows need | split |
/// | | longer ones | streamed, by the largest team |
/// | | too long for that | split |
///
/// Teams are lanes and subgroups on a CPU, where a barrier costs more than all else, and subgroups and workgroups on a GPU.
fn infer(problem: &Problem<'_>, resident: bool) -> Method {
    if problem.given() {
        return Method::Elementwise;
    }
    let caps = problem.caps;
    let tuning = &caps.tuning;
    if problem.is_columns() {
        let enough = |rows: &Rows| rows.count(problem.stats.len()) >= tuning.workgroups * CPU_LANES;
        let down = rows_across(problem).filter(|rows| caps.cpu && resident && enough(rows));
        let streams = down.is_some_and(|rows| streams(&rows, Team::Lane, caps).is_ok());
        return if streams { Method::Streamed(Team::Lane) } else { Method::Columns };
    }
    let largest = largest_team(caps);
    let Some(rows) = resident_rows(problem).filter(|_| resident) else {
        return Method::Split(largest);
    };
    let has_smaller = !caps.cpu && caps.subgroup_size.is_some();
    let by_cluster = has_smaller && rows.view.cols > 4 && registers(&rows, Team::Cluster, caps).is_ok();
    if by_cluster {
        return Method::Resident(Team::Cluster);
    }
    if rows.packs <= lane_packs(problem) {
        return Method::Resident(Team::Lane);
    }
    if problem.stats.kept_len() < tuning.few_rows && problem.stats.inner >= tuning.long_row {
        return Method::Split(largest);
    }
    let smaller = has_smaller.then_some(Team::Subgroup);
    let holds = |&team: &Team| registers(&rows, team, caps).is_ok();
    let resident = smaller.into_iter().chain([largest]).find(holds).map(Method::Resident);
    let streamed = || {
        let rows = streamed_rows(problem, largest);
        let streams = rows.is_some_and(|rows| streams(&rows, largest, caps).is_ok()) && !problem.sums_by_parts();
        streams.then_some(Method::Streamed(largest))
    };
    resident.or_else(streamed).unwrap_or(Method::Split(largest))
}

/// The largest team that is not slow: without a barrier on a CPU, a workgroup on a GPU.
pub(super) fn largest_team(caps: &Caps) -> Team {
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
        Method::Resident(team) | Method::Streamed(team) | Method::Split(team)
            if team.uses_subgroups() && problem.caps.subgroup_size.is_none() =>
        {
            refuse("the device has no SUBGROUP feature")
        }
        Method::Streamed(Team::Cluster) | Method::Split(Team::Cluster) => {
            refuse("a cluster holds short rows in registers")
        }
        Method::Resident(_) | Method::Streamed(_) if !resident => refuse("only sums of gradients are asked for"),
        Method::Resident(team) => match resident_rows(problem) {
            Some(rows) => registers(&rows, team, problem.caps).map(|_| ()),
            None => refuse("its statistics are not those of rows"),
        },
        Method::Streamed(team) => match streamed_rows(problem, team) {
            Some(rows) => streams(&rows, team, problem.caps),
            None => refuse("its statistics are not those of rows"),
        },
        Method::Columns if !problem.is_columns() => refuse("its statistics are not those of columns"),
        Method::Split(_) | Method::Columns | Method::Elementwise => Ok(()),
    }
}

/// The longest rows that a lane owns.
fn lane_packs(problem: &Problem<'_>) -> u32 {
    let Tuning { lane_packs, wide_lane_packs, .. } = problem.caps.tuning;
    let is_heavy = problem.is_backward() || problem.has_halves();
    let wide = if is_heavy { wide_lane_packs / 2 } else { wide_lane_packs };
    if problem.stats.kept_len() < MANY_ROWS { lane_packs } else { wide.max(lane_packs) }
}

/// Rows that share nothing but their weights.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub view: View,
    pub packs: u32,
    /// Whether all of them have the same weights.
    pub shared: bool,
}

impl Rows {
    /// How many there are in so many elements; those that lie across the same packs count as one.
    pub fn count(&self, elements: u32) -> u32 {
        elements / self.view.cols / self.view.width.rows()
    }

    /// Teams that have rows of so many elements, if each goes through `rounds` of them, or of blocks of them.
    pub fn teams(&self, elements: u32, hold: Hold, rounds: u32) -> u32 {
        let block = match hold {
            Hold::Registers { .. } => 1,
            Hold::Rows { at_once, .. } => at_once,
        };
        // All rows of a team begin alike.
        self.count(elements).div_ceil(block * rounds).next_multiple_of(self.view.width.phases())
    }

    /// Whether a team loads the weights once for all of its rows. Registers are short, and weights that serve one of them come late.
    pub fn shares_weights(&self, hold: Hold, rounds: u32) -> bool {
        self.shared && (rounds > 1 || matches!(hold, Hold::Rows { .. }))
    }

    /// The workgroup size for teams that have a row each.
    pub fn workgroup_size(&self, team: Team, caps: &Caps) -> u32 {
        let most = caps.tuning.workgroup_registers;
        // Half of what a lane may hold, unless that takes a workgroup so large that few of them are on a core of the device.
        let lanes = self.packs.div_ceil(most.div_ceil(2));
        let lanes = if lanes <= WIDE_WORKGROUP { lanes } else { self.packs.div_ceil(most) };
        workgroup_size(team, lanes, caps)
    }

    /// The fewest lanes that a team has of these rows.
    fn lanes(&self, team: Team, caps: &Caps) -> u32 {
        lanes(team, self.workgroup_size(team, caps), caps)
    }

    /// Packs that a lane of a team has of a row, at most.
    fn packs_a_lane(&self, team: Team, caps: &Caps) -> u32 {
        let together = self.view.width.neighbours();
        (self.packs / together).div_ceil(self.lanes(team, caps)) * together
    }

    /// The same rows by pairs of packs, where that is wanted and no lane of the team has more of them for it.
    pub(super) fn in_pairs(self, team: Team, problem: &Problem<'_>) -> Self {
        let caps = problem.caps;
        let pairs = Self { view: View { width: Width::Pairs, ..self.view }, ..self };
        let [cols, stride] = [self.view.cols, problem.input_stride(self.view.cols)];
        let whole = [cols, stride].iter().all(|len| len.is_multiple_of(Width::Pairs.unit()));
        let wanted = caps.tuning.pairs == 1 && self.view.width == Width::X4 && problem.has_halves();
        let is_gathered = self.view.by(self.view.param) == By::Gathered;
        let as_many = whole && pairs.packs_a_lane(team, caps) == self.packs_a_lane(team, caps);
        if wanted && as_many && !is_gathered { pairs } else { self }
    }
}

/// The problem as rows that registers hold, if it is one of rows.
pub(super) fn resident_rows(problem: &Problem<'_>) -> Option<Rows> {
    let rows = rows(problem)?;
    let width = Width::HalfUnaligned;
    let unaligned = Rows { view: View { width, ..rows.view }, packs: width.packs(rows.view.cols), ..rows };
    let cols = rows.view.cols;
    let is_odd = rows.view.width == Width::X1 && !cols.is_multiple_of(4) && problem.input_stride(cols) == cols;
    Some(if is_odd && problem.has_only_halves() { unaligned } else { rows })
}

/// The problem as rows, if it is one of rows.
fn rows(problem: &Problem<'_>) -> Option<Rows> {
    let view = problem.view(problem.stats, problem.stats.inner).filter(|_| problem.is_rows())?;
    let shared = view.param.remainder == 0 && view.param.rows >= problem.stats.kept_len();
    Some(Rows { view, packs: view.width.packs(view.cols), shared })
}

/// Columns as rows that lie across packs, if all of them have the same weights: layer norm over channels that come first.
fn rows_across(problem: &Problem<'_>) -> Option<Rows> {
    let Fold { outer, reduced, kept, inner } = problem.stats;
    let width = Width::Across;
    let has_packs = reduced > 1 && inner == 1 && kept.is_multiple_of(width.rows());
    let shares_weights = problem.params == Fold::new(1, outer, reduced, kept);
    // The parts of a tensor cut the rows of one sample.
    let whole = outer > 1 || problem.slabs.len() == 1;
    let param = Lookup { rows: problem.stats.kept_len(), quotient: 0, remainder: 0, columns: Columns::Each };
    let view = View { cols: reduced, stat: Lookup { columns: Columns::Whole, ..param }, param, width };
    let rows = Rows { view, packs: width.packs(reduced), shared: true };
    (has_packs && whole && shares_weights && problem.has_own_statistics()).then_some(rows)
}

/// The problem as rows that a team streams, if it is one of rows, or of columns that a lane goes down.
pub(super) fn streamed_rows(problem: &Problem<'_>, team: Team) -> Option<Rows> {
    rows(problem).or_else(|| rows_across(problem).filter(|_| team == Team::Lane))
}

/// Teams that fill the device, which so many workgroups of up to 64 lanes do.
pub(super) fn filling(workgroups: u32, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    let workgroups = workgroups.div_ceil(workgroup_size.div_ceil(SMALL_WORKGROUP));
    workgroups.saturating_mul(teams(team, workgroup_size, caps))
}

/// Rows that each team goes through: at most `max`, and so few that there are as many teams as fill the device.
pub(super) fn rounds(rows: u32, filling: u32, max: u32) -> u32 {
    let rounds = (rows / filling).clamp(1, max);
    // As many for each.
    rows.div_ceil(rows.div_ceil(rounds))
}

/// Rows that a team streams at once: as many as share a loaded weight, and so few that there are as many teams as fill the device.
pub(super) fn at_once(rows: u32, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    let filling = filling(caps.tuning.workgroups, team, workgroup_size, caps);
    let most = rounds(rows, filling, caps.tuning.stream_rows);
    // A power of two: there are few kernels then.
    1 << most.ilog2()
}

/// Registers of each lane of a team that are in the row, whatever the size of a subgroup.
pub(super) fn full(rows: &Rows, team: Team, caps: &Caps) -> u32 {
    let known = match team {
        Team::Subgroup => caps.subgroup_size.is_some_and(|(min, max)| min == max),
        _ => true,
    };
    // The last pack of rows that are no whole packs is not full.
    let packs = if rows.view.width == Width::HalfUnaligned { rows.packs - 1 } else { rows.packs };
    let together = rows.view.width.neighbours();
    if known { packs / (together * rows.lanes(team, caps)) * together } else { 0 }
}

/// How many blocks of such rows the lanes of a team get to the end of.
pub(super) fn blocks(rows: &Rows, team: Team, caps: &Caps) -> u32 {
    MAX_STEPS / rows.packs_a_lane(team, caps)
}

/// Whether the lanes of a team get to the end of a row.
fn streams(rows: &Rows, team: Team, caps: &Caps) -> Result<()> {
    if blocks(rows, team, caps) > 0 {
        return Ok(());
    }
    let steps = rows.packs_a_lane(team, caps);
    Err(Error::Unsupported {
        what: format!("the method {}", Method::Streamed(team)),
        why: format!("a lane goes through {MAX_STEPS} packs of a row, and needs {steps}"),
    })
}

/// Packs of a row that a lane holds.
pub(super) fn registers(rows: &Rows, team: Team, caps: &Caps) -> Result<u32> {
    let max = match team {
        Team::Lane => LANE_REGISTERS,
        Team::Cluster => CLUSTER_REGISTERS,
        Team::Subgroup => caps.tuning.registers,
        Team::Workgroup | Team::WorkgroupSubgroups => caps.tuning.workgroup_registers,
    };
    let needed = rows.packs_a_lane(team, caps);
    registers_for(needed, max).ok_or_else(|| Error::Unsupported {
        what: format!("the method {}", Method::Resident(team)),
        why: format!("a lane holds {max} packs, the row needs {needed}"),
    })
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

/// So many rows that each lane has several.
const MANY_ROWS: u32 = 4096;

/// Lanes of a workgroup that has many short rows: it takes a GPU longer to begin small ones than to finish them.
const SHORT_ROWS_WORKGROUP: u32 = 256;

/// Lanes of a workgroup that has a row, unless they would hold too much of it.
pub(super) const WIDE_WORKGROUP: u32 = 256;

/// Lanes of a workgroup that is a team and shares a group with others, at most.
pub(super) const REDUCE_WORKGROUP: u32 = 256;

/// Lanes of a workgroup on a CPU, where each is a team: two or four of its vectors.
const CPU_WORKGROUP: u32 = 16;

/// Lanes of a workgroup that keep a thread of a CPU busy: one of its vectors.
const CPU_LANES: u32 = 4;

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

/// Whether the device's workgroups can merge, and should where there are many partial results.
fn merges_together(caps: &Caps) -> bool {
    let fits = caps.max_workgroup_size >= MERGE_WORKGROUP && caps.max_workgroup_storage >= MERGE_STORAGE;
    caps.tuning.together == 1 && fits
}

/// Whether lanes of a workgroup share what they merge, where a group has so many partial results.
pub(super) fn together(of_group: u32, caps: &Caps) -> bool {
    of_group > MERGE_LANES / 2 && merges_together(caps)
}

/// Workgroups of a kernel that merges so many groups.
pub(super) fn merging_workgroups(key: &KernelKey, groups: u32, together: bool) -> u64 {
    let lanes = if together { MERGE_LANES } else { 1 };
    groups.div_ceil(key.workgroup_size() / lanes).into()
}

/// How many of the `splits` partial results of each of `members` are left to merge. A pass before makes fewer of what would keep an
/// invocation, or those that share a group, for too long: a GPU waits longer for an invocation alone than for that pass.
pub(super) fn left_to_merge(splits: u32, members: u32, caps: &Caps) -> u32 {
    let together = merges_together(caps);
    let at_once: u32 = match (together, caps.cpu) {
        (true, _) => 2048,
        (false, true) => 1024,
        (false, false) => 64,
    };
    if u64::from(splits) * u64::from(members) <= at_once.into() {
        return splits;
    }
    // Invocations alone have as many in either pass.
    let left = if together { at_once / members } else { (splits / members).isqrt() };
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
pub(super) fn splits(fill: u32, packs: u64, width: Width, lanes: u32) -> u32 {
    let useful = (packs / u64::from(lanes * REDUCE_BLOCK)).max(1);
    let counted = (packs * u64::from(width.elements())).div_ceil(MAX_PARTIAL);
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
