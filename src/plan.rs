//! Plans and what is bound to them.

use std::{num::NonZeroU64, sync::Arc};

use crate::{
    caps::Caps,
    error::{BindingProblem, Error, Result},
    lower::{KernelCall, Lowered},
    planner::{Pipeline, caught},
    tensor::{Access, Slot, TensorSpec},
    types::Method,
    wgsl::storage::{Buffer, UNIFORM},
};

/// A range of a buffer: the whole of it from `&Buffer`, a part from a [`wgpu::BufferSlice`] or from [`View::new`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
    size: u64,
}

impl<'a> View<'a> {
    /// `size` bytes from `offset` on. A range that is not in the buffer is an error of [`Plan::bind`], where
    /// [`wgpu::Buffer::slice`] panics.
    #[must_use]
    pub fn new(buffer: &'a wgpu::Buffer, offset: u64, size: u64) -> Self {
        Self { buffer, offset, size }
    }
}

impl<'a> From<&'a wgpu::Buffer> for View<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }
}

impl<'a> From<wgpu::BufferSlice<'a>> for View<'a> {
    fn from(slice: wgpu::BufferSlice<'a>) -> Self {
        Self { buffer: slice.buffer(), offset: slice.offset(), size: slice.size() }
    }
}

/// The tensors of an op on the GPU. Which ones an op takes is in its descriptor's table.
///
/// A view may be larger than its tensor; the rest is not touched. Every buffer needs [`wgpu::BufferUsages::STORAGE`].
#[derive(Clone, Debug, Default)]
pub struct Bindings<'a> {
    views: [Option<View<'a>>; Slot::COUNT],
}

macro_rules! bindings {
    ($($(#[$doc:meta])* $method:ident: $slot:ident,)*) => {
        impl<'a> Bindings<'a> {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(self, view: impl Into<View<'a>>) -> Self {
                self.set(Slot::$slot, view)
            })*
        }
    };
}

bindings! {
    /// What is normalized.
    input: Input,
    /// The gain.
    weight: Weight,
    /// The offset.
    bias: Bias,
    /// Where the normalized tensor goes.
    output: Output,
    /// Where the saved mean goes.
    mean: Mean,
    /// Where the saved reciprocal standard deviation goes.
    rstd: Rstd,
    /// The running mean of batch norm.
    running_mean: RunningMean,
    /// The running variance of batch norm.
    running_var: RunningVar,
    /// What f32 has no room for beside both.
    running_low: RunningLow,
    /// The batch count of a cumulative average: one u32.
    num_batches_tracked: NumBatchesTracked,
    /// What is added: to the input, or to what batch norm has normalized.
    residual: Residual,
    /// The sum of input and residual: where it goes, or, in a backward pass, what the forward pass wrote.
    residual_output: ResidualOutput,
    /// The gradient of the output.
    grad_output: GradOutput,
    /// The gradient of `residual_output` from where else it is used.
    grad_residual_output: GradResidualOutput,
    /// Where the gradient of the input goes.
    grad_input: GradInput,
    /// Where the gradient of batch norm's residual goes.
    grad_residual: GradResidual,
    /// Where the gradient of the gain goes.
    grad_weight: GradWeight,
    /// Where the gradient of the offset goes.
    grad_bias: GradBias,
    /// The statistics of parts of a batch, given or taken.
    moments: Moments,
    /// The statistics that batch norm keeps for its backward pass.
    statistics: Statistics,
    /// Scratch of the caller's, of [`Plan::scratch_size`] bytes. Without it, [`Plan::bind`] allocates where there is need. What
    /// it holds before does not matter; plans that are recorded one after the other may share it.
    scratch: Scratch,
}

impl<'a> Bindings<'a> {
    /// Nothing bound yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a slot, for code that treats all ops alike. What the descriptor does not ask for is refused by [`Plan::bind`].
    #[must_use]
    pub fn set(mut self, slot: Slot, view: impl Into<View<'a>>) -> Self {
        self.views[slot as usize] = Some(view.into());
        self
    }

    fn get(&self, slot: Slot) -> Option<View<'a>> {
        self.views[slot as usize]
    }

    fn bound(&self) -> impl Iterator<Item = (Slot, View<'a>)> + '_ {
        Slot::ALL.iter().filter_map(|&slot| Some((slot, self.get(slot)?)))
    }
}

/// An op that is ready to be bound: compiled kernels, their parameters on the GPU, and the tensors that are expected.
///
/// `Send + Sync`, cheap to clone, and independent of the planner's life.
#[derive(Clone, Debug)]
pub struct Plan(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    device: wgpu::Device,
    alignment: u64,
    shared_buffers: bool,
    lowered: Lowered,
    pipelines: Vec<Arc<Pipeline>>,
    /// The uniforms of all calls, one after the other; `None` without calls.
    params: Option<wgpu::Buffer>,
    params_stride: u64,
    /// Where each scratch region begins.
    scratch_offsets: Vec<u64>,
    scratch_size: u64,
}

impl Plan {
    pub(crate) async fn new(
        device: &wgpu::Device,
        caps: &Caps,
        lowered: Lowered,
        pipelines: Vec<Arc<Pipeline>>,
    ) -> Result<Self> {
        let alignment = u64::from(caps.storage_offset_alignment);
        let uniform_alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        let largest = lowered.calls.iter().map(|call| call.params.len() as u64).max().unwrap_or(0);
        let params_stride = largest.next_multiple_of(uniform_alignment);
        let params = if lowered.calls.is_empty() { None } else { Some(upload(device, &lowered, params_stride).await?) };
        let mut scratch_size = 0_u64;
        let mut scratch_offsets = Vec::with_capacity(lowered.scratch.len());
        for region in &lowered.scratch {
            scratch_size = scratch_size.next_multiple_of(alignment);
            scratch_offsets.push(scratch_size);
            scratch_size += region.bytes;
        }
        Ok(Self(Arc::new(Inner {
            device: device.clone(),
            alignment,
            shared_buffers: caps.shared_buffers,
            lowered,
            pipelines,
            params,
            params_stride,
            scratch_offsets,
            scratch_size,
        })))
    }

    /// The tensors that [`bind`](Self::bind) expects.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.0.lowered.tensors
    }

    /// How the op is computed; `None` for an empty batch, where there is nothing to do.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.0.lowered.method
    }

    /// Bytes of scratch that a binding needs.
    #[must_use]
    pub fn scratch_size(&self) -> u64 {
        self.0.scratch_size
    }

    /// Binds tensors. Blocks; in a browser, use [`bind_async`](Self::bind_async).
    ///
    /// Tensors of an empty batch need not be bound, since wgpu has no empty bindings.
    ///
    /// # Errors
    /// [`Error::Binding`] for a tensor that is missing or not asked for, too small, in a buffer without STORAGE usage, at an
    /// offset that the device can't bind, or in a buffer that is written through one slot and used through another, unless both are
    /// separate parts of it and of `mean`, `rstd`, `running_mean`, `running_var`, `grad_weight`, `grad_bias`, or of any tensors with
    /// [`Planner::shared_buffers`](crate::Planner::shared_buffers);
    /// [`Error::Device`] for what wgpu refuses, such as a buffer of another device or a destroyed one.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        pollster::block_on(self.bind_async(bindings))
    }

    /// [`bind`](Self::bind) without blocking.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_async(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        self.check(bindings)?;
        let inner = &*self.0;
        let Some(params) = &inner.params else {
            return Ok(Bound { dispatches: Vec::new() });
        };
        let dispatches = caught(&inner.device, || {
            let own_scratch = (inner.scratch_size > 0 && bindings.get(Slot::Scratch).is_none()).then(|| {
                inner.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("wgpu-norm scratch"),
                    size: inner.scratch_size,
                    usage: wgpu::BufferUsages::STORAGE,
                    mapped_at_creation: false,
                })
            });
            let scratch = bindings.get(Slot::Scratch).or(own_scratch.as_ref().map(View::from));
            (0..inner.pipelines.len()).map(|call| inner.dispatch(call, params, bindings, scratch)).collect()
        })
        .await?;
        Ok(Bound { dispatches })
    }

    fn check(&self, bindings: &Bindings<'_>) -> Result<()> {
        let inner = &*self.0;
        let fail = |slot, problem| Err(Error::Binding { slot, problem });
        let fits = |slot, view: &View<'_>, needed| match view_problem(view, needed, inner.alignment) {
            Some(problem) => fail(slot, problem),
            None => Ok(()),
        };
        let tensors = &inner.lowered.tensors;
        let spec = |slot| tensors.iter().find(|tensor| tensor.slot == slot);
        let written = |slot| slot == Slot::Scratch || spec(slot).is_some_and(|tensor| tensor.access != Access::Read);
        let range = |slot, view: &View<'_>| {
            let bytes = spec(slot).map_or(inner.scratch_size, TensorSpec::bytes);
            view.offset..view.offset.saturating_add(bytes)
        };
        // wgpu tracks whole buffers: what a dispatch writes through one slot, it can't read through another, unless all are bound alike.
        let has_part = |slot: Slot| inner.shared_buffers || (slot.is_never_read_back() && written(slot));
        for (slot, view) in bindings.bound() {
            if slot != Slot::Scratch && spec(slot).is_none() {
                return fail(slot, BindingProblem::Unexpected);
            }
            let aliases = |(other, v): &(Slot, View<'_>)| {
                let (a, b) = (range(slot, &view), range(*other, v));
                let side_by_side = a.end.min(b.end) <= a.start.max(b.start);
                let may_share = has_part(slot) && has_part(*other) && side_by_side;
                *other < slot && v.buffer == view.buffer && (written(*other) || written(slot)) && !may_share
            };
            if let Some((other, v)) = bindings.bound().find(aliases) {
                let over_input = (slot, other) == (Slot::Output, Slot::Input) && v.offset == view.offset;
                let problem = match (over_input, inner.shared_buffers) {
                    (true, _) => BindingProblem::OverInput,
                    (_, true) => BindingProblem::Overlaps(other),
                    _ => BindingProblem::Aliases(other),
                };
                return fail(slot, problem);
            }
        }
        if inner.lowered.calls.is_empty() {
            return Ok(());
        }
        // wgpu has no empty bindings.
        for tensor in tensors.iter().filter(|tensor| !tensor.is_empty()) {
            match bindings.get(tensor.slot) {
                Some(view) => fits(tensor.slot, &view, tensor.bytes())?,
                None => return fail(tensor.slot, BindingProblem::Missing),
            }
        }
        match bindings.get(Slot::Scratch) {
            Some(view) if inner.scratch_size > 0 => fits(Slot::Scratch, &view, inner.scratch_size),
            _ => Ok(()),
        }
    }
}

/// Why a view can't hold a tensor of `needed` bytes.
fn view_problem(view: &View<'_>, needed: u64, alignment: u64) -> Option<BindingProblem> {
    let View { buffer, offset, size } = *view;
    let end = offset.saturating_add(size);
    if end > buffer.size() {
        return Some(BindingProblem::OutOfRange { offset, end, size: buffer.size() });
    }
    if size < needed {
        return Some(BindingProblem::TooSmall { needed, actual: size });
    }
    if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return Some(BindingProblem::Usage(wgpu::BufferUsages::STORAGE));
    }
    (!offset.is_multiple_of(alignment)).then_some(BindingProblem::Misaligned { offset, alignment })
}

/// Puts the parameters of all calls into one uniform buffer, without a queue.
async fn upload(device: &wgpu::Device, lowered: &Lowered, stride: u64) -> Result<wgpu::Buffer> {
    let size = lowered.calls.len() as u64 * stride;
    let mut bytes = vec![0; size as usize];
    for (call, chunk) in lowered.calls.iter().zip(bytes.chunks_exact_mut(stride as usize)) {
        chunk[..call.params.len()].copy_from_slice(&call.params);
    }
    let buffer = caught(device, || {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgpu-norm params"),
            size,
            usage: wgpu::BufferUsages::UNIFORM,
            mapped_at_creation: true,
        })
    })
    .await?;
    buffer.get_mapped_range_mut(..).map_err(|e| Error::Device(e.to_string()))?.copy_from_slice(&bytes);
    buffer.unmap();
    Ok(buffer)
}

impl Inner {
    fn dispatch(
        &self,
        call: usize,
        params: &wgpu::Buffer,
        bindings: &Bindings<'_>,
        scratch: Option<View<'_>>,
    ) -> BoundDispatch {
        let KernelCall { key, params: uniform, workgroups, ranges } = &self.lowered.calls[call];
        let entry = |binding, buffer, offset, bytes| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset,
                size: NonZeroU64::new(bytes),
            }),
        };
        let mut entries = Vec::new();
        if !key.uniform().is_empty() {
            entries.push(entry(UNIFORM, params, call as u64 * self.params_stride, uniform.len() as u64));
        }
        for buffer in key.storage().into_iter().map(|storage| storage.buffer) {
            let range = ranges.iter().find(|range| Buffer::Tensor(range.slot) == buffer);
            let (view, offset, bytes) = match (self.lowered.scratch(buffer), self.lowered.tensor(buffer)) {
                (Some(i), _) => (scratch, self.scratch_offsets[i], self.lowered.scratch[i].bytes),
                (None, Some(tensor)) => {
                    let (offset, bytes) = range.map_or((0, tensor.bytes()), |range| (range.offset, range.size));
                    (bindings.get(tensor.slot), offset, bytes)
                }
                (None, None) => (None, 0, 0),
            };
            // `check` saw to it that there is one; without it wgpu would name the missing binding.
            if let Some(view) = view {
                entries.push(entry(buffer.binding(), view.buffer, view.offset + offset, bytes));
            }
        }
        let Pipeline { pipeline, layout } = &*self.pipelines[call];
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgpu-norm"),
            layout,
            entries: &entries,
        });
        BoundDispatch { pipeline: pipeline.clone(), bind_group, workgroups: *workgroups }
    }
}

/// A plan with its tensors: recorded as often as wanted. Holds its buffers alive.
#[derive(Clone, Debug)]
pub struct Bound {
    dispatches: Vec<BoundDispatch>,
}

#[derive(Clone, Debug)]
struct BoundDispatch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Bound {
    /// Records the op into a compute pass. Allocates nothing and can't fail. It sets the pipeline and bind group 0.
    ///
    /// Dispatches of one pass see the writes of those before them, so the caller's own passes may come before and after.
    // A call of its own would be a tenth of what it costs.
    #[inline]
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for BoundDispatch { pipeline, bind_group, workgroups: [x, y, z] } in &self.dispatches {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*x, *y, *z);
        }
    }
}
