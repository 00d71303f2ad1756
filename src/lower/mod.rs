//! Lowering: from the computation of an op and the capabilities of a device to kernel calls. Pure: nothing here uses a
//! device.
//!
//! The geometry decides, not the op: which elements share a statistic, and which share a weight. `choose` picks the
//! method. `forward` and `backward` put passes in order. Each pass has a file: `rows`, `statistics`, `elementwise`,
//! `sums`, `window`.

mod backward;
mod choose;
mod chunks;
mod elementwise;
mod forward;
mod grid;
mod layout;
mod occupancy;
mod places;
mod problem;
mod rows;
mod split;
mod statistics;
mod sums;
#[cfg(test)]
mod tests;
mod window;

pub use self::chunks::Range;
#[cfg(feature = "wgpu")]
pub(crate) use self::places::PLACES_SIZE;
pub(crate) use self::places::Places;
use crate::{
    caps::Caps,
    definition::Operation,
    error::{Error, Result},
    kernels::{Kernel, ShaderKey, roles::Saved},
    tensor::TensorSpec,
    types::{Method, Strategy},
    wgsl::storage::Buffer,
};

/// The name of the limit of storage buffers, in errors.
const STORAGE_BUFFERS: &str = "max_storage_buffers_per_shader_stage";

/// Lowers an op.
pub(crate) fn lower(operation: &Operation, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
    let tensors = operation.tensors();
    match operation {
        Operation::Forward(definition, options) => forward::lower(definition, options, tensors, caps, strategy),
        Operation::Backward(definition, options, gradients) => {
            backward::lower(definition, options, *gradients, tensors, caps, strategy)
        }
        Operation::Moments(definition, options) => {
            forward::statistics(definition, options, tensors, caps, strategy, Saved::Moments)
        }
        Operation::Statistics(definition, options) => {
            forward::statistics(definition, options, tensors, caps, strategy, Saved::Statistics)
        }
        Operation::Window { window, backward } => window::lower(window, *backward, tensors, caps, strategy),
    }
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KernelCall {
    pub key: ShaderKey,
    pub params: Vec<u8>,
    pub workgroups: [u32; 3],
    /// The tensors that the call binds in part. It binds all of the others.
    pub ranges: Vec<Range>,
    /// Where rows begin in the elementwise tensors.
    pub places: Places,
}

impl KernelCall {
    fn new(kernel: impl Into<Kernel>, params: &impl bytemuck::Pod, workgroups: u64, caps: &Caps) -> Result<Self> {
        let key = ShaderKey::new(kernel, caps);
        let limit = |what, needed: u32, allowed: u32| {
            if needed <= allowed {
                Ok(())
            } else {
                Err(Error::Limit { what, needed: needed.into(), allowed: allowed.into() })
            }
        };
        limit("max_compute_invocations_per_workgroup", key.workgroup_size(), caps.max_workgroup_size)?;
        limit("max_compute_workgroup_storage_size", key.workgroup_storage(), caps.max_workgroup_storage)?;
        limit(STORAGE_BUFFERS, key.storage().len() as u32, caps.max_storage_buffers)?;
        let workgroups = grid::fold(workgroups, caps.max_workgroups_per_dimension)?;
        Ok(Self {
            key,
            params: bytemuck::bytes_of(params).to_vec(),
            workgroups,
            ranges: Vec::new(),
            places: Places::DENSE,
        })
    }

    /// The part of a tensor that the call binds, if not all of it.
    #[cfg(feature = "wgpu")]
    pub fn range(&self, slot: crate::Slot) -> Option<&Range> {
        self.ranges.iter().find(|range| range.slot == slot)
    }

    /// The bytes of the uniform with the places of tensors. `offset`: where a tensor begins in its binding, in bytes.
    #[cfg(feature = "wgpu")]
    pub fn places(&self, offset: impl Fn(crate::Slot) -> u64) -> Vec<u8> {
        self.places.uniform(&self.key.storage(), offset)
    }

    fn set_places(&mut self, places: Places) {
        self.key = self.key.with_strides(places.is_strided(), places.has_runs());
        self.places = places;
    }
}

/// A scratch region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scratch {
    pub buffer: Buffer,
    pub bytes: u64,
}

/// An op lowered for a device: the tensors that it binds, and its dispatches in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lowered {
    /// `None` without dispatches.
    pub method: Option<Method>,
    pub tensors: Vec<TensorSpec>,
    pub calls: Vec<KernelCall>,
    pub scratch: Vec<Scratch>,
}

impl Lowered {
    /// An empty batch: no dispatch.
    fn nothing(tensors: Vec<TensorSpec>) -> Self {
        Self { method: None, tensors, calls: Vec::new(), scratch: Vec::new() }
    }

    /// Checks the sizes of all bindings against the device.
    fn new(method: Method, tensors: Vec<TensorSpec>, passes: Passes, caps: &Caps) -> Result<Self> {
        let Passes { calls, scratch } = passes;
        let lowered = Self { method: Some(method), tensors, calls, scratch };
        let allowed = caps.max_tensor_binding_size();
        match lowered.calls.iter().map(|call| lowered.largest_binding(call)).max() {
            Some(needed) if needed > allowed => {
                Err(Error::Limit { what: "max_storage_buffer_binding_size", needed, allowed })
            }
            _ => Ok(lowered),
        }
    }

    /// The scratch region of a buffer, if it is scratch.
    pub fn scratch(&self, buffer: Buffer) -> Option<usize> {
        self.scratch.iter().position(|region| region.buffer == buffer)
    }

    /// The tensor of a buffer, if it is a tensor.
    pub fn tensor(&self, buffer: Buffer) -> Option<&TensorSpec> {
        self.tensors.iter().find(|spec| Buffer::Tensor(spec.slot) == buffer)
    }

    fn largest_binding(&self, call: &KernelCall) -> u64 {
        let bytes = |buffer| match call.ranges.iter().find(|range| Buffer::Tensor(range.slot) == buffer) {
            Some(range) => range.size,
            None => match (self.tensor(buffer), self.scratch(buffer)) {
                (Some(tensor), _) => tensor.bytes(),
                (None, region) => region.map_or(0, |region| self.scratch[region].bytes),
            },
        };
        call.key.storage().into_iter().map(|storage| bytes(storage.buffer)).max().unwrap_or(0)
    }
}

/// Passes under construction, with their scratch.
#[derive(Debug, Default)]
struct Passes {
    calls: Vec<KernelCall>,
    scratch: Vec<Scratch>,
}

impl Passes {
    /// Adds a scratch region, or enlarges it: passes share it one after the other.
    fn need(&mut self, buffer: Buffer, bytes: u64) {
        match self.scratch.iter_mut().find(|region| region.buffer == buffer) {
            Some(region) => region.bytes = region.bytes.max(bytes),
            None => self.scratch.push(Scratch { buffer, bytes }),
        }
    }
}
