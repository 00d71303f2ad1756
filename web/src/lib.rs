//! What the page calls: one device, and one function that normalizes, checks and measures.
//!
//! `page.js` sends a [`Request`] as JSON and shows the [`Answer`].

mod copy;
mod histogram;
mod job;

#[path = "../../cli/src/failure.rs"]
#[allow(dead_code, reason = "a page has no exit code")]
mod failure;
#[path = "../../cli/src/files.rs"]
#[allow(dead_code, reason = "a page reads files and writes none")]
mod files;

use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wgpu_norm::host::Gpu;

/// What is wanted.
#[derive(Deserialize)]
pub struct Request {
    /// `layer_norm`, `rms_norm`, `group_norm`, `instance_norm` or `batch_norm`.
    op: String,
    /// Of random numbers; a file has its own.
    shape: Vec<usize>,
    /// `f32`, `f16` or `bf16`.
    dtype: String,
    /// Of group norm.
    groups: usize,
    /// The name of the file whose bytes come with the request.
    file: Option<String>,
}

/// What came out.
#[derive(Serialize)]
pub struct Answer {
    op: String,
    shape: Vec<usize>,
    dtype: String,
    method: String,
    /// Of one pass.
    milliseconds: f64,
    /// By the least that must be moved.
    gb_per_s: f64,
    /// % of copy bandwidth: 100 times the time of a copy of as many bytes over the time of the op.
    percent_of_copy: f64,
    /// The largest difference from the f64 reference, in parts of what the crate promises.
    error: f64,
    /// Histograms of the input and of the output.
    svg: String,
}

/// A device of the visitor's GPU.
#[wasm_bindgen]
pub struct Session {
    gpu: Gpu,
}

#[wasm_bindgen]
impl Session {
    /// Opens the GPU.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open() -> Result<Session, JsError> {
        Ok(Self { gpu: Gpu::new_async().await? })
    }

    /// What the GPU calls itself, and what it can do.
    #[must_use]
    pub fn device(&self) -> String {
        wgpu_norm::DeviceReport::new(self.gpu.device()).to_string()
    }

    /// Normalizes: a request and an answer in JSON, and the bytes of the file that the request names.
    ///
    /// # Errors
    /// In words for the visitor.
    pub async fn run(&self, request: String, file: Option<Vec<u8>>) -> Result<String, JsError> {
        let request: Request = serde_json::from_str(&request)?;
        let answer = job::run(&self.gpu, &request, file.as_deref()).await.map_err(|e| JsError::new(&e))?;
        Ok(serde_json::to_string(&answer)?)
    }
}
