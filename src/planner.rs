//! Compiles kernels and keeps them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    caps::Caps,
    error::{Error, Result},
    lower::{KernelCall, Lowered, lower},
    ops::Norm,
    ops::op::Internal,
    plan::Plan,
    shaders::Shader,
    tuning::Tuning,
    types::Strategy,
};

/// A compiled kernel.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// By all that they depend on: planners that share them may differ in their tables, and in `checked`.
type Pipelines = HashMap<(Shader, bool), Arc<Pipeline>>;

/// Makes plans for one device and keeps the pipelines they share.
///
/// Cheap to clone, `Send + Sync`; clones share what they compile. Plans outlive it.
///
/// ```
/// use wgpu_norm::{LayerNorm, Planner};
///
/// # let (device, queue) = wgpu_norm::wgpu::Device::noop(&Default::default());
/// let planner = Planner::new(&device);
/// let plan = planner.plan(&LayerNorm::new(&[64, 384], 1..))?;
/// assert_eq!(plan.tensors().len(), 4); // input, weight, bias, output
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone)]
pub struct Planner {
    device: wgpu::Device,
    caps: Caps,
    pipelines: Arc<Mutex<Pipelines>>,
    checked: bool,
    cache: Option<wgpu::PipelineCache>,
    edit: Option<SourceEdit>,
}

/// Changes a shader's source before it is compiled: how tests prove that a broken shader is seen.
pub(crate) type SourceEdit = Arc<dyn Fn(String) -> String + Send + Sync>;

impl Planner {
    /// A planner for this device. Reads its features, limits and subgroup sizes; compiles nothing yet.
    ///
    /// What a device can do depends on what was requested for it: see [`recommended`](crate::recommended).
    #[must_use]
    pub fn new(device: &wgpu::Device) -> Self {
        let caps = Caps::of(device);
        if caps.subgroup_size.is_none() && cfg!(not(target_arch = "wasm32")) {
            let adapter = device.adapter_info().name;
            log::info!("{adapter}: a device without SUBGROUP, which `recommended` asks for where an adapter has it");
        }
        Self { device: device.clone(), caps, pipelines: Arc::default(), checked: false, cache: None, edit: None }
    }

    /// Whether shaders are compiled with all of wgpu's runtime checks; `false` by default.
    ///
    /// The default leaves out two that these shaders do not need and that cost time: guards against division by zero, and counters that end infinite
    /// loops. Buffer accesses are always checked. `docs/safety.md` says why that is sound. For tests, and for those who suspect a
    /// miscompiled shader.
    #[must_use]
    pub fn checked(self, on: bool) -> Self {
        Self { checked: on, ..self }
    }

    /// Numbers that the choice of kernels depends on, in place of those that come with the crate for this class of device.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.caps.tuning = tuning;
        self
    }

    /// Whether the tensors of an op, and its scratch, may be parts of one buffer that do not overlap; `false` by default.
    ///
    /// wgpu lets a dispatch use a buffer in one way alone, so all bindings are `read_write` then, in the shaders and their
    /// layouts. After each such dispatch a barrier follows: what comes next waits for all of it.
    #[must_use]
    pub fn shared_buffers(mut self, on: bool) -> Self {
        self.caps.shared_buffers = on;
        self
    }

    /// A cache of the caller's that pipelines are compiled through, made with the feature
    /// [`PIPELINE_CACHE`](wgpu::Features::PIPELINE_CACHE): its data can be kept on disk for the next start.
    #[must_use]
    pub fn pipeline_cache(self, cache: wgpu::PipelineCache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// A planner whose shaders go through `edit` before they are compiled. For tests of tests.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_source_edit(device: &wgpu::Device, edit: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { edit: Some(Arc::new(edit)), ..Self::new(device) }
    }

    /// The device that plans are made for.
    #[must_use]
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// What the device can do, as far as the choice of kernels depends on it.
    #[must_use]
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Makes a plan, compiling the kernels that no plan before needed. Blocks; in a browser, use
    /// [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// What [`Norm::tensors`] refuses; [`Error::Limit`] where the device is too small; [`Error::Device`] where wgpu or the
    /// driver refuses the shader.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan(&self, op: &(impl Norm + ?Sized)) -> Result<Plan> {
        self.plan_with(op, Strategy::Inferred)
    }

    /// [`plan`](Self::plan) with a strategy: forces a method, for tests and measurements.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and [`Error::Unsupported`] for a method that can't compute the op here.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_with(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Plan> {
        pollster::block_on(self.plan_of(self.lower(op, strategy)?))
    }

    /// [`plan`](Self::plan) without blocking: kernels are compiled on a thread of their own, or by the browser.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn plan_async(&self, op: &(impl Norm + ?Sized)) -> Result<Plan> {
        self.plan_with_async(op, Strategy::Inferred).await
    }

    /// [`plan_with`](Self::plan_with) without blocking, as [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// As [`plan_with`](Self::plan_with).
    pub async fn plan_with_async(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Plan> {
        let (planner, lowered) = (self.clone(), self.lower(op, strategy)?);
        aside(async move { planner.plan_of(lowered).await }).await
    }

    /// What an op is on this device.
    pub(crate) fn lower(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Lowered> {
        lower(&op.operation(Internal)?, &self.caps, strategy)
    }

    /// Compiles what the calls of an op need.
    pub(crate) async fn plan_of(&self, lowered: Lowered) -> Result<Plan> {
        let mut pipelines = Vec::with_capacity(lowered.calls.len());
        for call in &lowered.calls {
            pipelines.push(self.pipeline(call).await?);
        }
        Plan::new(&self.device, &self.caps, lowered, pipelines).await
    }

    /// Compiles the kernels of these ops now, so that no later plan of one of them does: for the start of a program. Blocks; in a
    /// browser, use [`warm_up_async`](Self::warm_up_async).
    ///
    /// A driver may leave its own part of the work to the first run of a kernel, as lavapipe does: there, run each op once.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn warm_up(&self, ops: &[&dyn Norm]) -> Result<()> {
        pollster::block_on(self.compile_all(self.calls(ops)?))
    }

    /// [`warm_up`](Self::warm_up) without blocking, as [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn warm_up_async(&self, ops: &[&dyn Norm]) -> Result<()> {
        let (planner, calls) = (self.clone(), self.calls(ops)?);
        aside(async move { planner.compile_all(calls).await }).await
    }

    fn calls(&self, ops: &[&dyn Norm]) -> Result<Vec<KernelCall>> {
        let mut calls = Vec::new();
        for op in ops {
            calls.extend(self.lower(*op, Strategy::Inferred)?.calls);
        }
        Ok(calls)
    }

    async fn compile_all(&self, calls: Vec<KernelCall>) -> Result<()> {
        for call in &calls {
            self.pipeline(call).await?;
        }
        Ok(())
    }

    async fn pipeline(&self, call: &KernelCall) -> Result<Arc<Pipeline>> {
        let shader = Shader(call.key);
        let key = (shader, self.checked);
        // A thread that panicked here left the map as it was: entries are only ever added.
        let known = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = known().get(&key) {
            return Ok(pipeline.clone());
        }
        // Not under the lock: compilation takes long. Two threads may compile the same kernel; the first one is kept.
        let pipeline = Arc::new(self.compile(shader).await?);
        Ok(known().entry(key).or_insert(pipeline).clone())
    }

    fn runtime_checks(&self) -> wgpu::ShaderRuntimeChecks {
        let checks = wgpu::ShaderRuntimeChecks::checked();
        // Edited source is not this crate's.
        if self.checked || self.edit.is_some() {
            checks
        } else {
            wgpu::ShaderRuntimeChecks { force_loop_bounding: false, int_div_checks: false, ..checks }
        }
    }

    async fn compile(&self, shader: Shader) -> Result<Pipeline> {
        let label = shader.to_string();
        let mut source = shader.wgsl();
        if let Some(edit) = &self.edit {
            source = edit(source);
        }
        log::debug!("compiling {label}");
        caught(&self.device, || {
            let descriptor =
                wgpu::ShaderModuleDescriptor { label: Some(&label), source: wgpu::ShaderSource::Wgsl(source.into()) };
            // SAFETY: the source is this crate's, whose divisors are never zero and whose loops end; see docs/safety.md.
            let module = unsafe { self.device.create_shader_module_trusted(descriptor, self.runtime_checks()) };
            let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &shader.bind_group_layout(),
            });
            let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                // Every slot of workgroup memory is written before it is read.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: self.cache.as_ref(),
            });
            Pipeline { pipeline, layout }
        })
        .await
    }
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner").field("caps", &self.caps).finish_non_exhaustive()
    }
}

/// Runs wgpu calls and returns as an error what they would otherwise report to the device's uncaptured-error handler.
pub(crate) async fn caught<T>(device: &wgpu::Device, calls: impl FnOnce() -> T) -> Result<T> {
    // Scopes belong to the thread that pushed them, so they are popped before anything is awaited.
    let (value, errors) = {
        let out_of_memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let value = calls();
        let validation = validation.pop();
        let internal = internal.pop();
        (value, (validation, internal, out_of_memory.pop()))
    };
    let error = errors.0.await.or(errors.1.await).or(errors.2.await);
    error.map_or(Ok(value), |error| Err(Error::Device(error.to_string())))
}

/// Completes work that blocks without holding the executor that waits for it: on a thread of its own.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn aside<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, receiver) = futures_channel::oneshot::channel();
    let thread = std::thread::Builder::new().name("wgpu-norm".into()).spawn(move || {
        // If the receiver is gone, nobody waits for the answer.
        let _ = sender.send(pollster::block_on(work));
    });
    thread.map_err(|e| Error::Device(format!("no thread to work on: {e}")))?;
    receiver.await.unwrap_or_else(|_| Err(Error::Device("the thread that worked panicked".into())))
}

/// In a browser nothing blocks.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn aside<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    work.await
}
