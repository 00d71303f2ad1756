//! Plans: compiled ops, and bindings of tensors to them.

use std::sync::Arc;

use crate::{
    bindings::{Bindings, Requirements, Rules},
    calls::caught,
    caps::{Caps, Offsets},
    error::Result,
    lower::Lowered,
    program::{BoundDispatch, Pipeline, Program},
    tensor::TensorSpec,
    types::Method,
};

/// An op that is ready for binding: compiled kernels, their uniforms on the GPU, and the tensors that it expects.
///
/// `Send + Sync`, cheap to clone. It outlives its planner.
///
/// A plan knows its tensors, so that a program can allocate and bind them without knowing the op:
/// ```
/// use wgpu_norm::{Bindings, BatchNorm, Planner};
///
#[doc = crate::example::noop!()]
/// let plan = Planner::new(&device).plan(&BatchNorm::inference(&[8, 64, 14, 14]))?;
/// let new = |size| device.create_buffer(&wgpu::BufferDescriptor {
///     label: None, size, usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST, mapped_at_creation: false,
/// });
/// // [8, 64, 14, 14] for input and output, [64] for weight, bias, running mean and variance.
/// let buffers: Vec<_> = plan.tensors().iter().map(|spec| (spec.slot, new(spec.bytes()))).collect();
/// let bindings = buffers.iter().fold(Bindings::new(), |bindings, (slot, buffer)| bindings.set(*slot, buffer));
/// plan.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Target,
    /// The same op for offsets of whole packs, and for offsets of single elements. The first one is the fastest.
    programs: Vec<Program>,
}

/// The device of a plan, as far as bindings depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub device: wgpu::Device,
    pub shared_buffers: bool,
    pub offsets: bool,
    pub alignment: u64,
    refuses_overlaps: bool,
}

impl Target {
    pub fn new(device: &wgpu::Device, caps: &Caps) -> Self {
        Self {
            device: device.clone(),
            shared_buffers: caps.shared_buffers,
            offsets: caps.offsets != Offsets::Binding,
            alignment: caps.storage_offset_alignment.into(),
            refuses_overlaps: device.adapter_info().backend == wgpu::Backend::BrowserWebGpu,
        }
    }

    /// The first of these requirements that bindings meet, by its index. The error is that of the last one, which takes
    /// most offsets.
    pub fn choose<'a>(
        &self,
        requirements: impl Iterator<Item = &'a Requirements>,
        bindings: &Bindings<'_>,
    ) -> Result<usize> {
        let mut result = Ok(0);
        for (index, needs) in requirements.enumerate() {
            let Self { shared_buffers, offsets, alignment, refuses_overlaps, .. } = *self;
            let rules = Rules { shared_buffers, offsets, alignment, refuses_overlaps, needs };
            result = rules.check(bindings).map(|()| index);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

impl Plan {
    /// A plan of the same op, lowered for each choice of offsets.
    pub(crate) async fn new(
        device: &wgpu::Device,
        caps: &Caps,
        lowered: Vec<(Lowered, Vec<Arc<Pipeline>>)>,
    ) -> Result<Self> {
        let target = Target::new(device, caps);
        let mut programs = Vec::with_capacity(lowered.len());
        for (lowered, pipelines) in lowered {
            programs.push(Program::new(&target, lowered, pipelines).await?);
        }
        Ok(Self(Arc::new(Inner { target, programs })))
    }

    fn fastest(&self) -> &Program {
        &self.0.programs[0]
    }

    /// The tensors that [`bind`](Self::bind) expects.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.fastest().lowered.tensors
    }

    /// The method that computes the op; `None` for an empty batch that needs no kernel.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.fastest().lowered.method
    }

    /// Bytes of scratch memory that a binding needs.
    #[must_use]
    pub fn scratch_size(&self) -> u64 {
        self.0.programs.iter().map(|program| program.needs.scratch_size).max().unwrap_or(0)
    }

    /// Binds tensors. Blocks; in a browser, use [`bind_async`](Self::bind_async).
    ///
    /// An empty tensor needs no binding, since wgpu has no empty bindings. A plan without kernels needs no bindings at
    /// all.
    ///
    /// # Errors
    /// - [`Error::Binding`](crate::Error::Binding): a tensor is missing, or the op has no such tensor; a view is too
    ///   small, or at an offset that the device can't bind; a buffer lacks the usage STORAGE.
    /// - [`Error::Binding`](crate::Error::Binding): the op writes a buffer through one slot and uses it through
    ///   another. Separate parts of one buffer are valid if the op writes both tensors and both are of `mean`, `rstd`,
    ///   `running_mean`, `running_var`, `running_low`, `grad_weight` and `grad_bias`. With
    ///   [`Planner::shared_buffers`](crate::Planner::shared_buffers) they are valid for all tensors.
    /// - [`Error::Device`](crate::Error::Device): wgpu refuses the binding, for example of a destroyed buffer, or one
    ///   of another device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        pollster::block_on(self.bind_async(bindings))
    }

    /// [`bind`](Self::bind) without blocking.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_async(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        let program = self.program(bindings)?;
        caught(&self.0.target.device, || self.bound(program, bindings)).await?
    }

    /// [`bind`](Self::bind) without an error scope of wgpu: it neither blocks nor awaits, for browsers and for programs
    /// that bind in every frame.
    ///
    /// What wgpu refuses reaches the handler of [`wgpu::Device::on_uncaptured_error`], which panics unless the program
    /// sets another: a destroyed buffer, a buffer of another device, no memory for scratch. The binding is then
    /// invalid, and so is a command encoder that records it.
    ///
    /// # Errors
    /// [`Error::Binding`](crate::Error::Binding), as [`bind`](Self::bind).
    pub fn bind_unscoped(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        self.bound(self.program(bindings)?, bindings)
    }

    /// The program for these bindings.
    fn program(&self, bindings: &Bindings<'_>) -> Result<&Program> {
        let Inner { target, programs } = &*self.0;
        Ok(&programs[target.choose(programs.iter().map(|program| &program.needs), bindings)?])
    }

    /// Binds tensors that the program takes. wgpu may refuse some of them.
    fn bound(&self, program: &Program, bindings: &Bindings<'_>) -> Result<Bound> {
        Ok(Bound { dispatches: program.bind(&self.0.target, bindings, None)? })
    }
}

/// A plan with its tensors, to be recorded any number of times. It keeps its buffers alive.
///
/// Two layers of one plan, in one pass, which any number of steps record again:
/// ```
/// use wgpu_norm::{Bindings, Planner, RmsNorm};
///
#[doc = crate::example::noop!()]
/// # let [x, y, z] = [(); 3].map(|()| buffer(64 * 512));
/// # let weights = [(); 2].map(|()| buffer(512));
/// let plan = Planner::new(&device).plan(&RmsNorm::new(&[64, 512], 1..))?;
/// // x, y and z are [64, 512], a weight is [512].
/// let layers = [
///     plan.bind(&Bindings::new().input(&x).weight(&weights[0]).output(&y))?,
///     plan.bind(&Bindings::new().input(&y).weight(&weights[1]).output(&z))?,
/// ];
///
/// for bound in &layers {
///     bound.record(&mut pass);
/// }
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bound {
    dispatches: Vec<BoundDispatch>,
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
