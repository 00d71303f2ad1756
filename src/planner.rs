//! Compiles kernels and keeps them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    error::{Error, Result},
    kernel::key::KernelKey,
    lower::{Caps, KernelCall, Strategy, Tuning},
    ops::Norm,
    plan::Plan,
    shaders::Shader,
};

/// A compiled kernel.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Makes plans for one device and keeps the pipelines they share.
///
/// Cheap to share: all methods take `&self`, and it is `Send + Sync`. Plans outlive it.
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
pub struct Planner {
    device: wgpu::Device,
    caps: Caps,
    pipelines: Mutex<HashMap<KernelKey, Arc<Pipeline>>>,
    checked: bool,
    cache: Option<wgpu::PipelineCache>,
    edit: Option<SourceEdit>,
}

/// Changes a shader's source before it is compiled: how tests prove that a broken shader is seen.
pub(crate) type SourceEdit = Box<dyn Fn(String) -> String + Send + Sync>;

impl Planner {
    /// A planner for this device. Reads its features, limits and subgroup sizes; compiles nothing yet.
    ///
    /// What a device can do depends on what was requested for it: see [`recommended`](crate::recommended).
    #[must_use]
    pub fn new(device: &wgpu::Device) -> Self {
        Self {
            device: device.clone(),
            caps: Caps::of(device),
            pipelines: Mutex::default(),
            checked: false,
            cache: None,
            edit: None,
        }
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
        Self { edit: Some(Box::new(edit)), ..Self::new(device) }
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
        pollster::block_on(self.plan_async(op, Strategy::Inferred))
    }

    /// [`plan`](Self::plan) with a strategy: forces a method, for tests and measurements.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and [`Error::Unsupported`] for a method that can't compute the op here.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_with(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Plan> {
        pollster::block_on(self.plan_async(op, strategy))
    }

    /// [`plan_with`](Self::plan_with) without blocking.
    ///
    /// # Errors
    /// As [`plan_with`](Self::plan_with).
    pub async fn plan_async(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Plan> {
        let lowered = op.lower(&self.caps, strategy)?;
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
        pollster::block_on(self.warm_up_async(ops))
    }

    /// [`warm_up`](Self::warm_up) without blocking.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn warm_up_async(&self, ops: &[&dyn Norm]) -> Result<()> {
        for op in ops {
            for call in &op.lower(&self.caps, Strategy::Inferred)?.calls {
                self.pipeline(call).await?;
            }
        }
        Ok(())
    }

    async fn pipeline(&self, call: &KernelCall) -> Result<Arc<Pipeline>> {
        // A thread that panicked here left the map as it was: entries are only ever added.
        let known = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = known().get(&call.key) {
            return Ok(pipeline.clone());
        }
        // Not under the lock: compilation takes long. Two threads may compile the same kernel; the first one is kept.
        let pipeline = Arc::new(self.compile(call.key).await?);
        Ok(known().entry(call.key).or_insert(pipeline).clone())
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

    async fn compile(&self, key: KernelKey) -> Result<Pipeline> {
        let shader = Shader::new(key, &self.caps);
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
