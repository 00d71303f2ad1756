//! Slices in, vectors out: for scripts, tests and first steps. Functions without `_async` block. A browser does not
//! have them, as its thread must not block.
//!
//! ```no_run
//! use wgpu_norm::{LayerNorm, Tensors, host::Gpu};
//!
//! let gpu = Gpu::new()?;
//! let input: Vec<f32> = (0..64 * 384).map(|i| (i as f32).sin()).collect();
//! let op = LayerNorm::new(&[64, 384], 1..).weight(false).bias(false);
//! let output = gpu.run(&op, &Tensors::new(&input))?.output().to_vec();
//! # Ok::<(), wgpu_norm::Error>(())
//! ```

use std::time::Duration;

use futures_channel::oneshot;
#[cfg(not(target_arch = "wasm32"))]
use pollster::block_on;

use crate::{
    bindings::Bindings,
    calls::{aside, caught},
    device::recommended,
    error::{Error, Result},
    lower::Lowered,
    ops::Norm,
    planner::Planner,
    tensor::{Access, Outputs, TensorSpec, Tensors},
    types::{Method, Strategy},
};

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env())
}

/// All adapters of this machine, for the backends in the environment variable `WGPU_BACKEND` or for all backends.
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn adapters() -> Vec<wgpu::Adapter> {
    block_on(instance().enumerate_adapters(wgpu::Backends::all()))
}

/// The first adapter whose name contains `name`, ignoring case. Without a name: the adapter that the environment
/// variable `WGPU_ADAPTER_NAME` names, or else the adapter that wgpu prefers.
///
/// # Errors
/// [`Error::NoAdapter`], with the names of all adapters.
#[cfg(not(target_arch = "wasm32"))]
pub fn adapter(name: Option<&str>) -> Result<wgpu::Adapter> {
    block_on(adapter_async(name))
}

/// [`adapter`](fn@adapter) without blocking. A browser has one adapter, and no environment variables.
///
/// # Errors
/// As [`adapter`](fn@adapter).
pub async fn adapter_async(name: Option<&str>) -> Result<wgpu::Adapter> {
    let from_env = std::env::var("WGPU_ADAPTER_NAME").ok();
    let Some(name) = name.or(from_env.as_deref()) else {
        return instance()
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            })
            .await
            .map_err(|e| Error::NoAdapter(e.to_string()));
    };
    let adapters = instance().enumerate_adapters(wgpu::Backends::all()).await;
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let wanted = name.to_lowercase();
    let found = names.iter().position(|name| name.to_lowercase().contains(&wanted));
    found
        .and_then(|i| adapters.into_iter().nth(i))
        .ok_or_else(|| Error::NoAdapter(format!("no name contains {name:?}, there are {names:?}")))
}

/// A device with its queue and a planner. Cheap to clone.
///
/// On the device of the program, or by [`new`](Self::new) on one of its own:
/// ```
/// use wgpu_norm::{BatchNorm, Planner, Tensors, host::Gpu, wgpu};
///
/// # let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
/// let gpu = Gpu::from_parts(queue, Planner::new(&device)); // or Gpu::new()?
/// let op = BatchNorm::inference(&[2, 3, 4]);
/// let input: Vec<f32> = (0..24).map(|i| i as f32).collect(); // [2, 3, 4]
/// let tensors = Tensors::new(&input).weight(&[1.; 3]).bias(&[0.; 3]).running(&[0.; 3], &[1.; 3]); // [3] each
/// let outputs = gpu.run(&op, &tensors)?;
/// assert_eq!(outputs.output().len(), 24);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    planner: Planner,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The tensors that the op wrote.
    pub outputs: Outputs<f32>,
    /// The method that computed the op; `None` for an empty batch.
    pub method: Option<Method>,
    /// The op's time on the GPU; `None` for an empty batch, or without the feature `TIMESTAMP_QUERY`.
    pub gpu_time: Option<Duration>,
}

impl Gpu {
    /// Opens the adapter that [`adapter`](fn@adapter) picks, with [`recommended`] features and limits.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new() -> Result<Self> {
        block_on(Self::new_async())
    }

    /// [`new`](Self::new) without blocking.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn new_async() -> Result<Self> {
        Self::with_adapter_async(&adapter_async(None).await?).await
    }

    /// Opens this adapter with [`recommended`] features and limits.
    ///
    /// # Errors
    /// [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_adapter(adapter: &wgpu::Adapter) -> Result<Self> {
        block_on(Self::with_adapter_async(adapter))
    }

    /// [`with_adapter`](Self::with_adapter) without blocking.
    ///
    /// # Errors
    /// As [`with_adapter`](Self::with_adapter).
    pub async fn with_adapter_async(adapter: &wgpu::Adapter) -> Result<Self> {
        let (features, required_limits) = recommended(adapter);
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("wgpu-norm"),
                required_features: features | (adapter.features() & wgpu::Features::TIMESTAMP_QUERY),
                required_limits,
                ..Default::default()
            })
            .await
            .map_err(|e| Error::Device(e.to_string()))?;
        let planner = Planner::new(&device);
        Ok(Self { device, queue, planner })
    }

    /// Uses an existing device with its queue and planner.
    #[must_use]
    pub fn from_parts(queue: wgpu::Queue, planner: Planner) -> Self {
        Self { device: planner.device().clone(), queue, planner }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The planner.
    #[must_use]
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// Uploads the tensors, computes the op, downloads the results.
    ///
    /// # Errors
    /// The errors of [`Planner::plan`]; [`Error::Binding`] for a slice that is missing, not used, or of another length;
    /// [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&self, op: &(impl Norm + ?Sized), tensors: &Tensors<'_>) -> Result<Outputs<f32>> {
        self.run_with(op, tensors, Strategy::Inferred).map(|run| run.outputs)
    }

    /// [`run`](Self::run) with a strategy. Also returns the method and the GPU time.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`Error::Unsupported`] for a forced method that can't compute the op.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_with(&self, op: &(impl Norm + ?Sized), tensors: &Tensors<'_>, strategy: Strategy) -> Result<Run> {
        let specs = checked(op, tensors)?;
        let contents = specs.iter().map(|spec| tensors.bytes(spec));
        block_on(self.complete(op.name(), &specs, self.planner.lower(op, strategy)?, contents))
    }

    /// [`run`](Self::run) without blocking: a thread of its own, or the browser, compiles, copies and waits.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_async(&self, op: &(impl Norm + ?Sized), tensors: &Tensors<'_>) -> Result<Outputs<f32>> {
        self.run_with_async(op, tensors, Strategy::Inferred).await.map(|run| run.outputs)
    }

    /// [`run_with`](Self::run_with) without blocking, as [`run_async`](Self::run_async).
    ///
    /// # Errors
    /// As [`run_with`](Self::run_with).
    pub async fn run_with_async(
        &self,
        op: &(impl Norm + ?Sized),
        tensors: &Tensors<'_>,
        strategy: Strategy,
    ) -> Result<Run> {
        let specs = checked(op, tensors)?;
        let contents: Vec<_> = specs.iter().map(|spec| tensors.bytes(spec)).collect();
        let (gpu, name, lowered) = (self.clone(), op.name(), self.planner.lower(op, strategy)?);
        aside(async move { gpu.complete(name, &specs, lowered, contents.into_iter()).await }).await
    }

    /// Runs a lowered op. `contents` has the bytes of each tensor that the op reads.
    async fn complete(
        &self,
        name: &str,
        specs: &[TensorSpec],
        lowered: Vec<Lowered>,
        contents: impl Iterator<Item = Option<Vec<u8>>>,
    ) -> Result<Run> {
        let plan = self.planner.plan_of(lowered).await?;
        let method = plan.method();
        if method.is_none() {
            return Ok(Run { outputs: untouched(specs, contents), method, gpu_time: None });
        }

        let buffers = caught(&self.device, || self.upload(specs, contents)).await?;
        let full = specs.iter().zip(&buffers).filter(|(spec, _)| !spec.is_empty());
        let bindings = full.fold(Bindings::new(), |b, (spec, buffer)| b.set(spec.slot, buffer));
        let bound = plan.bind_async(&bindings).await?;
        let timer = caught(&self.device, || {
            let timer = self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Timer::new(self));
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(name),
                timestamp_writes: timer.as_ref().map(Timer::writes),
            }));
            if let Some(timer) = &timer {
                timer.resolve(&mut encoder);
            }
            self.queue.submit([encoder.finish()]);
            timer
        })
        .await?;

        let mut outputs = Outputs::default();
        for (spec, buffer) in specs.iter().zip(&buffers).filter(|(spec, _)| spec.access != Access::Read) {
            outputs.set_bytes(spec, &self.copy_out(buffer, spec.bytes()).await?);
        }
        let gpu_time = match timer {
            Some(timer) => Some(timer.read(self).await?),
            None => None,
        };
        Ok(Run { outputs, method, gpu_time })
    }

    /// Creates a buffer for each tensor, and uploads the tensors that the op reads.
    fn upload(&self, specs: &[TensorSpec], contents: impl Iterator<Item = Option<Vec<u8>>>) -> Vec<wgpu::Buffer> {
        specs
            .iter()
            .zip(contents)
            .map(|(spec, content)| {
                let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(spec.slot.name()),
                    size: spec.bytes(),
                    usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                if let Some(bytes) = content {
                    self.queue.write_buffer(&buffer, 0, &bytes);
                }
                buffer
            })
            .collect()
    }

    /// Copies the start of a buffer to the host. The buffer needs `COPY_SRC`.
    ///
    /// # Errors
    /// [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn download(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        block_on(self.copy_out(buffer, bytes))
    }

    /// [`download`](Self::download) without blocking, as [`run_async`](Self::run_async).
    ///
    /// # Errors
    /// As [`download`](Self::download).
    pub async fn download_async(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        let (gpu, buffer) = (self.clone(), buffer.clone());
        aside(async move { gpu.copy_out(&buffer, bytes).await }).await
    }

    async fn copy_out(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        let (sender, receiver) = oneshot::channel();
        let staging = caught(&self.device, || {
            let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-norm download"),
                size: bytes,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            });
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
            self.queue.submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver waits below. Without it, nobody waits for the result.
                let _ = sender.send(result);
            });
            staging
        })
        .await?;
        let device_error = |e: &dyn std::fmt::Display| Error::Device(e.to_string());
        // A browser polls by itself.
        #[cfg(not(target_arch = "wasm32"))]
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| device_error(&e))?;
        receiver.await.map_err(|e| device_error(&e))?.map_err(|e| device_error(&e))?;
        let view = staging.get_mapped_range(..).map_err(|e| device_error(&e))?;
        Ok(view.to_vec())
    }
}

/// The tensors of an op. Checks the slices against them.
fn checked(op: &(impl Norm + ?Sized), tensors: &Tensors<'_>) -> Result<Vec<TensorSpec>> {
    let specs = op.tensors()?;
    tensors.check(&specs)?;
    Ok(specs)
}

/// The outputs of an empty batch: updated tensors keep their values, and written tensors are empty or absent.
fn untouched(specs: &[TensorSpec], contents: impl Iterator<Item = Option<Vec<u8>>>) -> Outputs<f32> {
    let mut outputs = Outputs::default();
    for (spec, content) in specs.iter().zip(contents).filter(|(spec, _)| spec.access != Access::Read) {
        match content {
            Some(bytes) => outputs.set_bytes(spec, &bytes),
            None if spec.is_empty() => outputs.set_bytes(spec, &[]),
            None => {}
        }
    }
    outputs
}

/// Two timestamps, before and after a pass.
struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

impl Timer {
    const BYTES: u64 = 16;

    fn new(gpu: &Gpu) -> Self {
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("wgpu-norm timer"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgpu-norm timer"),
            size: Self::BYTES,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Self { queries, resolved }
    }

    fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
    }

    async fn read(&self, gpu: &Gpu) -> Result<Duration> {
        let bytes = gpu.copy_out(&self.resolved, Self::BYTES).await?;
        let ticks = bytemuck::pod_collect_to_vec::<u8, u64>(&bytes);
        let nanoseconds = ticks[1].saturating_sub(ticks[0]) as f64 * f64::from(gpu.queue.get_timestamp_period());
        Ok(Duration::from_secs_f64(nanoseconds * 1e-9))
    }
}
