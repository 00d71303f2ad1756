//! From a problem's geometry and a device's capabilities to kernel calls. Pure: nothing here touches a device.
//!
//! Geometry, not the op, decides the kernel. Every op of this crate takes statistics over some elements of
//! `[slices, groups, len]`: those of a group, over all slices. Layer norm has one slice, and its rows are the groups; batch
//! norm has the batch as slices and the channels as groups.

use std::fmt;

use bytemuck::{Pod, bytes_of};

use crate::{
    error::{Error, Result},
    kernel::{
        grid,
        key::{
            APPLY_BLOCK, Affine, GPU_REGISTERS, KernelKey, MOMENTS_BLOCK, ParamsBy, SMALL_WORKGROUP, Saved, Source,
            StatsBy, TEAM_WORKGROUPS, Tracking, WIDE_SUBGROUP_WORKGROUP, Width, cpu_registers, registers_for,
        },
        params,
    },
    tensor::{Slot, TensorSpec},
};

/// What a device can do, as far as lowering looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// The adapter runs shaders on the CPU: barriers are dear there, and memory is near.
    pub cpu: bool,
    /// The smallest and the largest subgroup; `None` without the `SUBGROUP` feature.
    pub subgroup_size: Option<(u32, u32)>,
    /// The largest one-dimensional workgroup.
    pub max_workgroup_size: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_storage: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_workgroups_per_dimension: u32,
    /// Bytes of the largest storage-buffer binding.
    pub max_storage_buffer_binding_size: u64,
    /// Storage buffers of a shader.
    pub max_storage_buffers: u32,
    /// What the offset of a storage-buffer binding must be a multiple of.
    pub storage_offset_alignment: u32,
}

impl Caps {
    /// The capabilities of a device.
    #[must_use]
    pub fn of(device: &wgpu::Device) -> Self {
        Self::new(&device.adapter_info(), device.features(), &device.limits())
    }

    /// The capabilities that a device made from this adapter with these features and limits has.
    #[must_use]
    pub fn new(info: &wgpu::AdapterInfo, features: wgpu::Features, limits: &wgpu::Limits) -> Self {
        Self {
            cpu: info.device_type == wgpu::DeviceType::Cpu,
            subgroup_size: features
                .contains(wgpu::Features::SUBGROUP)
                .then_some((info.subgroup_min_size.max(4), info.subgroup_max_size.max(4))),
            max_workgroup_size: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_offset_alignment: limits.min_storage_buffer_offset_alignment,
        }
    }
}

impl Default for Caps {
    /// What every WebGPU device has: a GPU without subgroups, with the default limits.
    fn default() -> Self {
        let limits = wgpu::Limits::default();
        Self {
            cpu: false,
            subgroup_size: None,
            max_workgroup_size: limits.max_compute_invocations_per_workgroup,
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_offset_alignment: limits.min_storage_buffer_offset_alignment,
        }
    }
}

/// The invocations that reduce together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Team {
    /// One invocation, without any reduction.
    Lane,
    /// One subgroup, without a barrier.
    Subgroup,
    /// One workgroup, through workgroup memory: on every device.
    Workgroup,
    /// One workgroup, by subgroup operations first.
    WorkgroupSubgroups,
}

impl Team {
    pub(crate) fn uses_subgroups(self) -> bool {
        matches!(self, Self::Subgroup | Self::WorkgroupSubgroups)
    }
}

/// How an op is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Each row is read once and held in a team's registers: one dispatch.
    Resident(Team),
    /// Teams share a row or channel and write partial statistics; they are merged, then applied in a second read.
    Split(Team),
    /// The same for statistics over the first axis of a matrix: a lane owns neighbouring columns.
    Columns,
    /// The statistics are given: one pass.
    Elementwise,
}

impl Method {
    /// Every method.
    pub const ALL: &'static [Self] = &[
        Self::Resident(Team::Lane),
        Self::Resident(Team::Subgroup),
        Self::Resident(Team::Workgroup),
        Self::Resident(Team::WorkgroupSubgroups),
        Self::Split(Team::Lane),
        Self::Split(Team::Subgroup),
        Self::Split(Team::Workgroup),
        Self::Split(Team::WorkgroupSubgroups),
        Self::Columns,
        Self::Elementwise,
    ];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, team) = match self {
            Self::Resident(team) => ("resident", Some(team)),
            Self::Split(team) => ("split", Some(team)),
            Self::Columns => ("columns", None),
            Self::Elementwise => ("elementwise", None),
        };
        f.write_str(name)?;
        f.write_str(match team {
            None => "",
            Some(Team::Lane) => "/lane",
            Some(Team::Subgroup) => "/subgroup",
            Some(Team::Workgroup) => "/workgroup",
            Some(Team::WorkgroupSubgroups) => "/workgroup+subgroups",
        })
    }
}

/// Who chooses the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// This crate, from the device and the shape.
    #[default]
    Inferred,
    /// The caller; an error where the method can't compute the op.
    Forced(Method),
}

/// What is to be computed, without the op's name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// Slices over which a group's statistics run.
    pub slices: u32,
    pub groups: u32,
    /// Elements of a group in a slice.
    pub len: u32,
    pub eps: f32,
    /// Whether the mean is subtracted: not in RMS norm.
    pub centered: bool,
    pub affine: Affine,
    /// Whether the gain is 1 + weight.
    pub zero_centered: bool,
    pub params: Params,
    pub statistics: Statistics,
}

impl Problem {
    fn weight_offset(&self) -> f32 {
        if self.zero_centered { 1.0 } else { 0.0 }
    }
}

/// How weight and bias belong to the elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Params {
    /// `[tables, len]`: one for each position; group g of the problem has table g % tables.
    Positions { tables: u32 },
    /// `[tables, channels]`: one for each channel; a group of the problem has `channels` of `spatial` elements in a slice.
    Channels { tables: u32, channels: u32, spatial: u32 },
}

impl Params {
    fn by(self) -> ParamsBy {
        match self {
            Self::Positions { .. } => ParamsBy::Position,
            Self::Channels { .. } => ParamsBy::Channel,
        }
    }
}

/// Where the statistics of a problem come from and where they go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistics {
    /// Running statistics are read.
    Given,
    /// Taken from the input; `saved` writes mean and rstd, `running` says how running statistics are updated.
    Taken { saved: Saved, running: Running },
}

/// The update of running statistics: `running = old_weight * running + new_weight * batch`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Running {
    None,
    Fixed { old_weight: f32, new_weight: f32, var_scale: f32 },
    Cumulative { var_scale: f32 },
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KernelCall {
    pub key: KernelKey,
    pub params: Vec<u8>,
    pub workgroups: [u32; 3],
}

impl KernelCall {
    fn new(key: KernelKey, params: &impl Pod, workgroups: u64, caps: &Caps) -> Result<Self> {
        let limit = |what, needed: u32, allowed: u32| {
            if needed <= allowed {
                Ok(())
            } else {
                Err(Error::Limit { what, needed: needed.into(), allowed: allowed.into() })
            }
        };
        limit("max_compute_invocations_per_workgroup", key.workgroup_size(), caps.max_workgroup_size)?;
        limit("max_compute_workgroup_storage_size", key.workgroup_storage(), caps.max_workgroup_storage)?;
        limit("max_storage_buffers_per_shader_stage", key.slots().len() as u32, caps.max_storage_buffers)?;
        let workgroups = grid::fold(workgroups, caps.max_workgroups_per_dimension)?;
        Ok(Self { key, params: bytes_of(params).to_vec(), workgroups })
    }
}

/// A scratch region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scratch {
    pub slot: Slot,
    pub bytes: u64,
}

/// An op for a device: the tensors it binds and the dispatches it makes, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// `None`: there is nothing to do.
    pub(crate) method: Option<Method>,
    pub(crate) tensors: Vec<TensorSpec>,
    pub(crate) calls: Vec<KernelCall>,
    pub(crate) scratch: Vec<Scratch>,
}

impl Lowered {
    /// An empty batch: nothing is read or written.
    pub(crate) fn nothing(tensors: Vec<TensorSpec>) -> Self {
        Self { method: None, tensors, calls: Vec::new(), scratch: Vec::new() }
    }

    /// Lowers a problem without an empty axis.
    pub(crate) fn new(problem: &Problem, tensors: Vec<TensorSpec>, caps: &Caps, strategy: Strategy) -> Result<Self> {
        let method = match strategy {
            Strategy::Inferred => infer(problem, caps),
            Strategy::Forced(method) => {
                check_method(method, problem, caps)?;
                method
            }
        };
        let (calls, scratch) = match method {
            Method::Resident(team) => (vec![resident(problem, team, caps)?], Vec::new()),
            Method::Split(team) => split(problem, team, caps)?,
            Method::Columns => columns(problem, caps)?,
            Method::Elementwise => (vec![apply(problem, Source::Running, caps)?], Vec::new()),
        };
        let allowed = caps.max_storage_buffer_binding_size;
        let sizes = tensors.iter().map(TensorSpec::bytes).chain(scratch.iter().map(|s| s.bytes));
        if let Some(needed) = sizes.max().filter(|&n| n > allowed) {
            return Err(Error::Limit { what: "max_storage_buffer_binding_size", needed, allowed });
        }
        Ok(Self { method: Some(method), tensors, calls, scratch })
    }
}

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
/// | given | any | any | elementwise |
/// | of rows | any | up to 4 packs | resident/lane |
/// | of rows | CPU, subgroups | up to 32 vec4s, or 64 elements, a lane | resident/subgroup |
/// | of rows | CPU, none | up to 8 packs | resident/lane |
/// | of rows | GPU, subgroups | up to 8 packs a lane of a subgroup | resident/subgroup |
/// | of rows | GPU | up to 8 packs a lane of a workgroup, unless few and long | resident/workgroup |
/// | of rows, of channels | any | all others | split, by the widest team without a barrier on a CPU, by workgroups on a GPU |
/// | of columns | any | any | columns |
fn infer(problem: &Problem, caps: &Caps) -> Method {
    if problem.statistics == Statistics::Given {
        return Method::Elementwise;
    }
    let subgroups = caps.subgroup_size.is_some();
    let workgroup = if subgroups { Team::WorkgroupSubgroups } else { Team::Workgroup };
    let split_team = match (caps.cpu, subgroups) {
        (true, true) => Team::Subgroup,
        (true, false) => Team::Lane,
        (false, _) => workgroup,
    };
    if check_method(Method::Columns, problem, caps).is_ok() {
        return Method::Columns;
    }
    let few_and_long = !caps.cpu && problem.groups < FEW_ROWS && problem.len >= LONG_ROW;
    let candidates: &[Team] = match (caps.cpu, subgroups) {
        _ if row_packs(problem) <= LANE_PACKS => &[Team::Lane],
        (true, true) => &[Team::Subgroup],
        (true, false) => &[Team::Lane],
        (false, _) if few_and_long => &[],
        (false, true) => &[Team::Subgroup, Team::WorkgroupSubgroups],
        (false, false) => &[Team::Workgroup],
    };
    let fits = |team: &&Team| check_method(Method::Resident(**team), problem, caps).is_ok();
    candidates.iter().find(fits).map_or(Method::Split(split_team), |&team| Method::Resident(team))
}

/// Whether a method can compute a problem on a device.
fn check_method(method: Method, problem: &Problem, caps: &Caps) -> Result<()> {
    let refuse = |why: &str| Err(Error::Unsupported { what: format!("the method {method}"), why: why.into() });
    if matches!(method, Method::Elementwise) != (problem.statistics == Statistics::Given) {
        return refuse("elementwise is for given statistics, and the only method for them");
    }
    match method {
        Method::Resident(team) | Method::Split(team) if team.uses_subgroups() && caps.subgroup_size.is_none() => {
            refuse("the device has no SUBGROUP feature")
        }
        Method::Resident(team) => {
            let untracked = matches!(problem.statistics, Statistics::Taken { running: Running::None, .. });
            if problem.slices > 1 || !untracked {
                refuse("its statistics are not those of rows")
            } else {
                registers(problem, team, caps).map(|_| ())
            }
        }
        Method::Columns if !is_columns(problem) => refuse("its statistics are not those of columns"),
        Method::Split(_) | Method::Columns | Method::Elementwise => Ok(()),
    }
}

/// Whether the groups are the columns of a matrix: batch norm of `[N, C]`.
fn is_columns(problem: &Problem) -> bool {
    matches!(problem.params, Params::Channels { channels: 1, spatial: 1, .. })
}

/// The widest pack that neither a row nor, where it has a weight, a channel in it ends in the middle of.
fn row_width(problem: &Problem) -> Width {
    match problem.params {
        Params::Channels { spatial, .. } => Width::of(spatial),
        Params::Positions { .. } => Width::of(problem.len),
    }
}

/// Packs of a row for the row kernel.
fn row_packs(problem: &Problem) -> u32 {
    problem.len / row_width(problem).elements()
}

/// The workgroup size for a team whose work is `packs` long.
fn workgroup_size(team: Team, packs: u32, caps: &Caps) -> u32 {
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

/// The fewest lanes that a team may have: subgroups are as small as the driver likes.
fn lanes(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => 1,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(min, _)| min.max(1)),
        Team::Workgroup | Team::WorkgroupSubgroups => workgroup_size,
    }
}

/// The fewest teams that a workgroup may have.
fn teams(team: Team, workgroup_size: u32, caps: &Caps) -> u32 {
    match team {
        Team::Lane => workgroup_size,
        Team::Subgroup => caps.subgroup_size.map_or(1, |(_, max)| workgroup_size / max.clamp(1, workgroup_size)),
        Team::Workgroup | Team::WorkgroupSubgroups => 1,
    }
}

/// The register count of the row kernel.
fn registers(problem: &Problem, team: Team, caps: &Caps) -> Result<u32> {
    let packs = row_packs(problem);
    let max = match team {
        Team::Subgroup if caps.cpu => cpu_registers(row_width(problem)),
        _ => GPU_REGISTERS,
    };
    let needed = packs.div_ceil(lanes(team, workgroup_size(team, packs, caps), caps));
    registers_for(needed, max).ok_or_else(|| Error::Unsupported {
        what: format!("the method {}", Method::Resident(team)),
        why: format!("a lane holds {max} packs, the row needs {needed}"),
    })
}

fn resident(problem: &Problem, team: Team, caps: &Caps) -> Result<KernelCall> {
    let width = row_width(problem);
    let packs = row_packs(problem);
    let workgroup_size = workgroup_size(team, packs, caps);
    let key = KernelKey::Row {
        team,
        workgroup_size,
        registers: registers(problem, team, caps)?,
        width,
        centered: problem.centered,
        params: problem.params.by(),
        affine: problem.affine,
        saved: match problem.statistics {
            Statistics::Taken { saved, .. } => saved,
            Statistics::Given => Saved::None,
        },
    };
    let (groups, channels, spatial) = match problem.params {
        Params::Positions { tables } => (tables, 1, problem.len),
        Params::Channels { tables, channels, spatial } => (tables, channels, spatial),
    };
    let params = params::Row {
        rows: problem.groups,
        packs,
        inv_len: 1.0 / problem.len as f32,
        eps: problem.eps,
        groups,
        channels,
        channel_packs: spatial / width.elements(),
        weight_offset: problem.weight_offset(),
    };
    let workgroups = u64::from(problem.groups).div_ceil(teams(team, workgroup_size, caps).into());
    KernelCall::new(key, &params, workgroups, caps)
}

/// The most elements a partial may count: in f32, counts up to here are exact.
const MAX_PARTIAL: u64 = 1 << 24;

/// How many teams share a group of `packs`: enough to fill the device, few enough that each has a block to do.
fn splits(groups: u32, packs: u64, width: Width, team: Team, lanes: u32, caps: &Caps) -> u32 {
    let fill: u32 = match (team, caps.cpu) {
        // Lanes of one hardware vector should read neighbouring memory, so they share a group.
        (Team::Lane, true) => 32.max(256 / groups.min(256)),
        (Team::Lane, false) => (1 << 16) / groups.min(1 << 16),
        (Team::Subgroup, true) => 16_u32.div_ceil(groups),
        (Team::Subgroup, false) => 4096_u32.div_ceil(groups),
        (Team::Workgroup | Team::WorkgroupSubgroups, _) => 512_u32.div_ceil(groups),
    };
    let useful = (packs / u64::from(lanes * MOMENTS_BLOCK)).max(1);
    let needed = (packs * u64::from(width.elements())).div_ceil(MAX_PARTIAL);
    // All three are below 2^31, as the tensor's elements are.
    u64::from(fill).min(useful).max(needed) as u32
}

fn split(problem: &Problem, team: Team, caps: &Caps) -> Result<(Vec<KernelCall>, Vec<Scratch>)> {
    let width = Width::of(problem.len);
    let packs = problem.len / width.elements();
    let total = u64::from(problem.slices) * u64::from(packs);
    let workgroup_size = workgroup_size(team, u32::try_from(total).unwrap_or(u32::MAX), caps);
    let splits = splits(problem.groups, total, width, team, lanes(team, workgroup_size, caps), caps);
    let key = KernelKey::Moments { team, workgroup_size, width };
    let params = params::Moments { slices: problem.slices, groups: problem.groups, packs, splits, zero: 0 };
    let workgroups = (u64::from(problem.groups) * u64::from(splits)).div_ceil(teams(team, workgroup_size, caps).into());
    with_finalize(problem, KernelCall::new(key, &params, workgroups, caps)?, splits, caps)
}

fn columns(problem: &Problem, caps: &Caps) -> Result<(Vec<KernelCall>, Vec<Scratch>)> {
    let width = Width::of(problem.groups);
    let column_packs = problem.groups / width.elements();
    let splits = splits(column_packs, problem.slices.into(), Width::X1, Team::Lane, 1, caps);
    let key = KernelKey::MomentsColumns { width };
    let params = params::MomentsColumns { rows: problem.slices, columns: problem.groups, splits, zero: 0 };
    let workgroups = (u64::from(column_packs) * u64::from(splits)).div_ceil(SMALL_WORKGROUP.into());
    with_finalize(problem, KernelCall::new(key, &params, workgroups, caps)?, splits, caps)
}

/// What follows the partial statistics: their merging, and the pass that applies them.
fn with_finalize(
    problem: &Problem,
    moments: KernelCall,
    splits: u32,
    caps: &Caps,
) -> Result<(Vec<KernelCall>, Vec<Scratch>)> {
    let (saved, running) = match problem.statistics {
        Statistics::Taken { saved, running } => (saved, running),
        Statistics::Given => (Saved::None, Running::None),
    };
    let (tracking, old_weight, new_weight, var_scale) = match running {
        Running::None => (Tracking::None, 0.0, 0.0, 0.0),
        Running::Fixed { old_weight, new_weight, var_scale } => (Tracking::Fixed, old_weight, new_weight, var_scale),
        Running::Cumulative { var_scale } => (Tracking::Cumulative, 0.0, 0.0, var_scale),
    };
    let finalize = params::Finalize {
        groups: problem.groups,
        splits,
        stats_stride: problem.groups,
        eps: problem.eps,
        old_weight,
        new_weight,
        var_scale,
        zero: 0,
    };
    let mut calls = vec![moments];
    if tracking == Tracking::Cumulative {
        calls.push(KernelCall::new(KernelKey::Count, &[0u8; 0], 1, caps)?);
    }
    let workgroups = problem.groups.div_ceil(SMALL_WORKGROUP);
    calls.push(KernelCall::new(
        KernelKey::Finalize { centered: problem.centered, saved, tracking },
        &finalize,
        workgroups.into(),
        caps,
    )?);
    calls.push(apply(problem, Source::Batch, caps)?);
    let groups = u64::from(problem.groups);
    let scratch = vec![
        Scratch { slot: Slot::Partials, bytes: groups * u64::from(splits) * 16 },
        Scratch { slot: Slot::Statistics, bytes: groups * 3 * 4 },
    ];
    Ok((calls, scratch))
}

fn apply(problem: &Problem, source: Source, caps: &Caps) -> Result<KernelCall> {
    let (rows, len, groups, stats, rows_per_stat) = match problem.params {
        _ if is_columns(problem) => (problem.slices, problem.groups, 1, StatsBy::Position, 1),
        Params::Positions { tables } => (problem.groups, problem.len, tables, StatsBy::Block, 1),
        Params::Channels { tables, channels, spatial } => {
            // A row is a channel of a sample. One slice: its statistics are those of the row or of some neighbouring rows.
            let own = problem.slices == 1 && source == Source::Batch;
            let stats = if own { StatsBy::Block } else { StatsBy::Group };
            (problem.slices * problem.groups * channels, spatial, tables * channels, stats, channels)
        }
    };
    let width = Width::of(len);
    let stats_stride = match stats {
        StatsBy::Position => problem.groups / width.elements(),
        StatsBy::Block | StatsBy::Group => problem.groups,
    };
    // A column's weight is at its position.
    let params = if is_columns(problem) { ParamsBy::Position } else { problem.params.by() };
    let key = KernelKey::Apply { width, source, stats, params, affine: problem.affine };
    let packs = len / width.elements();
    let call = params::Apply {
        rows,
        packs,
        groups,
        rows_per_stat,
        stats_stride,
        eps: problem.eps,
        weight_offset: problem.weight_offset(),
        zero: 0,
    };
    let tile = u64::from(SMALL_WORKGROUP * APPLY_BLOCK);
    KernelCall::new(key, &call, (u64::from(rows) * u64::from(packs)).div_ceil(tile), caps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RmsNorm, RunningStats, sealed::Op};

    const SUBGROUPS: Caps = Caps {
        cpu: false,
        subgroup_size: Some((32, 32)),
        max_workgroup_size: 1024,
        max_workgroup_storage: 32768,
        max_workgroups_per_dimension: 65535,
        max_storage_buffer_binding_size: 1 << 34,
        max_storage_buffers: 8,
        storage_offset_alignment: 32,
    };
    const PLAIN: Caps = Caps { subgroup_size: None, ..SUBGROUPS };
    const LAVAPIPE: Caps = Caps { cpu: true, subgroup_size: Some((8, 8)), ..SUBGROUPS };
    const LLVMPIPE: Caps = Caps { cpu: true, ..PLAIN };

    fn lower(op: &impl Op, caps: &Caps) -> Lowered {
        op.lower(caps, Strategy::Inferred).expect("it lowers")
    }

    fn method(op: &impl Op, caps: &Caps) -> String {
        lower(op, caps).method.expect("there is something to do").to_string()
    }

    #[test]
    fn rows_go_to_the_smallest_team_that_holds_them() {
        let cases = [
            ([4096, 16], ["resident/lane", "resident/lane", "resident/lane", "resident/lane"]),
            ([4096, 768], ["resident/subgroup", "resident/workgroup", "resident/subgroup", "split/lane"]),
            ([4096, 1023], ["resident/workgroup+subgroups", "resident/workgroup", "split/subgroup", "split/lane"]),
            ([4096, 1024], ["resident/subgroup", "resident/workgroup", "resident/subgroup", "split/lane"]),
            ([4096, 4096], ["resident/workgroup+subgroups", "resident/workgroup", "split/subgroup", "split/lane"]),
            ([4096, 32768], ["resident/workgroup+subgroups", "resident/workgroup", "split/subgroup", "split/lane"]),
            ([4096, 65536], ["split/workgroup+subgroups", "split/workgroup", "split/subgroup", "split/lane"]),
            ([1, 32768], ["split/workgroup+subgroups", "split/workgroup", "split/subgroup", "split/lane"]),
        ];
        for (shape, expected) in cases {
            let op = LayerNorm::new(&shape, 1..);
            let actual = [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE].map(|caps| method(&op, caps));
            assert_eq!(actual, expected, "{shape:?}");
        }
    }

    #[test]
    fn channels_go_to_split_or_columns() {
        for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE] {
            assert_eq!(method(&BatchNorm::inference(&[8, 64, 56, 56]), caps), "elementwise");
            assert_eq!(method(&BatchNorm::training(&[256, 1024]), caps), "columns");
            assert_eq!(method(&BatchNorm::training(&[256, 1024, 1]), caps), "columns");
            assert!(method(&BatchNorm::training(&[8, 64, 56, 56]), caps).starts_with("split/"));
        }
    }

    #[test]
    fn no_method_for_a_cpu_has_a_barrier() {
        for caps in [&LAVAPIPE, &LLVMPIPE] {
            for len in [1, 7, 768, 1023, 4096, 33000] {
                for call in lower(&LayerNorm::new(&[64, len], 1..), caps).calls {
                    assert_eq!(call.key.workgroup_storage(), 0, "{len}");
                }
            }
        }
    }

    #[test]
    fn every_key_that_lowering_makes_is_one_that_the_shader_tests_see() {
        let all = KernelKey::all();
        let wide = Caps { subgroup_size: Some((4, 128)), ..SUBGROUPS };
        let minimum = Caps::default();
        for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE, &wide, &minimum] {
            for strategy in Method::ALL.iter().map(|&method| Strategy::Forced(method)).chain([Strategy::Inferred]) {
                for len in [1, 2, 3, 4, 31, 36, 255, 768, 1023, 1024, 4096, 4097, 8192, 33000, 1 << 20] {
                    let ops: [&dyn Op; 12] = [
                        &BatchNorm::inference(&[1, 5, len]),
                        &BatchNorm::inference(&[len, 12]),
                        &BatchNorm::training(&[2, 5, len]).running_stats(RunningStats::CUMULATIVE).save_stats(true),
                        &RmsNorm::new(&[7, len], 1..).save_stats(true),
                        &RmsNorm::new(&[1, len], 1..).weight(false),
                        &GroupNorm::new(&[2, 6, len], 3).save_stats(true),
                        &GroupNorm::new(&[2, 4 * len], 2).bias(false),
                        &InstanceNorm::new(&[2, 6, len]).weight(true),
                        &LayerNorm::new(&[7, len], 1..),
                        &LayerNorm::new(&[1, len], 1..).save_stats(true).bias(false),
                        &BatchNorm::training(&[3, 5, len]),
                        &BatchNorm::training(&[len + 1, 12]).weight(false),
                    ];
                    for op in ops {
                        for call in op.lower(caps, strategy).map_or(Vec::new(), |lowered| lowered.calls) {
                            assert!(all.contains(&call.key), "{}", call.key);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn lowering_is_pure_and_the_key_holds_no_run_time_parameter() {
        let keys = |op: LayerNorm| lower(&op, &SUBGROUPS).calls.iter().map(|call| call.key).collect::<Vec<_>>();
        let op = LayerNorm::new(&[7, 768], 1..);
        assert_eq!(lower(&op, &SUBGROUPS), lower(&op, &SUBGROUPS));
        assert_eq!(keys(op.clone()), keys(op.clone().eps(0.5)));
        assert_eq!(keys(op), keys(LayerNorm::new(&[5000, 4, 768], 2..)));
    }

    #[test]
    fn a_dispatch_covers_every_row_whatever_the_size_of_a_subgroup() {
        // 64 lanes are two subgroups of 32 at most, or up to 16 of 4: two rows a workgroup can be relied on.
        let caps = Caps { subgroup_size: Some((4, 32)), ..SUBGROUPS };
        assert_eq!(lower(&LayerNorm::new(&[1001, 128], 1..), &caps).calls[0].workgroups, [501, 1, 1]);
        assert_eq!(lower(&LayerNorm::new(&[200_000, 128], 1..), &caps).calls[0].workgroups, [50000, 2, 1]);
    }

    #[test]
    fn a_partial_counts_no_more_than_f32_can() {
        for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE] {
            for shape in [[1, 1 << 31], [64, 1 << 25], [1, (1 << 31) - 3]] {
                let lowered = lower(&LayerNorm::new(&shape, 1..).weight(false).bias(false), caps);
                let partials = lowered.scratch[0].bytes / 16 / shape[0] as u64;
                assert!((shape[1] as u64).div_ceil(partials) <= MAX_PARTIAL, "{shape:?}: {partials}");
            }
        }
    }
}
