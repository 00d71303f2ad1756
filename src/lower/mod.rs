//! From a definition and a device's capabilities to kernel calls. Pure: nothing here touches a device.
//!
//! Geometry, not the op, decides the kernel: which elements share a statistic, and which share a weight.

mod backward;
mod forward;
mod method;
mod slab;
#[cfg(test)]
mod tests;
mod tuning;
mod view;
mod window;

use std::fmt;

use bytemuck::{Pod, bytes_of};

pub(crate) use self::{
    backward::backward,
    forward::{forward, moments},
    window::window,
};
use self::{
    method::MAX_MEMBERS,
    slab::{Slab, slabs},
};
pub use self::{slab::Range, tuning::Tuning};
use crate::{
    error::{Error, Result},
    geometry::{Fold, Part},
    kernel::{
        grid,
        key::{Affine, KernelKey, Scale, X},
    },
    ops::{
        Options,
        definition::{Definition, Source, Tracked},
    },
    tensor::{Slot, TensorSpec},
};

/// What a device can do and what is fast on it, as far as lowering looks at it.
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
    /// Whether tensors may be parts of one buffer: shaders bind all storage buffers `read_write` then. Not the device's, but the
    /// caller's choice.
    pub shared_buffers: bool,
    /// What is fast.
    pub tuning: Tuning,
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
            shared_buffers: false,
            tuning: Tuning::of(info),
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
            shared_buffers: false,
            tuning: Tuning::GPU,
        }
    }
}

/// The invocations that reduce together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Team {
    /// One invocation, without any reduction.
    Lane,
    /// Four lanes of a subgroup, without a barrier: for short rows that registers hold.
    Cluster,
    /// One subgroup, without a barrier.
    Subgroup,
    /// One workgroup, through workgroup memory: on every device.
    Workgroup,
    /// One workgroup, by subgroup operations first.
    WorkgroupSubgroups,
}

impl Team {
    pub(crate) fn uses_subgroups(self) -> bool {
        matches!(self, Self::Cluster | Self::Subgroup | Self::WorkgroupSubgroups)
    }
}

/// How an op is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Each row is read once and held in a team's registers: one dispatch.
    Resident(Team),
    /// Each row belongs to a team, which reads it once for each sum and once more: one dispatch. So do columns, four of them to a lane.
    Streamed(Team),
    /// Teams share a row or channel and write partial statistics; they are merged, then applied in a second read.
    Split(Team),
    /// The same for statistics over the first axis of a matrix: a lane owns neighbouring columns.
    Columns,
    /// The statistics are given, or there are none: one pass.
    Elementwise,
}

impl Method {
    /// Every method.
    pub const ALL: &'static [Self] = &[
        Self::Resident(Team::Lane),
        Self::Resident(Team::Cluster),
        Self::Resident(Team::Subgroup),
        Self::Resident(Team::Workgroup),
        Self::Resident(Team::WorkgroupSubgroups),
        Self::Streamed(Team::Lane),
        Self::Streamed(Team::Subgroup),
        Self::Streamed(Team::Workgroup),
        Self::Streamed(Team::WorkgroupSubgroups),
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
            Self::Streamed(team) => ("streamed", Some(team)),
            Self::Split(team) => ("split", Some(team)),
            Self::Columns => ("columns", None),
            Self::Elementwise => ("elementwise", None),
        };
        f.write_str(name)?;
        f.write_str(match team {
            None => "",
            Some(Team::Lane) => "/lane",
            Some(Team::Cluster) => "/cluster",
            Some(Team::Subgroup) => "/subgroup",
            Some(Team::Workgroup) => "/workgroup",
            Some(Team::WorkgroupSubgroups) => "/workgroup+subgroups",
        })
    }
}

/// Who chooses the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// This crate, from the device and the shape.
    #[default]
    Inferred,
    /// The caller; an error where the method can't compute the op.
    Forced(Method),
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KernelCall {
    pub key: KernelKey,
    pub params: Vec<u8>,
    pub workgroups: [u32; 3],
    /// The tensors that are bound in part; the whole of all others is.
    pub ranges: Vec<Range>,
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
        limit("max_storage_buffers_per_shader_stage", key.storage().len() as u32, caps.max_storage_buffers)?;
        let workgroups = grid::fold(workgroups, caps.max_workgroups_per_dimension)?;
        Ok(Self { key, params: bytes_of(params).to_vec(), workgroups, ranges: Vec::new() })
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
    fn nothing(tensors: Vec<TensorSpec>) -> Self {
        Self { method: None, tensors, calls: Vec::new(), scratch: Vec::new() }
    }

    /// Checks what is bound against the device.
    fn new(
        method: Method,
        tensors: Vec<TensorSpec>,
        calls: Vec<KernelCall>,
        scratch: Vec<Scratch>,
        caps: &Caps,
    ) -> Result<Self> {
        let allowed = caps.max_storage_buffer_binding_size;
        let whole = |slot| {
            let tensor = tensors.iter().find(|spec| spec.slot == slot).map(TensorSpec::bytes);
            tensor.or(scratch.iter().find(|region| region.slot == slot).map(|region| region.bytes)).unwrap_or(0)
        };
        let sizes = calls.iter().flat_map(|call| {
            let bound =
                |slot| call.ranges.iter().find(|range| range.slot == slot).map_or(whole(slot), |range| range.size);
            call.key.storage().into_iter().map(move |storage| bound(storage.slot)).collect::<Vec<_>>()
        });
        if let Some(needed) = sizes.max().filter(|&n| n > allowed) {
            return Err(Error::Limit { what: "max_storage_buffer_binding_size", needed, allowed });
        }
        Ok(Self { method: Some(method), tensors, calls, scratch })
    }
}

/// What is to be computed: a definition whose tensor is not empty.
struct Problem<'a> {
    definition: &'a Definition,
    options: &'a Options,
    /// Which elements share a statistic.
    stats: Fold,
    /// Which elements share a weight.
    params: Fold,
    tensors: &'a [TensorSpec],
    /// The parts that the tensors are gone through in: one, where the device can bind them.
    slabs: Vec<Slab>,
    caps: &'a Caps,
}

impl<'a> Problem<'a> {
    /// `None` for an empty tensor.
    fn new(
        definition: &'a Definition,
        options: &'a Options,
        tensors: &'a [TensorSpec],
        caps: &'a Caps,
    ) -> Result<Option<Self>> {
        let Some((stats, params)) = definition.folds()? else { return Ok(None) };
        let mut problem = Self { definition, options, stats, params, tensors, slabs: Vec::new(), caps };
        // With nothing between them, what is kept for each outer index is a row like any other.
        if stats.reduced == 1 && problem.tracked().is_none() {
            problem.stats = Fold::new(1, 1, stats.kept_len(), stats.inner);
        }
        problem.slabs = slabs(problem.stats, params, tensors, caps)?;
        Ok(Some(problem))
    }

    /// A call that goes through a slab.
    fn call(&self, slab: Slab, key: KernelKey, params: &impl Pod, workgroups: u64) -> Result<KernelCall> {
        let mut call = KernelCall::new(key, params, workgroups, self.caps)?;
        if self.slabs.len() > 1 {
            let cut = |slot| self.tensors.iter().find(|spec: &&TensorSpec| spec.slot == slot && slot.is_elementwise());
            let bound = call.key.storage().into_iter().filter_map(|storage| cut(storage.slot));
            call.ranges = bound.map(|spec| slab.range(spec)).collect();
        }
        Ok(call)
    }

    /// The parts of a fold: what each slab has of it.
    fn parts(&self, fold: Fold) -> impl Iterator<Item = (Slab, Part)> + '_ {
        self.slabs.iter().map(move |&slab| (slab, fold.part(slab.first, slab.len)))
    }

    fn scale(&self) -> Scale {
        self.definition.scale
    }

    /// Whether a tensor has two elements in a word.
    fn has_halves(&self) -> bool {
        self.tensors.iter().any(|spec| spec.slot.is_elementwise() && spec.dtype.size() == 2)
    }

    /// Whether every tensor has two elements in a word.
    fn has_only_halves(&self) -> bool {
        self.tensors.iter().all(|spec| !spec.slot.is_elementwise() || spec.dtype.size() == 2)
    }

    fn tracked(&self) -> Option<Tracked> {
        match self.definition.source {
            Source::Batch { tracked, .. } => tracked,
            Source::Running => None,
        }
    }

    /// Whether gradients are computed.
    fn is_backward(&self) -> bool {
        self.tensors.iter().any(|spec| spec.slot == Slot::GradOutput)
    }

    /// Whether statistics are read and not taken.
    fn given(&self) -> bool {
        !matches!(self.definition.source, Source::Batch { parts: None, .. })
    }

    /// Whether a team that owns a run of memory owns all that its statistic is taken of, and nobody else wants it.
    fn is_rows(&self) -> bool {
        self.stats.reduced == 1 && self.has_own_statistics()
    }

    /// Whether statistics are of use to nobody but who takes them: kernels of rows neither update running statistics nor keep them for a backward pass.
    fn has_own_statistics(&self) -> bool {
        self.tracked().is_none() && !self.options.keep_statistics
    }

    /// Whether statistics can be taken for columns of a matrix: of each of its columns, or of neighbouring ones together.
    fn is_columns(&self) -> bool {
        let neighbours = self.stats.inner <= MAX_MEMBERS && self.params.inner == 1;
        self.stats.reduced > 1 && (self.stats.inner == 1 || neighbours)
    }

    /// What is normalized, in a forward pass.
    fn x(&self) -> X {
        let types = self.options.types;
        if self.options.residual && !self.definition.residual_after {
            X::Residual(types.input(), types.residual())
        } else {
            X::Input(types.input())
        }
    }

    fn affine(&self) -> Affine {
        let options = self.options;
        let after = options.residual && self.definition.residual_after;
        Affine {
            weight: options.weight.then_some(options.types.params()),
            bias: options.bias.then_some(options.types.params()),
            after: after.then_some(options.types.residual()),
            activation: options.activation,
        }
    }

    fn weight_offset(&self) -> f32 {
        self.options.weight_offset()
    }
}
