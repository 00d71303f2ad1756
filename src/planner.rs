//! Compiles kernels and caches their pipelines.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    calls::{aside, caught},
    caps::{Caps, Offsets},
    definition::Operation,
    epilogue::text::explain,
    error::Result,
    lower::{Lowered, lower},
    ops::Norm,
    ops::op::Internal,
    plan::Plan,
    program::Pipeline,
    rows_plan::RowsPlan,
    shaders::Shader,
    tuning::Tuning,
    types::Strategy,
};

/// The key has all that a pipeline depends on: clones of a planner may differ in their tuning tables and in `checked`.
/// The bool says whether wgpu compiled the shader with all checks.
type Pipelines = HashMap<(Shader, bool), Arc<Pipeline>>;

/// Makes plans for one device and caches the pipelines that they share.
///
/// Cheap to clone, `Send + Sync`. Clones share the cache. Plans outlive the planner.
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

/// Edits a shader's source before compilation. Tests use it to prove that they notice a broken shader.
pub(crate) type SourceEdit = Arc<dyn Fn(String) -> String + Send + Sync>;

impl Planner {
    /// A planner for this device. Reads the device's features, limits and subgroup sizes; compiles nothing yet.
    ///
    /// A device has only the features and limits that the program requested: see [`recommended`](crate::recommended).
    #[must_use]
    pub fn new(device: &wgpu::Device) -> Self {
        let caps = Caps::of(device);
        if caps.subgroup_size.is_none() && cfg!(not(target_arch = "wasm32")) {
            let adapter = device.adapter_info().name;
            log::info!("{adapter}: a device without SUBGROUP, which `recommended` asks for where an adapter has it");
        }
        Self { device: device.clone(), caps, pipelines: Arc::default(), checked: false, cache: None, edit: None }
    }

    /// Sets whether wgpu compiles shaders with all of its runtime checks; false by default.
    ///
    /// The default omits two checks that cost time: guards against division by zero, and counters that end infinite
    /// loops. [Safety](crate::guide::safety) proves that these shaders need neither. Shaders always check buffer
    /// accesses. All checks are for tests, and for a suspected miscompilation.
    #[must_use]
    pub fn checked(self, on: bool) -> Self {
        Self { checked: on, ..self }
    }

    /// Replaces the crate's tuning table for this class of device. The choice of kernels depends on its numbers.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.caps.tuning = tuning;
        self
    }

    /// Sets whether one buffer may hold several tensors of an op, and its scratch, in parts that do not overlap; false
    /// by default.
    ///
    /// wgpu allows a buffer one usage in a dispatch. So shaders and layouts then bind all storage buffers `read_write`.
    /// A barrier follows each such dispatch: the next dispatch waits for all of it.
    /// [Embedding](crate::guide::embedding#all-tensors-in-one-buffer) has the rules.
    #[must_use]
    pub fn shared_buffers(mut self, on: bool) -> Self {
        self.caps.shared_buffers = on;
        self
    }

    /// Sets whether tensors may begin at any element of their buffers; false by default. Otherwise they begin where the
    /// device binds, at multiples of 256 bytes by WebGPU's default limits.
    ///
    /// A plan then compiles its kernels twice, unless rows are no whole packs anyway. One kernel moves packs of four
    /// elements, for offsets of whole packs of every tensor: multiples of 16 bytes are always some. The other one moves
    /// elements. [`Plan::bind`] takes the first one that the offsets allow. Tensors of f16 and bf16 begin at a multiple
    /// of two bytes, `moments` at one of 16. [Embedding](crate::guide::embedding#any-offset) has the limits.
    #[must_use]
    pub fn any_offset(mut self, on: bool) -> Self {
        self.caps.offsets = if on { Offsets::Pack } else { Offsets::Binding };
        self
    }

    /// Sets whether kernels are chosen so that few of them serve all numbers of rows and all image sizes; false by
    /// default. Otherwise they are the fastest for each shape.
    ///
    /// For programs whose shapes change from call to call, and that must not compile late.
    /// [Changing shapes](crate::guide::changing_shapes) has the numbers of kernels, and what they cost.
    #[must_use]
    pub fn few_kernels(mut self, on: bool) -> Self {
        self.caps.few_kernels = on;
        self
    }

    /// Compiles pipelines through this cache, which needs the feature [`wgpu::Features::PIPELINE_CACHE`]. A program can
    /// store the data of the cache on disk for its next start.
    #[must_use]
    pub fn pipeline_cache(self, cache: wgpu::PipelineCache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// A planner that applies `edit` to each shader before compilation. For tests of tests.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_source_edit(device: &wgpu::Device, edit: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { edit: Some(Arc::new(edit)), ..Self::new(device) }
    }

    /// The device of the planner.
    #[must_use]
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The capabilities of the device that the choice of kernels depends on.
    #[must_use]
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Makes a plan. Compiles the kernels that no earlier plan needed. Blocks; in a browser, use
    /// [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// The errors of [`Norm::tensors`]; [`Error::Limit`](crate::Error::Limit) if a limit of the device is too small;
    /// [`Error::Epilogue`](crate::Error::Epilogue) if wgpu refuses the caller's WGSL;
    /// [`Error::Device`](crate::Error::Device) if wgpu or the driver refuses the shader.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan(&self, op: &(impl Norm + ?Sized)) -> Result<Plan> {
        self.plan_with(op, Strategy::Inferred)
    }

    /// [`plan`](Self::plan) with a strategy, which can force a method. For tests and measurements.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and [`Error::Unsupported`](crate::Error::Unsupported) for a method that can't compute
    /// the op here.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_with(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Plan> {
        pollster::block_on(self.plan_of(self.lower(op, strategy)?))
    }

    /// [`plan`](Self::plan) without blocking: a thread of its own, or the browser, compiles the kernels.
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

    /// Lowers an op for this device, once for each choice of offsets.
    pub(crate) fn lower(&self, op: &(impl Norm + ?Sized), strategy: Strategy) -> Result<Vec<Lowered>> {
        lower_all(&op.operation(Internal)?, &self.caps, strategy)
    }

    /// Compiles the kernels of a lowered op.
    pub(crate) async fn plan_of(&self, lowered: Vec<Lowered>) -> Result<Plan> {
        let mut compiled = Vec::with_capacity(lowered.len());
        for lowered in lowered {
            let pipelines = self.pipelines(&lowered).await?;
            compiled.push((lowered, pipelines));
        }
        Plan::new(&self.device, &self.caps, compiled).await
    }

    pub(crate) async fn pipelines(&self, lowered: &Lowered) -> Result<Vec<Arc<Pipeline>>> {
        let mut pipelines = Vec::with_capacity(lowered.calls.len());
        for call in &lowered.calls {
            pipelines.push(self.pipeline(Shader(call.key)).await?);
        }
        Ok(pipelines)
    }

    /// Makes a plan for any length of the op's first axis up to `max_rows`. The op's own first axis does not matter.
    /// Compiles the kernels of all these lengths. Blocks; in a browser, use [`plan_rows_async`](Self::plan_rows_async).
    ///
    /// Each length is lowered, in some microseconds.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), of the first length that has one; [`Error::Unsupported`](crate::Error::Unsupported) if
    /// the length changes more than a call can say, as in batch norm's training, or if a tensor is larger than a
    /// binding.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_rows(&self, op: impl Norm + 'static, max_rows: usize) -> Result<RowsPlan> {
        pollster::block_on(RowsPlan::new(self, Box::new(op), max_rows))
    }

    /// [`plan_rows`](Self::plan_rows) without blocking, as [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// As [`plan_rows`](Self::plan_rows).
    pub async fn plan_rows_async(&self, op: impl Norm + 'static, max_rows: usize) -> Result<RowsPlan> {
        let planner = self.clone();
        aside(async move { RowsPlan::new(&planner, Box::new(op), max_rows).await }).await
    }

    /// Compiles the kernels of these ops at the start of a program, so that later plans of these ops compile nothing.
    /// Blocks; in a browser, use [`warm_up_async`](Self::warm_up_async).
    ///
    /// A driver may defer its own compilation to the first run of a kernel, as lavapipe does. There, run each op once.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn warm_up(&self, ops: &[&dyn Norm]) -> Result<()> {
        pollster::block_on(self.compile_all(self.shaders(ops)?))
    }

    /// [`warm_up`](Self::warm_up) without blocking, as [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn warm_up_async(&self, ops: &[&dyn Norm]) -> Result<()> {
        let (planner, shaders) = (self.clone(), self.shaders(ops)?);
        aside(async move { planner.compile_all(shaders).await }).await
    }

    /// Compiles the kernels of an op for each length of its first axis in a range: for rows, samples or tokens that
    /// differ from call to call. Later plans of these lengths compile nothing. Blocks; in a browser, use
    /// [`warm_up_rows_async`](Self::warm_up_rows_async).
    ///
    /// The op's own first axis does not matter. Few kernels serve a range, but each length is lowered, in some ten
    /// microseconds.
    ///
    /// ```
    /// use wgpu_norm::{Planner, RmsNorm};
    ///
    /// # let (device, queue) = wgpu_norm::wgpu::Device::noop(&Default::default());
    /// let planner = Planner::new(&device);
    /// planner.warm_up_rows(&RmsNorm::new(&[1, 512], 1..), 1..=128)?;
    /// # Ok::<(), wgpu_norm::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`plan`](Self::plan), of the first length that has one.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn warm_up_rows(&self, op: &dyn Norm, rows: impl IntoIterator<Item = usize>) -> Result<()> {
        pollster::block_on(self.compile_all(self.shaders_of_rows(op, rows)?))
    }

    /// [`warm_up_rows`](Self::warm_up_rows) without blocking, as [`plan_async`](Self::plan_async).
    ///
    /// # Errors
    /// As [`warm_up_rows`](Self::warm_up_rows).
    pub async fn warm_up_rows_async(&self, op: &dyn Norm, rows: impl IntoIterator<Item = usize>) -> Result<()> {
        let (planner, shaders) = (self.clone(), self.shaders_of_rows(op, rows)?);
        aside(async move { planner.compile_all(shaders).await }).await
    }

    /// The shaders of ops, each once.
    fn shaders(&self, ops: &[&dyn Norm]) -> Result<HashSet<Shader>> {
        self.shaders_of(ops.iter().map(|op| op.operation(Internal)))
    }

    fn shaders_of_rows(&self, op: &dyn Norm, rows: impl IntoIterator<Item = usize>) -> Result<HashSet<Shader>> {
        self.shaders_of(rows.into_iter().map(|rows| op.with_rows(rows, Internal)))
    }

    fn shaders_of(&self, operations: impl Iterator<Item = Result<Operation>>) -> Result<HashSet<Shader>> {
        let mut shaders = HashSet::new();
        for operation in operations {
            for lowered in lower_all(&operation?, &self.caps, Strategy::Inferred)? {
                shaders.extend(lowered.calls.iter().map(|call| Shader(call.key)));
            }
        }
        Ok(shaders)
    }

    async fn compile_all(&self, shaders: HashSet<Shader>) -> Result<()> {
        for shader in shaders {
            self.pipeline(shader).await?;
        }
        Ok(())
    }

    async fn pipeline(&self, shader: Shader) -> Result<Arc<Pipeline>> {
        let key = (shader, self.is_checked(shader));
        // A panic in another thread can't leave the map inconsistent: threads only add entries.
        let known = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = known().get(&key) {
            return Ok(pipeline.clone());
        }
        // Compilation takes long, so it holds no lock. If two threads compile the same kernel, the map keeps the first.
        let pipeline = Arc::new(self.compile(shader).await?);
        Ok(known().entry(key).or_insert(pipeline).clone())
    }

    /// Whether wgpu compiles a shader with all checks. The argument of docs/safety.md does not cover the caller's WGSL.
    fn is_checked(&self, shader: Shader) -> bool {
        self.checked || shader.has_epilogue()
    }

    fn module(&self, shader: Shader, label: &str, source: &str) -> wgpu::ShaderModule {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
        // Nor does it cover edited source.
        if self.is_checked(shader) || self.edit.is_some() {
            return self.device.create_shader_module(descriptor);
        }
        let checks = wgpu::ShaderRuntimeChecks {
            force_loop_bounding: false,
            int_div_checks: false,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: the source is this crate's: no divisor is zero, and every loop ends. See docs/safety.md.
        unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
    }

    async fn compile(&self, shader: Shader) -> Result<Pipeline> {
        let label = shader.to_string();
        let mut source = shader.wgsl();
        if let Some(edit) = &self.edit {
            source = edit(source);
        }
        log::debug!("compiling {label}");
        let mut compiled = None;
        let pipeline = caught(&self.device, || {
            let module = self.module(shader, &label, &source);
            compiled = Some(module.clone());
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
                // Kernels write each slot of workgroup memory before they read it.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: self.cache.as_ref(),
            });
            Pipeline { pipeline, layout }
        })
        .await;
        match (pipeline, compiled, shader.0.epilogue()) {
            (Err(error), Some(module), Some(epilogue)) => {
                let info = module.get_compilation_info().await;
                let is_error = |m: &&wgpu::CompilationMessage| m.message_type == wgpu::CompilationMessageType::Error;
                Err(info.messages.iter().find(is_error).map_or(error, |message| {
                    let line = message.location.map(|location| location.line_number);
                    explain(&source, epilogue, line, &message.message)
                }))
            }
            (pipeline, ..) => pipeline,
        }
    }
}

/// Lowers an op for each choice of offsets.
fn lower_all(operation: &Operation, caps: &Caps, strategy: Strategy) -> Result<Vec<Lowered>> {
    let mut all = caps.alternatives().map(|caps| lower(operation, &caps, strategy)).collect::<Result<Vec<_>>>()?;
    all.dedup();
    Ok(all)
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner").field("caps", &self.caps).finish_non_exhaustive()
    }
}
