//! The wgpu device of a burn device.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use burn::{
    backend::DispatchDevice,
    tensor::{
        Device,
        wgpu::{WgpuInitError, WgpuOptions, WgpuSetup},
    },
};
use burn_cubecl::CubeDevice;
use wgpu_norm::{Plan, Planner, wgpu};

use crate::{call::Call, error::Error};

/// Plans of one device. A program whose shapes change all the time does not gather them forever.
const MAX_PLANS: usize = 1024;

/// What this crate needs of a burn device.
pub(crate) struct Context {
    planner: Planner,
    pub queue: wgpu::Queue,
    plans: Mutex<HashMap<Call, Plan>>,
}

type Registry = Mutex<HashMap<CubeDevice, Arc<Context>>>;

fn registry() -> MutexGuard<'static, HashMap<CubeDevice, Arc<Context>>> {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    lock(REGISTRY.get_or_init(Mutex::default))
}

/// Each insertion is whole, so a map stays valid when a thread that held it panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Initializes burn's wgpu runtime with these options and [registers](register) its device.
///
/// ```no_run
/// use burn::tensor::Device;
///
/// let device = wgpu_norm_burn::init(Device::wgpu_options())?;
/// # Ok::<(), burn::tensor::wgpu::WgpuInitError>(())
/// ```
///
/// # Errors
/// Those of [`WgpuOptions::init_with_setup`], also if burn has initialized this runtime before: call `init` before the
/// first tensor.
pub fn init(options: WgpuOptions) -> Result<Device, WgpuInitError> {
    let (device, setup) = options.init_with_setup()?;
    register(&device, &setup);
    Ok(device)
}

/// Tells this crate which wgpu device and queue a burn device uses: those that
/// [`init_with_setup`](WgpuOptions::init_with_setup) returns, or those that the program gave to
/// [`setup`](WgpuOptions::setup). Another call for the same device starts with no compiled kernels.
///
/// # Panics
/// If `device` is none of burn's cubecl devices.
pub fn register(device: &Device, setup: &WgpuSetup) {
    let Some(cube) = cube_device(device) else {
        panic!("{device:?} has no wgpu device: give `register` the device that `WgpuOptions` made");
    };
    // burn's pools make tensors of parts of one buffer.
    let planner = Planner::new(&setup.device).shared_buffers(true);
    let context = Context { planner, queue: setup.queue.clone(), plans: Mutex::default() };
    registry().insert(cube, Arc::new(context));
}

/// The device below burn's dispatch, with or without autodiff.
pub(crate) fn cube_device(device: &Device) -> Option<CubeDevice> {
    #[allow(
        clippy::allow_attributes,
        clippy::match_wildcard_for_single_variants,
        unreachable_patterns,
        reason = "a program may enable other backends of burn"
    )]
    match device.clone().without_autodiff().as_dispatch() {
        DispatchDevice::Cube(cube) => Some(cube.clone()),
        _ => None,
    }
}

/// The context of a registered device.
pub(crate) fn context(device: &CubeDevice) -> Result<Arc<Context>, Error> {
    registry().get(device).cloned().ok_or_else(|| Error::Unregistered { device: format!("{device:?}") })
}

impl Context {
    pub fn device(&self) -> &wgpu::Device {
        self.planner.device()
    }

    /// The plan of a call, compiled at its first use.
    pub fn plan(&self, call: &Call) -> wgpu_norm::Result<Plan> {
        if let Some(plan) = lock(&self.plans).get(call) {
            return Ok(plan.clone());
        }
        // Other threads go on while this one compiles.
        let plan = self.planner.plan(&*call.norm())?;
        let mut plans = lock(&self.plans);
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.insert(call.clone(), plan.clone());
        Ok(plan)
    }
}
