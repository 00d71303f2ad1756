//! Programs: a lowered op with its pipelines and uniforms, which binds tensors to dispatches.

use std::{num::NonZeroU64, sync::Arc};

use crate::{
    bindings::{Bindings, Requirements, View},
    calls::caught,
    error::{Error, Result},
    lower::{KernelCall, Lowered, PLACES_SIZE},
    plan::Target,
    slot::Slot,
    tensor::TensorSpec,
    wgsl::storage::{Buffer, CALL, PLACES, UNIFORM},
};

/// A compiled kernel.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// A lowered op, ready for binding.
#[derive(Debug)]
pub(crate) struct Program {
    pub lowered: Lowered,
    pub needs: Requirements,
    pipelines: Vec<Arc<Pipeline>>,
    /// The uniforms of all calls, one after the other; `None` without calls.
    params: Option<wgpu::Buffer>,
    /// The stride of the uniforms of calls.
    uniform_stride: u64,
    /// The offset of each scratch region.
    scratch_offsets: Vec<u64>,
}

/// A dispatch with its tensors.
#[derive(Clone, Debug)]
pub(crate) struct BoundDispatch {
    pub pipeline: wgpu::ComputePipeline,
    pub bind_group: wgpu::BindGroup,
    pub workgroups: [u32; 3],
}

impl Program {
    pub async fn new(target: &Target, lowered: Lowered, pipelines: Vec<Arc<Pipeline>>) -> Result<Self> {
        let tensors = lowered.tensors.iter().map(|spec| (spec.clone(), alignment(target, &lowered, spec))).collect();
        let uniform_alignment = u64::from(target.device.limits().min_uniform_buffer_offset_alignment);
        let largest = lowered.calls.iter().map(|call| call.params.len() as u64).max().unwrap_or(0);
        let has_places = lowered.calls.iter().any(|call| call.key.addressing().has_places());
        let uniform_stride = largest.max(if has_places { PLACES_SIZE } else { 0 }).next_multiple_of(uniform_alignment);
        let uniforms = lowered.calls.iter().map(|call| call.params.clone());
        let params = if lowered.calls.is_empty() {
            None
        } else {
            Some(caught(&target.device, || uniform_buffer(&target.device, uniforms, uniform_stride)).await??)
        };
        let mut scratch_size = 0_u64;
        let mut scratch_offsets = Vec::with_capacity(lowered.scratch.len());
        for region in &lowered.scratch {
            scratch_size = scratch_size.next_multiple_of(target.alignment);
            scratch_offsets.push(scratch_size);
            scratch_size += region.bytes;
        }
        let needs = Requirements { tensors, scratch_size, dispatches: !lowered.calls.is_empty() };
        Ok(Self { lowered, needs, pipelines, params, uniform_stride, scratch_offsets })
    }

    /// Binds tensors, and for a number of rows that changes the buffer with the uniforms of its calls.
    pub fn bind(
        &self,
        target: &Target,
        bindings: &Bindings<'_>,
        ring: Option<&wgpu::Buffer>,
    ) -> Result<Vec<BoundDispatch>> {
        let Some(params) = &self.params else { return Ok(Vec::new()) };
        let own_scratch = (self.needs.scratch_size > 0 && bindings.get(Slot::Scratch).is_none()).then(|| {
            target.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-norm scratch"),
                size: self.needs.scratch_size,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        });
        let scratch = bindings.get(Slot::Scratch).or(own_scratch.as_ref().map(View::from));
        let calls = &self.lowered.calls;
        let places = if calls.iter().any(|call| call.key.addressing().has_places()) {
            let offset = |call: &KernelCall, slot| match bindings.get(slot) {
                Some(view) => (view.offset() + call.range(slot).map_or(0, |range| range.offset)) % target.alignment,
                None => 0,
            };
            let uniforms = calls.iter().map(|call| call.places(|slot| offset(call, slot)));
            Some(uniform_buffer(&target.device, uniforms, self.uniform_stride)?)
        } else {
            None
        };
        let uniforms = Uniforms { params, places: places.as_ref(), ring };
        Ok((0..calls.len()).map(|call| self.dispatch(target, call, &uniforms, bindings, scratch)).collect())
    }

    fn dispatch(
        &self,
        target: &Target,
        call: usize,
        uniforms: &Uniforms<'_>,
        bindings: &Bindings<'_>,
        scratch: Option<View<'_>>,
    ) -> BoundDispatch {
        let kernel_call = &self.lowered.calls[call];
        let KernelCall { key, params, workgroups, .. } = kernel_call;
        let mut entries = Vec::new();
        let mut bind = |binding, buffer, offset, bytes| {
            let size = NonZeroU64::new(bytes);
            let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
            entries.push(wgpu::BindGroupEntry { binding, resource });
        };
        let uniform_offset = call as u64 * self.uniform_stride;
        if !params.is_empty() {
            bind(UNIFORM, uniforms.params, uniform_offset, params.len() as u64);
        }
        if let Some(places) = uniforms.places.filter(|_| key.addressing().has_places()) {
            bind(PLACES, places, uniform_offset, PLACES_SIZE);
        }
        if let Some(ring) = uniforms.ring.filter(|_| !key.fields_of_call().is_empty()) {
            bind(CALL, ring, 0, key.size_of_call());
        }
        for buffer in key.storage().into_iter().map(|storage| storage.buffer) {
            let (view, offset, bytes) = match (self.lowered.scratch(buffer), self.lowered.tensor(buffer)) {
                (Some(i), _) => (scratch, self.scratch_offsets[i], self.lowered.scratch[i].bytes),
                (None, Some(tensor)) => {
                    let range = kernel_call.range(tensor.slot);
                    let (offset, bytes) = range.map_or((0, tensor.bytes()), |range| (range.offset, range.size));
                    (bindings.get(tensor.slot), offset, bytes)
                }
                (None, None) => (None, 0, 0),
            };
            // `Rules::check` refused missing tensors. If one were missing here, wgpu would name its binding.
            if let Some(view) = view {
                let first = view.offset() + offset;
                // A tensor that begins elsewhere begins inside a window that the device can bind.
                let window = first / target.alignment * target.alignment;
                let end = (first + bytes).min(view.buffer().size()).next_multiple_of(4);
                bind(buffer.binding(), view.buffer(), window, end - window);
            }
        }
        let Pipeline { pipeline, layout } = &*self.pipelines[call];
        let bind_group = target.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgpu-norm"),
            layout,
            entries: &entries,
        });
        BoundDispatch { pipeline: pipeline.clone(), bind_group, workgroups: *workgroups }
    }
}

/// The buffers with the uniforms of a program's calls.
struct Uniforms<'a> {
    params: &'a wgpu::Buffer,
    /// The places of tensors, which depend on the bindings.
    places: Option<&'a wgpu::Buffer>,
    /// The caller's, with what differs between calls.
    ring: Option<&'a wgpu::Buffer>,
}

/// The alignment of a tensor's offset: what its kernels load and store at once, or what the device binds.
fn alignment(target: &Target, lowered: &Lowered, spec: &TensorSpec) -> u64 {
    // Shaders index such a binding themselves.
    if spec.slot > Slot::Scratch {
        return target.alignment;
    }
    let storages =
        lowered.calls.iter().filter(|call| call.key.addressing().offsets).flat_map(|call| call.key.storage());
    let of_tensor = storages.filter(|storage| storage.buffer == Buffer::Tensor(spec.slot));
    let units = of_tensor.map(|storage| u64::from(storage.unit()) * spec.dtype.size());
    units.max().unwrap_or(if target.offsets { spec.dtype.size() } else { target.alignment })
}

/// A buffer of uniforms, `stride` bytes apart. It is mapped at creation, so this needs no queue.
fn uniform_buffer(
    device: &wgpu::Device,
    uniforms: impl ExactSizeIterator<Item = Vec<u8>>,
    stride: u64,
) -> Result<wgpu::Buffer> {
    let size = uniforms.len() as u64 * stride;
    let mut bytes = vec![0; size as usize];
    for (uniform, chunk) in uniforms.zip(bytes.chunks_exact_mut(stride as usize)) {
        chunk[..uniform.len()].copy_from_slice(&uniform);
    }
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("wgpu-norm uniforms"),
        size,
        usage: wgpu::BufferUsages::UNIFORM,
        mapped_at_creation: true,
    });
    buffer.get_mapped_range_mut(..).map_err(|e| Error::Device(e.to_string()))?.copy_from_slice(&bytes);
    buffer.unmap();
    Ok(buffer)
}
