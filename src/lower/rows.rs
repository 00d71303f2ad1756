//! The pass of rows, in either direction: each row belongs to one team, which computes its statistics.

use super::{
    KernelCall,
    chunks::Chunk,
    layout::RowView,
    occupancy::{MAX_STEPS, WIDE_WORKGROUP, filling, lanes, rows_per_team, streamed_at_once, teams, workgroup_size},
    problem::Problem,
};
use crate::{
    caps::{Caps, Offsets},
    error::{Error, Result},
    geometry::{Broadcast, Lookup, Reduction},
    kernels::{
        SMALL_WORKGROUP, TEAM_WORKGROUPS, roles,
        row::{Direction, Order, Residency, Row, RowParams},
    },
    layout::{TableAccess, VectorLayout},
    types::{Method, Quantized, Team},
};

/// Packs of a row that a lane of a cluster holds, at most.
const CLUSTER_PACKS: u32 = 8;
/// Packs of a row that a lane holds, where a kernel serves rows of many lengths. Clusters have no second kernel.
const COARSE_PACKS: [u32; 2] = [4, 8];
/// Lanes of a workgroup there, unless each would hold too many packs of a row.
const COARSE_WORKGROUPS: [u32; 3] = [SMALL_WORKGROUP, WIDE_WORKGROUP, REGISTER_WORKGROUP];
/// Packs of its own row that a lane holds, at most.
const LANE_PACKS: u32 = 32;
/// Lanes of a workgroup, at most, that each have all registers of a lane. A multiprocessor has some 65536, and a lane
/// has at least 128.
const REGISTER_WORKGROUP: u32 = 512;
/// Packs of a short row that a lane of a cluster holds, at most.
const SHORT_ROW_PACKS: u32 = 2;
/// Short rows of half precision per cluster, which decodes their weights once. Decoding takes longer than loading its
/// part of a row.
const SHORT_HALF_ROWS: u32 = 4;
/// Packs of a row that a lane holds and sums, at which a multiprocessor has 512 lanes. With more packs it has fewer.
const SUMMED_PACKS: u32 = 4;

/// The smallest compiled number of registers that holds `packs`, at most `max`. Kernels exist for any number up to 8,
/// and then for even numbers. So there are few kernels, and a lane loads at most a tenth too much.
fn registers_for(packs: u32, max: u32) -> Option<u32> {
    let registers = if packs <= 8 { packs } else { packs.next_multiple_of(2) };
    (registers <= max).then_some(registers)
}

/// Rows that share at most their weights.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub view: RowView,
    pub packs: u32,
    /// The order of rows in which those that are a period apart have the same weights, and this period: 1, if all do,
    /// the number of heads, or of samples.
    pub period: Option<(Order, u32)>,
    /// Whether a lane keeps sums for its packs of the rows.
    summed: bool,
    /// Whether a lane has four neighbouring packs, for int8.
    fours: bool,
}

impl Rows {
    /// Whether rows of other lengths should have the same kernel: those of images. A weight for each position fixes the
    /// length.
    fn is_coarse(&self, caps: &Caps) -> bool {
        caps.few_kernels && self.view.affine.columns != Broadcast::Element
    }

    /// The number of rows in these elements. Rows across the same packs count as one.
    pub fn count(&self, elements: u32) -> u32 {
        elements / self.view.cols / self.view.layout.rows()
    }

    /// Whether a team loads the weights once for all of its rows. A team with one row loads them late, as registers are
    /// scarce, unless it has registers for sums of many rows.
    fn shares_weights(&self, residency: Residency, rows_per_team: u32) -> bool {
        self.period.is_some() && (rows_per_team > 1 || self.summed || matches!(residency, Residency::Streamed { .. }))
    }

    /// The order of rows. It matters to weights that a team loads once.
    fn order(&self, residency: Residency, rows_per_team: u32) -> Order {
        let order = self.period.filter(|_| self.shares_weights(residency, rows_per_team));
        order.map_or(Order::Memory, |(order, _)| order)
    }

    /// The workgroup size for teams with a row each: the smallest whose lanes have registers for it.
    fn workgroup_size(&self, team: Team, caps: &Caps) -> u32 {
        let most = caps.tuning.workgroup_packs;
        // Half of the packs that a lane may hold, unless the workgroup gets so large that a multiprocessor has few of
        // them.
        let lanes = self.packs.div_ceil(most.div_ceil(2));
        let enough = if self.is_coarse(caps) {
            COARSE_WORKGROUPS.into_iter().find(|&size| size >= lanes)
        } else {
            (lanes <= WIDE_WORKGROUP).then_some(lanes)
        };
        let lanes = enough.unwrap_or(self.packs.div_ceil(most));
        let size = |least: u32| workgroup_size(team, least.max(lanes), caps);
        TEAM_WORKGROUPS.map(size).into_iter().find(|&size| self.fits(team, size, caps)).unwrap_or(size(0))
    }

    /// Neighbouring packs of a lane.
    fn neighbours(&self) -> u32 {
        if self.fours { 4 } else { self.view.layout.neighbours() }
    }

    /// Packs of a row per lane of a team, at most.
    fn packs_a_lane(&self, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
        let together = self.neighbours();
        (self.packs / together).div_ceil(lanes(team, workgroup_size, caps)) * together
    }

    /// Packs of a row that a lane of a team holds, at most.
    fn max_packs(&self, team: Team, caps: &Caps) -> u32 {
        let most = match team {
            Team::Lane => LANE_PACKS,
            Team::Cluster => CLUSTER_PACKS,
            Team::Subgroup => caps.tuning.subgroup_packs,
            Team::Workgroup | Team::WorkgroupSubgroups => caps.tuning.workgroup_packs,
        };
        match team {
            _ if !self.is_coarse(caps) => most,
            Team::Cluster => most.min(COARSE_PACKS[0]),
            _ => most.min(COARSE_PACKS[1]),
        }
    }

    /// Whether a lane has registers for its packs of a row.
    fn fits(&self, team: Team, workgroup_size: u32, caps: &Caps) -> bool {
        let packs = self.packs_a_lane(team, workgroup_size, caps);
        packs <= self.max_packs(team, caps) && packs <= self.room(team, workgroup_size, caps)
    }

    /// Packs of a row for which a lane has registers.
    fn room(&self, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
        let layout = self.view.layout;
        let has_wide_columns = matches!(layout, VectorLayout::HalfUnaligned | VectorLayout::Singles);
        let each = 1 + u32::from(has_wide_columns) + u32::from(self.summed);
        // The last load takes a mask of its own, if it is not in the row for all lanes.
        let is_cut = self.full_registers(team, workgroup_size, caps) < self.packs_a_lane(team, workgroup_size, caps);
        let mask = if is_cut { self.neighbours() } else { 0 };
        let all = caps.tuning.register_packs;
        let all = if workgroup_size > REGISTER_WORKGROUP { all / 2 } else { all };
        // Three elements take what a pack of four does.
        let all = if layout == VectorLayout::Scalar { 3 * all } else { all };
        all.saturating_sub(mask) / each
    }

    /// Packs of a row that a lane holds.
    pub fn registers(&self, team: Team, caps: &Caps) -> Result<u32> {
        let max = self.max_packs(team, caps);
        let workgroup_size = self.workgroup_size(team, caps);
        let needed = self.packs_a_lane(team, workgroup_size, caps);
        let held = if self.is_coarse(caps) {
            let held = if needed <= COARSE_PACKS[0] { COARSE_PACKS[0] } else { COARSE_PACKS[1] };
            // As many as the lane has registers for, unless a forced method needs more.
            held.min(self.room(team, workgroup_size, caps).min(max)).max(needed)
        } else {
            needed
        };
        registers_for(held, max).ok_or_else(|| Error::Unsupported {
            what: format!("the method {}", Method::Resident(team)),
            why: format!("a lane holds {max} packs, the row needs {needed}"),
        })
    }

    /// Registers that lie in the row for each lane of a team.
    fn full_registers(&self, team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
        if self.is_coarse(caps) {
            return 0;
        }
        // The last pack of an unaligned row is not full.
        let unaligned = self.view.layout == VectorLayout::HalfUnaligned;
        let packs = if unaligned { self.packs - 1 } else { self.packs };
        let together = self.neighbours();
        packs / (together * lanes(team, workgroup_size, caps)) * together
    }

    /// Packs that a lane streams of a row.
    fn streamed_packs(&self, team: Team, caps: &Caps) -> u32 {
        self.packs_a_lane(team, self.workgroup_size(team, caps), caps)
    }

    /// The most blocks of such rows that the lanes of a team may stream before a driver ends their loops.
    fn max_blocks(&self, team: Team, caps: &Caps) -> u32 {
        MAX_STEPS / self.streamed_packs(team, caps)
    }

    /// Checks that the lanes of a team may stream a row.
    pub fn check_streams(&self, team: Team, caps: &Caps) -> Result<()> {
        if self.max_blocks(team, caps) > 0 {
            return Ok(());
        }
        let steps = self.streamed_packs(team, caps);
        Err(Error::Unsupported {
            what: format!("the method {}", Method::Streamed(team)),
            why: format!("a lane goes through {MAX_STEPS} packs of a row, and needs {steps}"),
        })
    }

    /// The same rows with four neighbouring packs for each lane, if a CPU writes int8. A lane must hold no more packs
    /// for it.
    fn in_fours(self, team: Team, problem: &Problem<'_>) -> Self {
        let caps = problem.caps;
        let fours = Self { fours: true, ..self };
        let whole = self.view.layout == VectorLayout::Vec4 && self.packs.is_multiple_of(4);
        let wanted = caps.cpu && problem.options.quantized.is_some();
        if wanted && whole && self.takes_as_much_as(&fours, team, caps) { fours } else { self }
    }

    /// Whether a lane of the team holds as many packs of these rows as of others.
    fn takes_as_much_as(&self, other: &Self, team: Team, caps: &Caps) -> bool {
        let lane = |rows: &Self| {
            let workgroup_size = rows.workgroup_size(team, caps);
            (rows.packs_a_lane(team, workgroup_size, caps), rows.fits(team, workgroup_size, caps))
        };
        !self.is_coarse(caps) && lane(self) == lane(other)
    }

    /// The same rows in the layout vec4x2, if the tuning table wants it and no lane of the team holds more packs for
    /// it.
    fn as_vec4x2(self, team: Team, problem: &Problem<'_>) -> Self {
        let caps = problem.caps;
        let vec4x2 = Self { view: RowView { layout: VectorLayout::Vec4x2, ..self.view }, ..self };
        let whole = self.view.cols.is_multiple_of(VectorLayout::Vec4x2.unit()) && !problem.is_strided();
        let is_vec4 = self.view.layout == VectorLayout::Vec4;
        let wanted = caps.tuning.vec4x2 == 1 && is_vec4 && problem.has_half_precision();
        let gathers = self.view.access(self.view.affine) == TableAccess::Gather;
        if wanted && whole && !gathers && self.takes_as_much_as(&vec4x2, team, caps) { vec4x2 } else { self }
    }
}

/// The problem as resident rows, if its groups are rows.
pub(super) fn resident_rows(problem: &Problem<'_>) -> Option<Rows> {
    let rows = rows(problem)?;
    let cols = rows.view.cols;
    let layout = VectorLayout::HalfUnaligned;
    // In memory, the rows of a team have one alignment phase.
    let period = rows.period.filter(|&(order, _)| order == Order::Memory);
    let unaligned = Rows { view: RowView { layout, ..rows.view }, packs: layout.packs(cols), period, ..rows };
    let is_odd = rows.view.layout == VectorLayout::Scalar && !cols.is_multiple_of(4) && !problem.is_strided();
    // A pack of such rows has elements of two words of int8.
    let is_odd = is_odd && problem.caps.offsets != Offsets::Element && problem.options.quantized.is_none();
    Some(if is_odd && problem.is_half_precision() { unaligned } else { rows })
}

/// The problem as rows that a team streams: its groups are rows, or columns that a lane walks down.
pub(super) fn streamed_rows(problem: &Problem<'_>, team: Team) -> Option<Rows> {
    rows(problem).or_else(|| perpendicular_rows(problem).filter(|_| team == Team::Lane))
}

/// The problem as rows, if its groups are rows.
fn rows(problem: &Problem<'_>) -> Option<Rows> {
    let view = problem.view(problem.stats, problem.stats.inner).filter(|_| problem.is_rows())?;
    let Lookup { rows, quotient, remainder, columns } = view.affine;
    let count = problem.stats.group_count();
    let can_reorder = view.layout.phases() == 1 && problem.chunks.len() == 1 && !problem.options.is_indexed();
    let period = match (quotient, remainder, columns) {
        (_, 0, _) if rows >= count => Some((Order::Memory, 1)),
        (0, _, Broadcast::Element) => Some((Order::Memory, rows)),
        (_, 0, Broadcast::Element) if can_reorder => Some((Order::Samples, count / rows)),
        _ => None,
    };
    Some(Rows { view, packs: view.layout.packs(view.cols), period, summed: false, fours: false })
}

/// Columns as rows perpendicular to packs, if all have the same weights: layer norm over the channels of a
/// channels-first tensor.
pub(super) fn perpendicular_rows(problem: &Problem<'_>) -> Option<Rows> {
    let Reduction { outer, reduced, groups, inner } = problem.stats;
    let layout = VectorLayout::Perpendicular;
    let has_packs = reduced > 1 && inner == 1 && groups.is_multiple_of(layout.rows());
    let shares_weights = problem.affine == Reduction::new(1, outer, reduced, groups);
    // Chunks cut the rows of a single sample.
    let whole = outer > 1 || problem.chunks.len() == 1;
    let affine = Lookup { rows: problem.stats.group_count(), quotient: 0, remainder: 0, columns: Broadcast::Element };
    let view =
        RowView { cols: reduced, stat: Lookup { columns: Broadcast::Row, ..affine }, affine, layout, gathers: false };
    let rows =
        Rows { view, packs: layout.packs(reduced), period: Some((Order::Memory, 1)), summed: false, fours: false };
    (has_packs
        && whole
        && shares_weights
        && problem.has_own_statistics()
        && problem.options.quantized.is_none()
        && !problem.is_strided()
        && problem.caps.offsets != Offsets::Element)
        .then_some(rows)
}

/// Rows as the teams of a method own them.
pub(super) struct TeamRows<'a> {
    problem: &'a Problem<'a>,
    team: Team,
    rows: Rows,
    residency: Residency,
}

impl<'a> TeamRows<'a> {
    /// The problem as rows. `choose` has checked that its groups are rows.
    pub fn new(problem: &'a Problem<'a>, team: Team, streamed: bool) -> Result<Self> {
        let method = if streamed { Method::Streamed(team) } else { Method::Resident(team) };
        let rows = if streamed { streamed_rows(problem, team) } else { resident_rows(problem) };
        let rows = rows.ok_or_else(|| Error::Unsupported {
            what: format!("the method {method}"),
            why: "its statistics are not those of rows".into(),
        })?;
        if !streamed {
            let plain = Self::resident(problem, team, rows)?;
            let summed = Self::resident(problem, team, Rows { summed: true, ..rows })?;
            return Ok(if summed.fits() && summed.wants_sums().is_some() { summed } else { plain });
        }
        let workgroup_size = rows.workgroup_size(team, problem.caps);
        let at_once = streamed_at_once(rows.count(problem.stats.len()), team, workgroup_size, problem.caps);
        let residency = Residency::Streamed { rows: at_once, whole: false };
        Ok(Self { problem, team, rows, residency })
    }

    /// The problem as rows that a team holds in registers.
    fn resident(problem: &'a Problem<'a>, team: Team, rows: Rows) -> Result<Self> {
        let rows = rows.as_vec4x2(team, problem).in_fours(team, problem);
        let packs = rows.registers(team, problem.caps)?;
        let full = rows.full_registers(team, rows.workgroup_size(team, problem.caps), problem.caps);
        Ok(Self { problem, team, rows, residency: Residency::Resident { packs, full } })
    }

    /// Whether a lane has registers for its packs of a row.
    pub fn fits(&self) -> bool {
        let Self { problem, team, rows, .. } = self;
        rows.fits(*team, rows.workgroup_size(*team, problem.caps), problem.caps)
    }

    /// The same, and for its sums if it should have some.
    pub fn fits_with_sums(&self) -> bool {
        self.fits() && (self.rows.summed || self.wants_sums().is_none())
    }

    /// Rows per team, or blocks of streamed rows, if the team sums no gradients.
    pub fn rows_per_team(&self) -> u32 {
        let Self { problem, team, rows, residency } = self;
        match *residency {
            // A block shares its loads. Without common weights, more rows per team gain nothing.
            Residency::Streamed { .. } => 1,
            Residency::Resident { .. } if rows.period.is_none() => 1,
            Residency::Resident { packs, .. } => {
                let tuning = &problem.caps.tuning;
                let is_short = *team == Team::Cluster && packs <= SHORT_ROW_PACKS;
                let least = if is_short && problem.has_half_precision() { SHORT_HALF_ROWS } else { 1 };
                let most = tuning.rows_per_team.max(least);
                let workgroup_size = rows.workgroup_size(*team, problem.caps);
                let filling = filling(tuning.workgroups, *team, workgroup_size, problem.caps);
                rows_per_team(rows.count(problem.stats.len()), filling, most)
            }
        }
    }

    /// Rows per team, or blocks of streamed rows, if the team also sums the gradients of weight and bias. `None` if a
    /// pass of its own should compute these sums.
    pub fn summed_rows_per_team(&self) -> Option<u32> {
        let has_registers = self.rows.summed || matches!(self.residency, Residency::Streamed { .. });
        self.wants_sums().filter(|_| has_registers)
    }

    /// The same, whatever registers the team has.
    fn wants_sums(&self) -> Option<u32> {
        let Self { problem, team, rows, residency } = self;
        let caps = problem.caps;
        let tuning = &caps.tuning;
        let workgroup_size = rows.workgroup_size(*team, caps);
        // Sums take most of the registers, which limit the number of teams at a time.
        let crowded = matches!(residency, Residency::Resident { packs, .. } if *packs > SUMMED_PACKS && !caps.cpu);
        let workgroups = if crowded { tuning.workgroups.div_ceil(2) } else { tuning.workgroups };
        let filling = filling(workgroups, *team, workgroup_size, caps);
        // Half as many for a cluster, which holds little, so that more clusters fit. Half as many for a wide workgroup,
        // of which few run at a time.
        let halved = *team == Team::Cluster || workgroup_size > WIDE_WORKGROUP;
        let most = tuning.grad_rows_per_team;
        let most = if halved { most.div_ceil(2) } else { most };
        let wanted = rows_per_team(rows.count(problem.stats.len()), filling, most);
        let summed = match *residency {
            Residency::Resident { .. } => wanted,
            Residency::Streamed { rows: at_once, .. } => (wanted / at_once).max(1).min(rows.max_blocks(*team, caps)),
        };
        // A sum for each column must be a sum for each weight.
        let is_each = rows.period.is_some() && rows.view.affine.columns == Broadcast::Element;
        let fits = self.partial_bytes(summed) <= caps.max_storage_buffer_binding_size;
        // With a pass of its own for the sums of few rows, there are more kernels.
        let enough = wanted >= tuning.min_grad_rows_per_team || caps.few_kernels;
        let wants = problem.wants_affine_gradients() && is_each && enough;
        (wants && fits).then_some(summed)
    }

    /// Rows of one alignment phase are so many apart, or a multiple. So are those of the same weights, if a team loads
    /// them once.
    fn least_step(&self, rows_per_team: u32) -> u32 {
        let period = self.rows.period.filter(|_| self.rows.shares_weights(self.residency, rows_per_team));
        self.rows.view.layout.phases() * period.map_or(1, |(_, period)| period)
    }

    /// From a row of a team to its next, where a workgroup takes neighbouring rows: on a CPU, whose loads are then in
    /// few pages and follow each other. A workgroup then has whole periods, or rows of samples, which are neighbours.
    /// Elsewhere all teams together take neighbouring rows.
    fn step_to_neighbours(&self, rows_per_team: u32) -> Option<u32> {
        let step = self.least_step(rows_per_team);
        let of_workgroup = self.teams_of_workgroup();
        let in_samples = self.rows.order(self.residency, rows_per_team) == Order::Samples;
        let can = in_samples || of_workgroup.is_multiple_of(step);
        (self.problem.caps.cpu && can).then(|| of_workgroup.next_multiple_of(step))
    }

    /// The teams for these elements, with `rows_per_team` rows each, or blocks of streamed rows.
    fn teams(&self, elements: u32, rows_per_team: u32) -> u32 {
        let block = match self.residency {
            Residency::Resident { .. } => 1,
            Residency::Streamed { rows, .. } => rows,
        };
        let teams = self.rows.count(elements).div_ceil(block * rows_per_team);
        let step = self.step_to_neighbours(rows_per_team).unwrap_or(self.least_step(rows_per_team));
        teams.next_multiple_of(step)
    }

    /// The teams of all chunks.
    fn all_teams(&self, rows_per_team: u32) -> u32 {
        self.problem.chunks.iter().map(|chunk| self.teams(chunk.len, rows_per_team)).sum()
    }

    /// The partial sums of a weight. Each team has those of one period's row.
    pub fn partials(&self, rows_per_team: u32) -> u32 {
        self.all_teams(rows_per_team) / self.rows.period.map_or(1, |(_, period)| period)
    }

    /// Bytes of all partial sums.
    pub fn partial_bytes(&self, rows_per_team: u32) -> u64 {
        u64::from(self.problem.stats.group_len()) * u64::from(self.all_teams(rows_per_team)) * 8
    }

    /// The calls, one for each chunk. The partial sums of a chunk follow those of the chunk before.
    pub fn calls(&self, rows_per_team: u32, direction: Direction) -> Result<Vec<KernelCall>> {
        let Self { problem, team, rows, .. } = *self;
        let residency = self.known_to_be_whole(rows_per_team);
        let kernel = Row {
            team,
            workgroup_size: rows.workgroup_size(team, problem.caps),
            residency,
            layout: rows.view.layout,
            scale: problem.scale(),
            affine: rows.view.access(rows.view.affine),
            shared: rows.shares_weights(residency, rows_per_team),
            order: rows.order(residency, rows_per_team),
            direction,
        };
        let mut first_partial = 0;
        let calls = problem.chunks.iter().map(|&chunk| {
            let teams = self.teams(chunk.len, rows_per_team);
            let params = self.params(chunk, rows_per_team, teams, first_partial);
            first_partial += teams * problem.stats.group_len();
            problem.call(chunk, rows.view.cols, kernel, &params, self.workgroups(teams))
        });
        calls.collect()
    }

    /// How the lanes of a team share the scales of a quantized output. Packs and lanes are powers of two.
    pub fn quantized(&self, quantized: Quantized) -> roles::Quantized {
        let Self { problem, team, rows, .. } = self;
        let layout = rows.view.layout;
        let lanes = lanes(*team, rows.workgroup_size(*team, problem.caps), problem.caps);
        let block = quantized.block() as u32;
        let runs = block / layout.elements() / rows.neighbours();
        let packs = (runs / lanes).max(1) * rows.neighbours();
        let shared = if runs < lanes { runs } else { roles::Quantized::TEAM };
        roles::Quantized { block, packs, lanes: shared, step: packs * lanes, fours: rows.fours }
    }

    /// The residency at this number of rows per team: known to be whole, if no block lacks a row.
    fn known_to_be_whole(&self, rows_per_team: u32) -> Residency {
        let Residency::Streamed { rows: at_once, .. } = self.residency else { return self.residency };
        let is_whole = |chunk: &Chunk| {
            let teams = self.teams(chunk.len, rows_per_team);
            u64::from(self.rows.count(chunk.len)) == u64::from(teams) * u64::from(at_once * rows_per_team)
        };
        let whole = !self.problem.caps.few_kernels && self.problem.chunks.iter().all(is_whole);
        Residency::Streamed { rows: at_once, whole }
    }

    fn teams_of_workgroup(&self) -> u32 {
        let Self { problem, team, rows, .. } = *self;
        teams(team, rows.workgroup_size(team, problem.caps), problem.caps)
    }

    fn workgroups(&self, teams: u32) -> u64 {
        teams.div_ceil(self.teams_of_workgroup()).into()
    }

    fn params(&self, chunk: Chunk, rows_per_team: u32, teams: u32, first_partial: u32) -> RowParams {
        let Self { problem, rows, .. } = self;
        let stats = problem.stats;
        let [affine_rows, affine_quotient, affine_remainder, affine_run] =
            rows.view.index_map(stats.group_count()).affine;
        let len = stats.group_len();
        let unit = rows.view.layout.unit();
        let stride = if rows.view.layout == VectorLayout::Perpendicular { stats.groups } else { len };
        RowParams {
            rows: rows.count(chunk.len),
            first: chunk.first / len,
            packs: rows.packs,
            stride: stride / unit,
            rows_per_team,
            teams,
            row_step: self.step_to_neighbours(rows_per_team).unwrap_or(teams.max(1)),
            elements: len,
            eps: problem.options.eps,
            weight_offset: problem.weight_offset(),
            stats_stride: stats.group_count(),
            first_partial,
            affine_rows,
            affine_quotient,
            affine_remainder,
            affine_run,
            zero: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_rounded_up_to_a_compiled_count() {
        assert_eq!(registers_for(1, 8), Some(1));
        assert_eq!(registers_for(7, 8), Some(7));
        assert_eq!(registers_for(9, 32), Some(10));
        assert_eq!(registers_for(32, 32), Some(32));
        assert_eq!(registers_for(9, 8), None);
        assert_eq!(registers_for(33, 32), None);
    }
}
