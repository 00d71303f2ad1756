//! From tensors to tensors: compute, check, write, tell.

use std::{
    fmt,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressFinish};
use wgpu_norm::{Access, Error, Norm, Outputs, Slot, Strategy, TensorSpec, testing};

use crate::{
    cli::{Common, Device},
    failure::Failure,
    files::{self, Count, Format, Inputs, Named, Values},
};

/// What every op is asked for in the same way.
pub struct Job<'a> {
    common: &'a Common,
    adapter: Option<&'a str>,
    progress: ProgressBar,
}

impl<'a> Job<'a> {
    pub fn new(common: &'a Common, adapter: Option<&'a str>) -> Result<Self, Failure> {
        files::check_folder(&common.output)?;
        let progress = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
        progress.enable_steady_tick(Duration::from_millis(100));
        Ok(Self { common, adapter, progress })
    }

    /// Whether there is a place for more than `output`.
    pub fn writes_all(&self) -> bool {
        Format::of("--output", &self.common.output).is_ok_and(|format| format == Format::Safetensors)
    }

    pub fn read(&self, wanted: &[Slot]) -> Result<Inputs, Failure> {
        self.progress.set_message(format!("reading {}", self.common.input.display()));
        Inputs::read(self.common, wanted)
    }

    /// Computes and checks, then writes what the op wrote and the count after this batch.
    pub fn run(&self, op: &impl Norm, inputs: &Inputs, count: Option<&Count>) -> Result<(), Failure> {
        let specs = op.tensors().map_err(|e| explain(e, inputs))?;
        inputs.check(&specs)?;
        let (outputs, how) = self.compute(op, inputs, &specs)?;
        let check = self.common.check.then(|| self.check(op, inputs, &specs, &outputs)).transpose()?;
        let passed = check.as_ref().is_none_or(|check| check.passed);
        if passed {
            self.write(&specs, &outputs, count)?;
        }
        self.progress.finish_and_clear();
        crate::say(how)?;
        if let Some(check) = &check {
            crate::say(check)?;
        }
        if passed {
            return Ok(());
        }
        Err(Failure::failed(format!("--check: the result is off, {} was not written", self.common.output.display())))
    }

    /// The outputs, and how they came about in a line.
    fn compute(
        &self,
        op: &impl Norm,
        inputs: &Inputs,
        specs: &[TensorSpec],
    ) -> Result<(Outputs<f32>, String), Failure> {
        self.progress.set_message("computing");
        let tensors = inputs.tensors(specs);
        let (outputs, device, timing) = match self.common.device {
            Device::Gpu => {
                let gpu = crate::open(self.adapter)?;
                let run = || gpu.run_with(op, &tensors, Strategy::Inferred).map_err(|e| explain(e, inputs));
                // The first run pays for compilation, in this crate and in the driver; the second one is timed.
                run()?;
                let start = Instant::now();
                let run = run()?;
                let timing = match (run.method, run.gpu_time) {
                    (None, _) => "nothing to do".into(),
                    (Some(method), Some(time)) => format!("{}, {method}", Timing::new(op, time, "on the GPU")),
                    (Some(method), None) => {
                        let timing = Timing::new(op, start.elapsed(), "wall with copies");
                        format!("{timing}, {method}")
                    }
                };
                (run.outputs, gpu.device().adapter_info().name, timing)
            }
            Device::Reference => {
                let start = Instant::now();
                let truth = op.reference(&tensors).map_err(|e| explain(e, inputs))?;
                let timing = Timing::new(op, start.elapsed(), "wall").to_string();
                (truth.to_f32(), "the CPU reference".to_owned(), timing)
            }
        };
        Ok((outputs, format!("{} {:?} on {device}: {timing}", op.name(), op.shape())))
    }

    fn check(
        &self,
        op: &impl Norm,
        inputs: &Inputs,
        specs: &[TensorSpec],
        outputs: &Outputs<f32>,
    ) -> Result<Check, Failure> {
        self.progress.set_message("checking");
        let truth = op.reference(&inputs.tensors(specs)).map_err(|e| explain(e, inputs))?;
        Ok(Check::new(specs, outputs, &truth, inputs.tensors(specs).get(Slot::Input).unwrap_or_default()))
    }

    fn write(&self, specs: &[TensorSpec], outputs: &Outputs<f32>, count: Option<&Count>) -> Result<(), Failure> {
        self.progress.set_message(format!("writing {}", self.common.output.display()));
        let written = specs.iter().filter(|spec| spec.access != Access::Read);
        let mut tensors: Vec<Named<'_>> = written
            .filter_map(|spec| {
                let values = Values::F32(outputs.get(spec.slot)?);
                Some(Named { slot: spec.slot, shape: &spec.shape, values })
            })
            .collect();
        if let Some(count) = count {
            let values = Values::I64(outputs.num_batches_tracked().unwrap_or(count.value).into());
            tensors.push(Named { slot: Slot::NumBatchesTracked, shape: &count.shape, values });
        }
        files::write(&self.common.output, &tensors)
    }
}

/// A library error in the words of the command line.
fn explain(error: Error, inputs: &Inputs) -> Failure {
    match error {
        Error::InvalidArgument { argument: argument @ ("eps" | "momentum" | "groups"), value, expected } => {
            Failure::usage(format!("--{argument}: {value}, expected {expected}"))
        }
        Error::InvalidArgument { argument: "zero_centered", .. } => {
            Failure::usage(format!("--zero-centered: {}: no weight", inputs.path().display()))
        }
        Error::InvalidArgument { argument: "axes", .. } => inputs
            .wrong(Slot::Input, format!("shape {:?}, expected normalized axes that are not empty", inputs.shape())),
        Error::InvalidArgument { argument: "shape", value, expected } => {
            inputs.wrong(Slot::Input, format!("shape {value}, expected {expected}"))
        }
        Error::Binding { slot, problem } => inputs.wrong(slot, problem),
        Error::InvalidArgument { .. } | Error::Unsupported { .. } | Error::Limit { .. } => {
            inputs.wrong(Slot::Input, error)
        }
        _ => Failure::failed(error),
    }
}

/// A time, and the bandwidth of reading the input and writing the output in it.
struct Timing {
    time: Duration,
    clock: &'static str,
    bytes: f64,
}

impl Timing {
    #[allow(clippy::cast_precision_loss, reason = "for printing")]
    fn new(op: &impl Norm, time: Duration, clock: &'static str) -> Self {
        let elements: usize = op.shape().iter().product();
        Self { time, clock, bytes: (2 * elements * size_of::<f32>()) as f64 }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        write!(f, "{:.3} ms {}", seconds * 1e3, self.clock)?;
        if seconds > 0.0 { write!(f, ", {:.2} GB/s", self.bytes / seconds * 1e-9) } else { Ok(()) }
    }
}

/// The result beside the reference, a line.
struct Check {
    passed: bool,
    line: String,
}

impl Check {
    fn new(specs: &[TensorSpec], outputs: &Outputs<f32>, truth: &Outputs<f64>, input: &[f32]) -> Self {
        let mut passed = true;
        let mut parts = Vec::new();
        for &TensorSpec { slot, dtype, .. } in specs.iter().filter(|spec| spec.access != Access::Read) {
            let (actual, expected) = match (outputs.get(slot), truth.get(slot)) {
                (None, None) => continue,
                (actual, expected) => (actual.unwrap_or_default(), expected.unwrap_or_default()),
            };
            let bound = testing::slot_bound(slot, expected, input);
            parts.push(match testing::max_error(slot.name(), dtype, actual, expected) {
                Ok(error) => {
                    passed &= error <= bound;
                    let relative = error / testing::largest(expected).max(f64::MIN_POSITIVE);
                    let relative =
                        if slot == Slot::Output { format!(", {relative:.2e} of the largest") } else { String::new() };
                    format!("{slot} off by {error:.2e}{relative}, bound {bound:.2e}")
                }
                Err(problem) => {
                    passed = false;
                    problem
                }
            });
        }
        let counts = (outputs.num_batches_tracked(), truth.num_batches_tracked());
        if let (Some(actual), Some(expected)) = counts {
            parts.push(format!("{} {actual}, expected {expected}", Slot::NumBatchesTracked));
        }
        passed &= counts.0 == counts.1;
        Self { passed, line: parts.join("; ") }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check: {}: {}", self.line, if self.passed { "ok" } else { "FAILED" })
    }
}
