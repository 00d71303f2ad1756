//! What the page calls: one device, and a function that normalizes, checks and measures.
//!
//! `page.js` sends a [`Request`] as JSON and shows the [`Answer`].

mod about;
mod clock;
mod copy;
mod histogram;
mod job;
mod ops;
mod report;

#[path = "../../cli/src/failure.rs"]
#[allow(dead_code, reason = "a page has no exit code")]
mod failure;
#[path = "../../cli/src/files.rs"]
#[allow(dead_code, reason = "a page has its files in memory")]
mod files;

use std::cell::RefCell;

use serde::Serialize;
use wasm_bindgen::prelude::*;
use wgpu_norm::{host::Gpu, wgpu::DeviceType};

use crate::{
    job::{Job, Tensor},
    ops::Request,
    report::{Browser, Outcome, Row},
};

/// What came out.
#[derive(Serialize)]
pub struct Answer {
    /// Names and values, to be shown as a table.
    rows: Vec<(&'static str, String)>,
    /// Histograms of the input and of the result.
    svg: String,
    kernels: Vec<Kernel>,
    /// The name of the file that the result can be saved as.
    file: String,
}

/// A shader that ran; its entry point is `main`.
#[derive(Serialize)]
pub struct Kernel {
    name: String,
    /// Invocations.
    workgroup_size: u32,
    /// In x, y and z.
    workgroups: [u32; 3],
    wgsl: String,
}

/// What the page shows before there is a GPU: an [`About`](about::About) in JSON.
///
/// # Errors
/// None that is known.
#[wasm_bindgen]
pub fn about() -> Result<String, JsError> {
    Ok(serde_json::to_string(&about::about())?)
}

/// A device of the visitor's GPU, and what was measured on it.
#[wasm_bindgen]
pub struct Session {
    gpu: Gpu,
    browser: Browser,
    rows: RefCell<Vec<Row>>,
    result: RefCell<Option<Tensor>>,
}

#[wasm_bindgen]
impl Session {
    /// Opens the GPU. `browser` is a [`Browser`] in JSON.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(browser: String) -> Result<Session, JsError> {
        let browser = serde_json::from_str(&browser)?;
        Ok(Self { gpu: Gpu::new_async().await?, browser, rows: RefCell::default(), result: RefCell::default() })
    }

    /// What the GPU calls itself, and what it can do.
    #[must_use]
    pub fn device(&self) -> String {
        report::device(&self.gpu)
    }

    /// The requests that make a report worth sending: a list in JSON.
    ///
    /// # Errors
    /// None that is known.
    pub fn all(&self) -> Result<String, JsError> {
        let software = self.gpu.device().adapter_info().device_type == DeviceType::Cpu;
        Ok(serde_json::to_string(&Request::all(software))?)
    }

    /// Normalizes: a request and an answer in JSON, and the bytes of the file that the request names.
    ///
    /// # Errors
    /// In words for the visitor. What goes wrong on the GPU is in the report, too.
    pub async fn run(&self, request: String, file: Option<Vec<u8>>) -> Result<String, JsError> {
        let request: Request = serde_json::from_str(&request)?;
        let job = Job::new(&request, file.as_deref()).map_err(|e| JsError::new(&e))?;
        let done = job.run(&self.gpu).await;
        let row = Row {
            op: job.name().into(),
            shape: job.shape().to_vec(),
            dtype: request.dtype.clone(),
            outcome: done.as_ref().map(Outcome::from).map_err(String::clone),
            options: request.options(),
        };
        self.rows.borrow_mut().push(row);
        let done = done.map_err(|e| JsError::new(&e))?;
        let mut rows = vec![
            ("op", job.name().into()),
            ("options", Some(request.options()).filter(|told| !told.is_empty()).unwrap_or("the defaults".into())),
            ("shape", report::shown(job.shape())),
            ("stored as", request.dtype),
            ("method", done.method.clone()),
            ("kernels", done.kernels.iter().map(|kernel| &*kernel.name).collect::<Vec<_>>().join(", ")),
            ("time", format!("{} ms", report::digits(done.milliseconds))),
            ("speed", format!("{:.0} % of copy bandwidth", done.percent_of_copy)),
            ("bandwidth", format!("{} GB/s", report::digits(done.gb_per_s))),
            ("largest error", format!("{:.3} of the promised bound", done.error)),
        ];
        rows.extend(report::machine(&self.gpu, &self.browser));
        let answer = Answer { rows, file: done.file_name(job.name()), svg: done.svg, kernels: done.kernels };
        *self.result.borrow_mut() = Some(done.tensor);
        Ok(serde_json::to_string(&answer)?)
    }

    /// The latest result as a .npy file of f32.
    ///
    /// # Errors
    /// There is no result.
    pub fn saved(&self) -> Result<Vec<u8>, JsError> {
        let result = self.result.borrow();
        let result = result.as_ref().ok_or(JsError::new("there is no result to save"))?;
        result.npy().map_err(|e| JsError::new(&e))
    }

    /// What was measured: the names of columns, then rows of cells, in JSON. A row that ends early ends in a message.
    ///
    /// # Errors
    /// None that is known.
    pub fn measured(&self) -> Result<String, JsError> {
        let names = report::COLUMNS.map(str::to_owned).to_vec();
        let rows: Vec<_> = [names].into_iter().chain(self.rows.borrow().iter().map(Row::cells)).collect();
        Ok(serde_json::to_string(&rows)?)
    }

    /// The report of this adapter as text. `date`: of today.
    #[must_use]
    pub fn report(&self, date: &str) -> String {
        report::text(&self.gpu, &self.browser, &self.rows.borrow(), date)
    }
}
