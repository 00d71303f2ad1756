//! Calls of wgpu: errors are returned, and work that blocks does not hold its executor.

use crate::error::{Error, Result};

/// Runs wgpu calls and returns their errors, which wgpu would otherwise pass to the device's uncaptured-error handler.
pub(crate) async fn caught<T>(device: &wgpu::Device, calls: impl FnOnce() -> T) -> Result<T> {
    // An error scope belongs to the thread that pushed it, so this block pops the scopes before the first await.
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

/// Runs blocking work on a thread of its own, so that it does not block the caller's executor.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn aside<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, receiver) = futures_channel::oneshot::channel();
    let thread = std::thread::Builder::new().name("wgpu-norm".into()).spawn(move || {
        // Without a receiver, nobody waits for the result.
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
