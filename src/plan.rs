//! Plans, and the tensors that a caller binds to them.

use std::{num::NonZeroU64, sync::Arc};

use crate::{
    calls::caught,
    caps::Caps,
    error::{BindingProblem, Error, Result},
    lower::{KernelCall, Lowered},
    slot::Slot,
    tensor::{Access, TensorSpec},
    types::Method,
    wgsl::storage::{Buffer, UNIFORM},
};

/// A range of a buffer: all of it from `&Buffer`, a part from a [`wgpu::BufferSlice`] or from [`View::new`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
    size: u64,
}

impl<'a> View<'a> {
    /// `size` bytes from `offset`. [`Plan::bind`] returns an error for a range outside the buffer, where
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

/// The tensors of an op on the GPU. The table in the op's descriptor lists them.
///
/// A view may be larger than its tensor; the op leaves the rest unchanged. Every buffer needs
/// [`wgpu::BufferUsages::STORAGE`].
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
    /// The tensor that the op normalizes.
    input: Input,
    /// The weight.
    weight: Weight,
    /// The bias.
    bias: Bias,
    /// Receives the normalized tensor.
    output: Output,
    /// Receives the mean.
    mean: Mean,
    /// Receives the reciprocal standard deviation.
    rstd: Rstd,
    /// The running mean of batch norm.
    running_mean: RunningMean,
    /// The running variance of batch norm.
    running_var: RunningVar,
    /// The lo parts of the running statistics.
    running_low: RunningLow,
    /// The number of batches in the cumulative average: one u32.
    num_batches_tracked: NumBatchesTracked,
    /// The residual.
    residual: Residual,
    /// The sum of input and residual: an output of the forward pass, an input of the backward pass.
    residual_output: ResidualOutput,
    /// The gradient of the output.
    grad_output: GradOutput,
    /// The gradient of `residual_output` from its other uses.
    grad_residual_output: GradResidualOutput,
    /// Receives the gradient of the input.
    grad_input: GradInput,
    /// Receives the gradient of batch norm's residual.
    grad_residual: GradResidual,
    /// Receives the gradient of the weight.
    grad_weight: GradWeight,
    /// Receives the gradient of the bias.
    grad_bias: GradBias,
    /// The moments of parts of a batch: read by a merge, written by [`BatchMoments`](crate::BatchMoments).
    moments: Moments,
    /// The statistics that batch norm saves for its backward pass.
    statistics: Statistics,
    /// Scratch memory of [`Plan::scratch_size`] bytes. Without it, [`Plan::bind`] allocates scratch if the plan needs
    /// any. Its old contents do not matter. Plans that run one after the other may share it.
    scratch: Scratch,
}

impl<'a> Bindings<'a> {
    /// No bindings yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a slot, for code that treats all ops alike. [`Plan::bind`] refuses slots that the descriptor does not use.
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

/// A compiled kernel.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// An op that is ready for binding: compiled kernels, their uniforms on the GPU, and the tensors that it expects.
///
/// `Send + Sync`, cheap to clone. It outlives its planner.
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
    /// The offset of each scratch region.
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

    /// The method that computes the op; `None` for an empty batch that needs no kernel.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.0.lowered.method
    }

    /// Bytes of scratch memory that a binding needs.
    #[must_use]
    pub fn scratch_size(&self) -> u64 {
        self.0.scratch_size
    }

    /// Binds tensors. Blocks; in a browser, use [`bind_async`](Self::bind_async).
    ///
    /// An empty tensor needs no binding, since wgpu has no empty bindings. A plan without kernels needs no bindings at
    /// all.
    ///
    /// # Errors
    /// - [`Error::Binding`]: a tensor is missing, or the op has no such tensor; a view is too small, or at an offset
    ///   that the device can't bind; a buffer lacks the usage STORAGE.
    /// - [`Error::Binding`]: the op writes a buffer through one slot and uses it through another. Separate parts of one
    ///   buffer are valid if the op writes both tensors and both are of `mean`, `rstd`, `running_mean`, `running_var`,
    ///   `running_low`, `grad_weight` and `grad_bias`. With [`Planner::shared_buffers`](crate::Planner::shared_buffers)
    ///   they are valid for all tensors.
    /// - [`Error::Device`]: wgpu refuses the binding, for example of a destroyed buffer, or one of another device.
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
        caught(&self.0.device, || self.0.bound(bindings)).await
    }

    /// [`bind`](Self::bind) without an error scope of wgpu: it neither blocks nor awaits, for browsers and for programs
    /// that bind in every frame.
    ///
    /// What wgpu refuses reaches the handler of [`wgpu::Device::on_uncaptured_error`], which panics unless the program
    /// sets another: a destroyed buffer, a buffer of another device, no memory for scratch. The binding is then
    /// invalid, and so is a command encoder that records it.
    ///
    /// # Errors
    /// [`Error::Binding`], as [`bind`](Self::bind).
    pub fn bind_unscoped(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        self.check(bindings)?;
        Ok(self.0.bound(bindings))
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
        // wgpu tracks whole buffers: a dispatch that writes a buffer must bind it `read_write` through all slots.
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

/// Writes the uniforms of all calls to one buffer. The buffer is mapped at creation, so this needs no queue.
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
    /// Binds tensors that `check` has accepted. wgpu may refuse some of them.
    fn bound(&self, bindings: &Bindings<'_>) -> Bound {
        let Some(params) = &self.params else { return Bound { dispatches: Vec::new() } };
        let own_scratch = (self.scratch_size > 0 && bindings.get(Slot::Scratch).is_none()).then(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-norm scratch"),
                size: self.scratch_size,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        });
        let scratch = bindings.get(Slot::Scratch).or(own_scratch.as_ref().map(View::from));
        let calls = 0..self.pipelines.len();
        Bound { dispatches: calls.map(|call| self.dispatch(call, params, bindings, scratch)).collect() }
    }

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
            // `check` refused missing tensors. If one were missing here, wgpu would name its binding.
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

/// A plan with its tensors, to be recorded any number of times. It keeps its buffers alive.
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
    /// Records the op into a compute pass: sets the pipeline and bind group 0, and dispatches. Allocates nothing and
    /// can't fail.
    ///
    /// A dispatch sees the writes of earlier dispatches of its pass. So the pass may also contain dispatches of the
    /// caller.
    // A call that is not inlined adds a tenth of the cost.
    #[inline]
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for BoundDispatch { pipeline, bind_group, workgroups: [x, y, z] } in &self.dispatches {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(*x, *y, *z);
        }
    }
}
