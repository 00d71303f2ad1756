//! From tensors to tensors: compute, check, write, tell.

use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressFinish};
use wgpu_norm::{Access, DType, Error, Norm, Outputs, Slot, Strategy, TensorSpec, host::Gpu, testing};

use crate::{
    cli::{Cli, Common, Device},
    failure::Failure,
    files::{self, Count, Format, Inputs, Named, Values, is_standard, list, output_name},
};

/// What every op is asked for in the same way.
pub struct Job<'a> {
    common: &'a Common,
    cli: &'a Cli,
    progress: ProgressBar,
}

impl<'a> Job<'a> {
    pub fn new(common: &'a Common, cli: &'a Cli) -> Result<Self, Failure> {
        files::check_output(&common.output)?;
        let progress = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
        progress.enable_steady_tick(Duration::from_millis(100));
        Ok(Self { common, cli, progress })
    }

    /// How the output is written: as its extension says, and to standard output as the input is.
    fn format(&self, inputs: &Inputs) -> Format {
        Format::of("--output", &self.common.output).unwrap_or(inputs.format())
    }

    /// Whether there is a place for more than one tensor.
    pub fn writes_all(&self, inputs: &Inputs) -> bool {
        self.format(inputs) == Format::Safetensors
    }

    /// Prints a line: beside tensors on standard output, to standard error.
    fn say(&self, line: impl fmt::Display) -> Result<(), Failure> {
        if is_standard(&self.common.output) { crate::say_aside(line) } else { crate::say(line) }
    }

    /// Reads those of the wanted tensors that are there; `input` must be, and what an option asks for.
    pub fn read(&self, beside: &[(Slot, &Path)], wanted: &[Slot]) -> Result<Inputs, Failure> {
        self.progress.set_message(format!("reading {}", self.common.input.display()));
        let inputs = Inputs::read(&self.common.input, beside, wanted)?;
        for (slot, why) in
            [(Slot::Input, ""), (Slot::Residual, ", --residual adds it"), (Slot::GradOutput, ", --backward reads it")]
        {
            if wanted.contains(&slot) && !inputs.has(slot) {
                return Err(missing(&inputs, slot, why));
            }
        }
        Ok(inputs)
    }

    /// Computes one of the two and checks it, then writes what it wrote and the count after this batch.
    pub fn run(
        &self,
        forward: &dyn Norm,
        backward: &dyn Norm,
        inputs: &Inputs,
        count: Option<&Count>,
    ) -> Result<(), Failure> {
        let tensors = |op: &dyn Norm| op.tensors().map_err(|e| self.explain(e, inputs));
        let mut specs = tensors(forward)?;
        inputs.check(&specs)?;
        let mut op = forward;
        if self.common.backward {
            // It need not read all that the op reads: what it does not was checked above.
            (op, specs) = (backward, tensors(backward)?);
            inputs.check(&specs)?;
        }
        self.check_format(&specs, inputs)?;
        let (outputs, how) = self.compute(op, inputs, &specs)?;
        let check = self.common.check.then(|| self.check(op, inputs, &specs, &outputs)).transpose()?;
        let passed = check.as_ref().is_none_or(|check| check.passed);
        if passed {
            self.write(&specs, &outputs, count, self.format(inputs))?;
        }
        self.progress.finish_and_clear();
        self.say(how)?;
        let unused = inputs.unused();
        if !unused.is_empty() {
            self.say(format!("not used: {}", list(&unused)))?;
        }
        for slot in inputs.lacks() {
            if let Some(name) = similar(slot, &unused) {
                crate::say_aside(format!("{} is not used, did you mean {slot}?", name.escape_debug()))?;
            }
        }
        if let Some(check) = &check {
            self.say(check)?;
        }
        if passed {
            return Ok(());
        }
        let name = output_name(&self.common.output);
        Err(Failure::failed(format!("--check: the result is off, {name} was not written")))
    }

    /// Refuses what a .npy file can't hold: it is one tensor of f32.
    fn check_format(&self, specs: &[TensorSpec], inputs: &Inputs) -> Result<(), Failure> {
        if self.writes_all(inputs) {
            return Ok(());
        }
        let path = output_name(&self.common.output);
        let refuse =
            |problem: &str| Err(Failure::usage(format!("--output: {path}, expected a .safetensors file: {problem}")));
        let gradients: Vec<_> = specs.iter().filter(|spec| spec.access != Access::Read).collect();
        if self.common.backward && gradients.len() > 1 {
            let names: Vec<_> = gradients.iter().map(|spec| spec.slot.name()).collect();
            return refuse(&format!("--backward writes {}", names.join(" and ")));
        }
        match specs.iter().find(|spec| is_main(spec.slot) && spec.dtype != DType::F32) {
            Some(spec) if self.common.backward => refuse(&format!("{} is stored as {}", spec.slot, spec.dtype)),
            Some(spec) => Err(Failure::usage(format!("--dtype: {}, expected f32 in a .npy file: {path}", spec.dtype))),
            None => Ok(()),
        }
    }

    /// The outputs, and how they came about in a line.
    fn compute(&self, op: &dyn Norm, inputs: &Inputs, specs: &[TensorSpec]) -> Result<(Outputs<f32>, String), Failure> {
        self.progress.set_message("computing");
        let tensors = inputs.tensors(specs);
        let (outputs, device, timing) = match self.common.device {
            Device::Gpu => {
                let gpu = Gpu::with_adapter(&crate::adapter(self.cli.adapter.as_deref())?)?;
                let run = || gpu.run_with(op, &tensors, Strategy::Inferred).map_err(|e| self.explain(e, inputs));
                // The first run pays for compilation, in this crate and in the driver; the second one is timed.
                run()?;
                let start = Instant::now();
                let run = run()?;
                let timing = match (run.method, run.gpu_time) {
                    (None, _) => "nothing to do".into(),
                    (Some(method), Some(time)) => format!("{}, {method}", Timing::new(specs, time, "on the GPU")),
                    (Some(method), None) => {
                        let timing = Timing::new(specs, start.elapsed(), "wall with copies");
                        format!("{timing}, {method}")
                    }
                };
                (run.outputs, gpu.device().adapter_info().name, timing)
            }
            Device::Reference => {
                let start = Instant::now();
                let truth = op.reference(&tensors).map_err(|e| self.explain(e, inputs))?;
                let timing = Timing::new(specs, start.elapsed(), "wall").to_string();
                (rounded(&truth, specs), "the CPU reference".to_owned(), timing)
            }
        };
        let lacks = inputs.lacks().join(", ");
        let without = if lacks.is_empty() { lacks } else { format!(" without {lacks}") };
        Ok((outputs, format!("{} {:?}{without} on {device}: {timing}", op.name(), op.shape())))
    }

    fn check(
        &self,
        op: &dyn Norm,
        inputs: &Inputs,
        specs: &[TensorSpec],
        outputs: &Outputs<f32>,
    ) -> Result<Check, Failure> {
        self.progress.set_message("checking");
        let tensors = inputs.tensors(specs);
        let truth = op.reference(&tensors).map_err(|e| self.explain(e, inputs))?;
        Ok(Check::new(specs, outputs, &truth))
    }

    fn write(
        &self,
        specs: &[TensorSpec],
        outputs: &Outputs<f32>,
        count: Option<&Count>,
        format: Format,
    ) -> Result<(), Failure> {
        self.progress.set_message(format!("writing {}", output_name(&self.common.output)));
        let written = specs.iter().filter(|spec| spec.access != Access::Read);
        let mut tensors: Vec<Named<'_>> = written
            .filter_map(|spec| {
                let values = Values::Floats(spec.dtype, outputs.get(spec.slot)?);
                Some(Named { slot: spec.slot, shape: &spec.shape, values })
            })
            .collect();
        if let Some(count) = count {
            let values = Values::I64(outputs.num_batches_tracked().unwrap_or(count.value).into());
            tensors.push(Named { slot: Slot::NumBatchesTracked, shape: &count.shape, values });
        }
        files::write(&self.common.output, format, &tensors)
    }

    /// A library error in the words of the command line.
    fn explain(&self, error: Error, inputs: &Inputs) -> Failure {
        match error {
            Error::InvalidArgument { argument: "per_sample", expected, .. } => {
                let problem = if inputs.has(Slot::Weight) || inputs.has(Slot::Bias) {
                    expected.replace("false where", "not where")
                } else if inputs.lacks().contains(&Slot::Bias.name()) {
                    format!("{} has neither weight nor bias", inputs.path().display())
                } else {
                    format!("{} has no weight", inputs.path().display())
                };
                Failure::usage(format!("--per-sample: {problem}"))
            }
            Error::InvalidArgument { argument: "zero_centered", .. } => {
                Failure::usage(format!("--zero-centered: {} has no weight", inputs.path().display()))
            }
            Error::InvalidArgument { argument: "axes", .. } => inputs
                .wrong(Slot::Input, format!("shape {:?}, expected normalized axes that are not empty", inputs.shape())),
            Error::InvalidArgument { argument: "shape", value, expected } => {
                inputs.wrong(Slot::Input, format!("shape {value}, expected {expected}"))
            }
            Error::InvalidArgument { argument, ref expected, .. } => match self.cli.typed(argument) {
                Some(value) => Failure::usage(format!("--{argument}: {value}, expected {expected}")),
                None => inputs.wrong(Slot::Input, error),
            },
            Error::Binding { slot, problem } => inputs.wrong(slot, problem),
            Error::Unsupported { .. } | Error::Limit { .. } => inputs.wrong(Slot::Input, error),
            _ => Failure::failed(error),
        }
    }
}

/// Refuses to go on without a tensor, and says which one may be misspelled.
pub fn missing(inputs: &Inputs, slot: Slot, why: &str) -> Failure {
    let meant = similar(slot.name(), &inputs.unused()).map(|name| name.escape_debug().to_string());
    inputs.missing(slot, why).hint(meant.as_deref())
}

/// The name that is nearly this one: one letter in four may differ, which tells `input` from `output`.
fn similar<'a>(wanted: &str, names: &[&'a String]) -> Option<&'a String> {
    let nearness = |name: &str| strsim::normalized_damerau_levenshtein(wanted, &name.to_lowercase());
    let nearest = names.iter().max_by(|a, b| nearness(a).total_cmp(&nearness(b)));
    nearest.filter(|name| nearness(name) >= 0.75).copied()
}

/// Whether it is what the op is for, and all that goes into a .npy file.
fn is_main(slot: Slot) -> bool {
    matches!(slot, Slot::Output | Slot::GradInput)
}

/// The reference's results, each rounded once to what it is stored as.
fn rounded(truth: &Outputs<f64>, specs: &[TensorSpec]) -> Outputs<f32> {
    let mut rounded = truth.clone();
    for spec in specs {
        if let Some(values) = truth.get(spec.slot) {
            rounded.set(spec.slot, values.iter().map(|&x| spec.dtype.round_f64(x)).collect());
        }
    }
    rounded.to_f32()
}

/// What a result has in place of numbers, where that is right.
fn not_finite(actual: &[f32]) -> impl Iterator<Item = String> {
    let count = |is: fn(f32) -> bool| actual.iter().filter(|&&x| is(x)).count();
    let counts = [(count(f32::is_nan), "NaN"), (count(f32::is_infinite), "infinite")];
    counts
        .into_iter()
        .filter(|&(n, _)| n > 0)
        .map(|(n, name)| format!("{n} of {} {name}, as in the reference", actual.len()))
}

/// A time, the bytes of reading and writing each tensor once, and the bandwidth of that in the time.
struct Timing {
    time: Duration,
    clock: &'static str,
    bytes: u64,
}

impl Timing {
    fn new(specs: &[TensorSpec], time: Duration, clock: &'static str) -> Self {
        let moved = |spec: &TensorSpec| spec.bytes() * if spec.access == Access::ReadWrite { 2 } else { 1 };
        Self { time, clock, bytes: specs.iter().map(moved).sum() }
    }
}

impl fmt::Display for Timing {
    #[allow(clippy::cast_precision_loss, reason = "for printing")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, bytes) = (self.time.as_secs_f64(), self.bytes);
        write!(f, "{:.3} ms {}, {bytes} bytes", seconds * 1e3, self.clock)?;
        if seconds > 0.0 { write!(f, ", {:.2} GB/s", bytes as f64 / seconds * 1e-9) } else { Ok(()) }
    }
}

/// The result beside the reference, a line.
struct Check {
    passed: bool,
    line: String,
}

impl Check {
    fn new(specs: &[TensorSpec], outputs: &Outputs<f32>, truth: &Outputs<f64>) -> Self {
        let mut passed = true;
        let mut parts = Vec::new();
        for &TensorSpec { slot, dtype, .. } in specs.iter().filter(|spec| spec.access != Access::Read) {
            let (actual, expected) = match (outputs.get(slot), truth.get(slot)) {
                (None, None) => continue,
                (actual, expected) => (actual.unwrap_or_default(), expected.unwrap_or_default()),
            };
            let bound = testing::slot_bound(slot, truth);
            parts.push(match testing::max_error(slot.name(), dtype, actual, expected) {
                Ok(error) => {
                    passed &= error <= bound;
                    let relative = error / testing::largest(expected).max(f64::MIN_POSITIVE);
                    let relative =
                        if is_main(slot) { format!(", {relative:.2e} of the largest") } else { String::new() };
                    let told = format!("off by {error:.2e}{relative}, bound {bound:.2e}");
                    // The error is that of the finite numbers.
                    let finite = actual.iter().any(|x| x.is_finite()).then_some(told);
                    let told: Vec<_> = finite.into_iter().chain(not_finite(actual)).collect();
                    format!("{slot} {}", if told.is_empty() { "is empty".into() } else { told.join(", ") })
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
