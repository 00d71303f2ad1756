//! The choice of the method.

use super::{
    occupancy::{CPU_LANES, largest_team},
    problem::Problem,
    rows::{Rows, TeamRows, perpendicular_rows, resident_rows, streamed_rows},
    sums::sums_by_parts,
};
use crate::{
    error::{Error, Result},
    tuning::Tuning,
    types::{Method, Strategy, Team},
};

/// The method for a problem. `resident`: whether the pass processes whole rows. Sums of gradients alone do not.
pub(super) fn choose(problem: &Problem<'_>, strategy: Strategy, resident: bool) -> Result<Method> {
    match strategy {
        Strategy::Inferred => Ok(infer(problem, resident)),
        Strategy::Forced(method) => check(method, problem, resident).map(|()| method),
    }
}

/// The method table: the first matching line. Names in it are those of [`Tuning`](crate::Tuning); half of
/// `lane_packs_many_rows` counts in a backward pass and in half precision. Clusters need subgroups.
///
/// | statistics | rows | method |
/// |---|---|---|
/// | given, or merged | any | elementwise |
/// | of columns | that share their weights, enough to fill a CPU | streamed/lane |
/// | | all others | columns |
/// | of channels or groups that are no rows | any | split |
/// | of rows | of more than 4 elements, or 64 on a CPU, that a cluster holds with their sums | resident/cluster |
/// | | of up to `lane_packs` packs, or `lane_packs_many_rows` for 4096 rows or more | resident/lane |
/// | | fewer than `few_rows`, of `long_row` elements or more | split |
/// | | that registers hold | resident, by the smallest team that holds them and their sums of gradients |
/// | | longer, if the sums of split rows give the gradients of weight and bias too | split |
/// | | longer | streamed, by the largest team |
/// | | too long for that | split |
///
/// Teams on a CPU are lanes, clusters and subgroups, as a barrier costs more there than all else. Teams on a GPU are
/// clusters, subgroups and workgroups. With `few_kernels`, `lane_packs_many_rows` does not count, a CPU has no
/// clusters, and rows are streamed if registers do not hold their sums.
fn infer(problem: &Problem<'_>, resident: bool) -> Method {
    if problem.given() {
        return Method::Elementwise;
    }
    let caps = problem.caps;
    let tuning = &caps.tuning;
    if problem.is_columns() {
        let enough = |rows: &Rows| rows.count(problem.stats.len()) >= tuning.workgroups * CPU_LANES;
        let down = perpendicular_rows(problem).filter(|rows| caps.cpu && resident && enough(rows));
        let streams = down.is_some_and(|rows| rows.check_streams(Team::Lane, caps).is_ok());
        return if streams { Method::Streamed(Team::Lane) } else { Method::Columns };
    }
    let largest = largest_team(caps);
    let Some(rows) = resident_rows(problem).filter(|_| resident) else {
        return Method::Split(largest);
    };
    let has_subgroups = caps.subgroup_size.is_some();
    let cluster = (has_subgroups && !(caps.cpu && caps.few_kernels)).then_some(Team::Cluster);
    let fits = |team: &Team| TeamRows::new(problem, *team, false).is_ok_and(|rows| rows.fits());
    let fits_with_sums = |team: &Team| TeamRows::new(problem, *team, false).is_ok_and(|rows| rows.fits_with_sums());
    let of_a_lane = if caps.cpu { CPU_LANE_ELEMENTS } else { LANE_ELEMENTS };
    if rows.view.cols > of_a_lane && cluster.as_ref().is_some_and(fits_with_sums) {
        return Method::Resident(Team::Cluster);
    }
    if rows.packs <= lane_packs(problem) {
        return Method::Resident(Team::Lane);
    }
    // Only teams that own their rows find them by an index, and know their largest element.
    let splits = !problem.options.is_indexed() && problem.options.quantized.is_none();
    if splits && problem.stats.group_count() < tuning.few_rows && problem.stats.inner >= tuning.long_row {
        return Method::Split(largest);
    }
    let smaller = (has_subgroups && !caps.cpu).then_some(Team::Subgroup);
    let teams = cluster.into_iter().chain(smaller).chain([largest]);
    // A pass of its own for the sums has more kernels than a pass that streams and sums.
    let without_sums = || teams.clone().find(fits).filter(|_| !caps.few_kernels);
    let resident = teams.clone().find(fits_with_sums).or_else(without_sums).map(Method::Resident);
    let streamed = || {
        let rows = streamed_rows(problem, largest);
        let streams = rows.is_some_and(|rows| rows.check_streams(largest, caps).is_ok()) && !sums_by_parts(problem);
        streams.then_some(Method::Streamed(largest))
    };
    resident.or_else(streamed).unwrap_or(Method::Split(largest))
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
        Method::Resident(_) | Method::Streamed(_) if !resident => {
            refuse("its kernels give the gradient of the input, and of no residual behind the norm")
        }
        Method::Resident(team) => match resident_rows(problem) {
            Some(rows) => rows.registers(team, problem.caps).map(|_| ()),
            None => refuse("its statistics are not those of rows"),
        },
        Method::Streamed(team) => match streamed_rows(problem, team) {
            Some(rows) => rows.check_streams(team, problem.caps),
            None => refuse("its statistics are not those of rows"),
        },
        Method::Columns if !problem.is_columns() => refuse("its statistics are not those of columns"),
        Method::Split(_) | Method::Columns | Method::Elementwise => Ok(()),
    }
}

/// The longest rows that a lane owns, in packs.
fn lane_packs(problem: &Problem<'_>) -> u32 {
    let Tuning { lane_packs, lane_packs_many_rows, .. } = problem.caps.tuning;
    let is_heavy = problem.is_backward() || problem.has_half_precision();
    let wide = if is_heavy { lane_packs_many_rows / 2 } else { lane_packs_many_rows };
    if problem.stats.group_count() < MANY_ROWS || problem.caps.few_kernels { lane_packs } else { wide.max(lane_packs) }
}

/// Elements of a row, at most, that a lane owns even if a cluster can hold them.
const LANE_ELEMENTS: u32 = 4;
/// The same on a CPU, where the lanes of a SIMD vector own a row each at no cost.
const CPU_LANE_ELEMENTS: u32 = 64;

/// So many rows that each lane owns several.
const MANY_ROWS: u32 = 4096;
