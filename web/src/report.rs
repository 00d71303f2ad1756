//! What a visitor sends: the adapter, and what was measured on it, as text.

use std::fmt::Write as _;

use serde::Deserialize;
use wgpu_norm::{DeviceReport, host::Gpu, wgpu::DeviceType};

use crate::{about, clock, job::Done};

/// What the browser tells of itself and of its adapter. Each text may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Browser {
    pub user_agent: String,
    pub vendor: String,
    pub architecture: String,
    pub device: String,
    pub description: String,
    pub driver: String,
    /// The API below WebGPU.
    pub backend: String,
}

/// One measurement.
pub struct Row {
    pub op: String,
    pub shape: Vec<usize>,
    pub dtype: String,
    /// What came out, or what went wrong.
    pub outcome: Result<Outcome, String>,
    pub options: String,
}

pub struct Outcome {
    pub method: String,
    pub kernels: usize,
    pub milliseconds: f64,
    pub percent_of_copy: f64,
    pub gb_per_s: f64,
    pub error: f64,
}

impl From<&Done> for Outcome {
    fn from(done: &Done) -> Self {
        Self {
            method: done.method.clone(),
            kernels: done.kernels.len(),
            milliseconds: done.milliseconds,
            percent_of_copy: done.percent_of_copy,
            gb_per_s: done.gb_per_s,
            error: done.error,
        }
    }
}

/// Columns of a table of measurements. The numbers among them are written to the right.
pub const COLUMNS: [&str; 9] = ["op", "shape", "type", "method", "kernels", "ms", "copy", "GB/s", "error"];
const NUMBERS: usize = 4;

impl Row {
    pub fn cells(&self) -> Vec<String> {
        let mut op = self.op.clone();
        if !self.options.is_empty() {
            op = format!("{op} {}", self.options);
        }
        let mut cells = vec![op, shown(&self.shape), self.dtype.clone()];
        match &self.outcome {
            Ok(outcome) => cells.extend([
                outcome.method.clone(),
                outcome.kernels.to_string(),
                digits(outcome.milliseconds),
                format!("{:.0} %", outcome.percent_of_copy),
                digits(outcome.gb_per_s),
                format!("{:.3}", outcome.error),
            ]),
            Err(problem) => cells.push(problem.clone()),
        }
        cells
    }
}

/// A shape as one would say it.
pub fn shown(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// A number with three digits that matter.
pub fn digits(value: f64) -> String {
    let before = value.abs().max(1e-9).log10().floor() as i32;
    format!("{value:.*}", usize::try_from(2 - before).unwrap_or(0))
}

/// What every browser calls itself.
const EVERY_BROWSER: &str = "Mozilla/5.0 ";

/// Names and values: what the page knows of the GPU.
pub fn machine(gpu: &Gpu, browser: &Browser) -> Vec<(&'static str, String)> {
    let Browser { user_agent, vendor, architecture, device, description, driver, backend } = browser;
    let of = |parts: &[&String]| {
        let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { "the browser does not tell".to_owned() } else { parts.join(", ") }
    };
    let info = gpu.device().adapter_info();
    let software = if info.device_type == DeviceType::Cpu { " (on a CPU)" } else { "" };
    let clock = if clock::has_timestamps(gpu) { "timestamps of the GPU" } else { "the browser's clock" };
    vec![
        ("adapter", of(&[vendor, architecture, device, description]) + software),
        ("driver", of(&[driver, backend])),
        ("browser", of(&[&user_agent.replacen(EVERY_BROWSER, "", 1)])),
        ("timed by", clock.to_owned()),
    ]
}

/// The whole report. `date`: the day, for those who read it later.
pub fn text(gpu: &Gpu, browser: &Browser, rows: &[Row], date: &str) -> String {
    let mut text = format!("{}, in a browser, {date}\n", about::version());
    // Writing to a String does not fail.
    if let Some(issues) = about::issues() {
        let _ = writeln!(text, "{:<20} {issues}", "send this to");
    }
    for (name, value) in machine(gpu, browser) {
        let _ = writeln!(text, "{name:<20} {value}");
    }
    text += "\n";
    table(&mut text, rows);
    text += "\ncopy: % of copy bandwidth, 100 is the speed of a copy of as many bytes, higher is better\n\
             error: the largest difference from f64, in parts of the promised bound, right up to 1\n\n";
    text + &device(gpu)
}

/// What the device can do, without what browsers leave empty.
pub fn device(gpu: &Gpu) -> String {
    let lines = DeviceReport::new(gpu.device()).to_string();
    let told = |line: &&str| line.split_once("  ").is_some_and(|(_, value)| !value.trim().is_empty());
    lines.lines().filter(told).map(|line| format!("{line}\n")).collect()
}

fn table(text: &mut String, rows: &[Row]) {
    let lines: Vec<Vec<String>> =
        [COLUMNS.map(str::to_owned).to_vec()].into_iter().chain(rows.iter().map(Row::cells)).collect();
    // A message may be long, and nothing stands behind it.
    let full = || lines.iter().filter(|cells| cells.len() == COLUMNS.len());
    let width = |column: usize| full().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max();
    for cells in &lines {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = width(column).unwrap_or(0);
            let _ = if column < NUMBERS { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
