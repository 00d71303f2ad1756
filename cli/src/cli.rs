//! The command line.

use std::{env, error::Error, ffi::OsString, ops::Range, path::PathBuf};

use clap::{
    Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};
use wgpu_norm::{Activation, DType, Layout, Options, Order, RunningStats, Slot, Window};

use crate::{
    bench, conformance,
    failure::Failure,
    files::{Format, Inputs, is_standard},
    report,
};

/// What the help says of files.
const FILES: &str = "\
Each command has options of its own: `wgpu-norm batch-norm --help`. Words may be in any case of letters.

Files:
  .safetensors   all tensors by their names: `input`, `weight`, .. Floats are F32, F16 or BF16, running statistics F32.
  .npy           one tensor of f32. Weight and bias come from --weight and --bias.
  -              standard input or output. The first bytes tell the format of standard input; standard output has the
                 format of the input, and the lines about the result go to standard error.
  An output that exists keeps its owner and permissions, and a link is followed. The extension may be in any case.

Result:
  One line names the op, its shape, the adapter and the time. It says which tensors the op could have used and did not
  find, such as `layer_norm [3, 4] without weight, bias`, and which tensors of the file the op does not use.

Examples:
  wgpu-norm layer-norm --input x.safetensors --output y.safetensors --check
  wgpu-norm batch-norm --training --input x.npy --output y.npy
  wgpu-norm group-norm --groups 8 --layout nhwc --input x.npy --output y.npy
  wgpu-norm l2-norm --axis 1 --input x.npy --output y.npy
  wgpu-norm local-response-norm --size 5 --input x.npy --output y.npy
  wgpu-norm rms-norm --residual --dtype bf16 --input x.safetensors --output y.safetensors
  wgpu-norm layer-norm --activation gelu --backward --input x.safetensors --output g.safetensors
  wgpu-norm rms-norm --input - --output - < x.npy > y.npy
  wgpu-norm report report.txt

Exit codes:
  0 if all is right, 1 if a check or the work itself fails, 2 if the command line or a file is wrong, or there is no
  adapter.";

/// Normalizes the tensors of a file on the GPU. Says what an adapter can do, whether it computes right, and how fast.
#[derive(Debug, Parser)]
#[command(name = "wgpu-norm", version, args_conflicts_with_subcommands = true, after_help = FILES)]
pub struct Cli {
    /// Print the adapters of this machine, one a line.
    #[arg(long, conflicts_with_all = ["report", "adapter"])]
    pub list_adapters: bool,
    /// Print what the adapter can do, and the methods that follow.
    #[arg(long)]
    pub report: bool,
    /// Take the first adapter whose name contains this, in any case of letters.
    #[arg(long, global = true, value_name = "NAME-PART")]
    pub adapter: Option<String>,
    #[command(subcommand)]
    pub task: Option<Task>,
    /// The command's options as they were typed.
    #[arg(skip)]
    typed: ArgMatches,
}

#[derive(Debug, Subcommand)]
pub enum Task {
    #[command(flatten)]
    Op(Op),
    /// Print what each adapter of this machine can do, and the methods that follow.
    Adapters,
    /// Compute each op in both directions on the adapter, and compare with f64.
    Conformance(conformance::Args),
    /// Measure the speed of each op in % of copy bandwidth (higher is better), and the time that the host takes.
    Bench(bench::Args),
    /// Write down what the adapters are, whether the one that is taken computes right, and how fast.
    Report(report::Args),
}

#[derive(Debug, Subcommand)]
#[expect(clippy::enum_variant_names, reason = "the commands are the names of the ops")]
pub enum Op {
    /// Layer normalization over adjacent axes.
    LayerNorm(RowArgs),
    /// Root-mean-square normalization over adjacent axes; there is no bias.
    RmsNorm(RowArgs),
    /// Group normalization: groups of channels of each sample.
    GroupNorm(GroupArgs),
    /// Instance normalization: each channel of each sample.
    InstanceNorm(InstanceArgs),
    /// Batch normalization: each channel.
    BatchNorm(BatchNormArgs),
    /// Division by the L2 or the L1 norm over adjacent axes.
    #[command(name = "l2-norm")]
    L2Norm(L2Args),
    /// Local response normalization: windows of neighbouring channels.
    LocalResponseNorm(WindowArgs),
}

impl Op {
    /// What all ops have, and what those with a weight have.
    fn parts(&self) -> (&Common, Option<&Affine>) {
        match self {
            Self::LayerNorm(RowArgs { affine, .. })
            | Self::RmsNorm(RowArgs { affine, .. })
            | Self::GroupNorm(GroupArgs { affine, .. })
            | Self::InstanceNorm(InstanceArgs { affine, .. })
            | Self::BatchNorm(BatchNormArgs { affine, .. }) => (&affine.common, Some(affine)),
            Self::L2Norm(args) => (&args.common, None),
            Self::LocalResponseNorm(args) => (&args.common, None),
        }
    }
}

#[derive(Debug, Args)]
pub struct RowArgs {
    #[command(flatten)]
    pub affine: Affine,
    #[command(flatten)]
    pub axes: AxisArgs,
    /// The sizes of the last axes, instead of --axis.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',', allow_hyphen_values = true, conflicts_with = "axis")]
    pub normalized_shape: Option<Vec<String>>,
    #[command(flatten)]
    pub samples: SampleArgs,
}

#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    pub affine: Affine,
    #[command(flatten)]
    pub channels: ChannelArgs,
    #[command(flatten)]
    pub samples: SampleArgs,
    /// Into how many groups the channels are divided.
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    groups: String,
}

#[derive(Debug, Args)]
pub struct InstanceArgs {
    #[command(flatten)]
    pub affine: Affine,
    #[command(flatten)]
    pub channels: ChannelArgs,
    #[command(flatten)]
    pub samples: SampleArgs,
}

#[derive(Debug, Args)]
pub struct BatchNormArgs {
    #[command(flatten)]
    pub affine: Affine,
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// Use the statistics of the batch, and update the running ones if the file has them.
    #[arg(long)]
    pub training: bool,
    /// How much of the statistics changes with a batch; `none`, with pytorch, averages over all batches [default: 0.1
    /// for pytorch, 0.9 for onnx, 0.99 for keras]
    #[arg(long, value_name = "F|none", value_parser = momentum)]
    #[arg(allow_hyphen_values = true, conflicts_with = "backward")]
    momentum: Option<Momentum>,
    /// The convention by which running statistics are updated [default: pytorch]
    #[arg(long, conflicts_with = "backward")]
    running_stats: Option<Convention>,
}

#[derive(Debug, Args)]
pub struct L2Args {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub axes: AxisArgs,
    /// The norm: the root of the sum of squares, or the sum of magnitudes.
    #[arg(long, default_value = "l2")]
    pub order: NormOrder,
    /// What a smaller norm is replaced by [default: 1e-12]
    #[arg(long, value_name = "F", value_parser = finite, allow_hyphen_values = true)]
    pub eps: Option<f32>,
}

#[derive(Debug, Args)]
pub struct WindowArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// Channels of the window.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    size: String,
    /// Where the window of an even size has one channel more: before the element, or after it.
    #[arg(long, default_value = "pytorch")]
    pub window: WindowSide,
    /// What the mean square of the window is multiplied by [default: 1e-4]
    #[arg(long, value_name = "F", value_parser = finite, allow_hyphen_values = true)]
    pub alpha: Option<f32>,
    /// The exponent of the divisor, above zero [default: 0.75]
    #[arg(long, value_name = "F", value_parser = finite, allow_hyphen_values = true)]
    pub beta: Option<f32>,
    /// What is added to the mean square [default: 1]
    #[arg(long, value_name = "F", value_parser = finite, allow_hyphen_values = true)]
    pub k: Option<f32>,
}

#[derive(Debug, Args)]
pub struct AxisArgs {
    /// The axes that are normalized over, next to each other; negative ones count from the end [default: -1, the last
    /// one]
    #[arg(long, value_name = "A,B,..", value_delimiter = ',', allow_hyphen_values = true)]
    pub axis: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub struct ChannelArgs {
    /// Where the channels are: second (nchw) or last (nhwc), whatever the number of axes.
    #[arg(long, default_value = "nchw")]
    pub layout: ChannelLayout,
}

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Weight and bias have a first axis more, as long as the input's: each sample has its own.
    #[arg(long)]
    pub per_sample: bool,
}

/// What the ops with a weight have in common.
#[derive(Debug, Args)]
pub struct Affine {
    #[command(flatten)]
    pub common: Common,
    /// The weight beside a .npy input.
    #[arg(long, value_name = "W.npy")]
    pub weight: Option<PathBuf>,
    /// The bias beside a .npy input.
    #[arg(long, value_name = "B.npy")]
    pub bias: Option<PathBuf>,
    /// The gain is 1 + weight, as some models store it.
    #[arg(long)]
    pub zero_centered: bool,
    /// Add `residual`: to the input, and write the sum as `residual_output` too; in batch norm, to what was normalized.
    #[arg(long)]
    pub residual: bool,
    /// Added to the variance, inside the root [default: 1e-5, in RMS norm 2^-23]
    #[arg(long, value_name = "F", value_parser = finite, allow_hyphen_values = true)]
    pub eps: Option<f32>,
}

#[derive(Debug, Args)]
pub struct Common {
    /// A .safetensors file with `input` and, as the op wants them, `weight`, `bias`, `running_mean`, `running_var`,
    /// `running_low`, `num_batches_tracked`, `residual`, `grad_output`; or a .npy file with the input alone. Floats of
    /// a .safetensors are F32, F16 or BF16, running statistics F32; a .npy is f32. `-` is either on standard input.
    #[arg(long, value_name = "IN")]
    pub input: PathBuf,
    /// Where `output` goes, and with .safetensors all else that was computed. May be IN, and a link. An output that
    /// exists keeps its owner and permissions. `-` is standard output, in the format of the input.
    #[arg(long, value_name = "OUT")]
    pub output: PathBuf,
    /// What is applied to each element at the end [default: nothing]
    #[arg(long, value_name = "NAME", value_parser = activation_parser())]
    pub activation: Option<Activation>,
    /// How the output is stored; .npy files have f32 only [default: as the input]
    #[arg(long, conflicts_with = "backward")]
    pub dtype: Option<Float>,
    /// Compute not `output` but, from `grad_output`, the gradients: `grad_input`, `grad_weight`, `grad_bias` and, of a
    /// residual in batch norm with an activation, `grad_residual`. Each is stored as what it is the gradient of.
    #[arg(long)]
    pub backward: bool,
    /// Where to compute: on the GPU, or in f64 on the CPU.
    #[arg(long, default_value = "gpu")]
    pub device: Device,
    /// Compare the result with the f64 reference; nothing is written if it is off.
    #[arg(long)]
    pub check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NormOrder {
    L2,
    L1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WindowSide {
    Pytorch,
    Onnx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChannelLayout {
    Nchw,
    Nhwc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Float {
    F32,
    F16,
    Bf16,
}

/// The library's names; none is said by leaving the option out.
fn activation_parser() -> impl TypedValueParser<Value = Activation> {
    let all = || Activation::ALL.into_iter().filter(|&activation| activation != Activation::None);
    PossibleValuesParser::new(all().map(Activation::name))
        .map(move |name| all().find(|activation| name.eq_ignore_ascii_case(activation.name())).unwrap_or_default())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    Gpu,
    Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Convention {
    Pytorch,
    Onnx,
    Keras,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Momentum {
    Fixed(f32),
    None,
}

fn momentum(text: &str) -> Result<Momentum, String> {
    match finite(text) {
        _ if text.eq_ignore_ascii_case("none") => Ok(Momentum::None),
        Ok(momentum) => Ok(Momentum::Fixed(momentum)),
        Err(expected) => Err(format!("{expected}; or none")),
    }
}

/// A number that reaches the shaders as it was typed: devices may take the subnormal ones for 0.
fn finite(text: &str) -> Result<f32, &'static str> {
    let mut digits = text.bytes().take_while(|byte| !b"eE".contains(byte)).filter(u8::is_ascii_digit).peekable();
    match text.parse::<f32>() {
        Ok(number) if number.is_normal() => Ok(number),
        Ok(number) if digits.peek().is_some() && digits.all(|digit| digit == b'0') => Ok(number),
        Ok(_) if text.contains(|c: char| c.is_ascii_digit()) => {
            Err("expected 0 or a number that f32 holds, of a magnitude from 1.2e-38 to 3.4e38")
        }
        _ => Err("expected a finite number"),
    }
}

/// What clap refused, in a line.
fn refusal(e: &clap::Error) -> Failure {
    let word = |kind| match e.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        // The most similar one is the last.
        Some(ContextValue::Strings(words)) => words.last().map(String::as_str),
        _ => None,
    };
    // One of the parsers above refused it.
    if let (Some(option), Some(value), Some(expected)) =
        (word(ContextKind::InvalidArg), word(ContextKind::InvalidValue), e.source())
    {
        return Failure::usage(format!("{}: {value}, {expected}", option.split(' ').next().unwrap_or_default()));
    }
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let text = e.to_string();
    let problem = text.split("\n\n").next().unwrap_or_default();
    let hint = similar.into_iter().find_map(word).map_or(String::new(), |word| format!(", did you mean {word}?"));
    Failure::usage(format!("{}{hint} (see --help)", problem.trim_start_matches("error: ")))
}

/// The arguments and what they may be: words in any case of letters, and so is the first argument, a command.
fn command_line() -> (Command, Vec<OsString>) {
    let any_case = |arg: Arg| {
        let takes_value = arg.get_action().takes_values();
        arg.ignore_case(takes_value)
    };
    let command = Cli::command().mut_subcommands(|command| command.mut_args(any_case));
    let mut arguments: Vec<_> = env::args_os().collect();
    if let Some(first) = arguments.get_mut(1) {
        if let Some(found) = command.get_subcommands().find(|found| first.eq_ignore_ascii_case(found.get_name())) {
            *first = found.get_name().into();
        }
    }
    (command, arguments)
}

impl Cli {
    /// Reads the command line; prints help and version itself.
    pub fn read() -> Result<Self, Failure> {
        let (command, arguments) = command_line();
        let parsed = command.try_get_matches_from(arguments).and_then(|matches| {
            let typed = matches.subcommand().map(|(_, options)| options.clone()).unwrap_or_default();
            Ok(Self { typed, ..Self::from_arg_matches(&matches)? })
        });
        let cli = parsed.map_err(|e| match e.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => e.exit(),
            _ => refusal(&e),
        })?;
        match &cli.task {
            Some(Task::Op(op)) => {
                let (common, affine) = op.parts();
                if !is_standard(&common.output) {
                    Format::of("--output", &common.output)?;
                }
                if !is_standard(&common.input) {
                    let format = Format::of("--input", &common.input)?;
                    affine.map_or(Ok(()), |affine| affine.check(format))?;
                }
                if matches!(op, Op::RmsNorm(args) if args.affine.bias.is_some()) {
                    return Err(Failure::usage("--bias: RMS norm has none"));
                }
                if matches!(op, Op::LocalResponseNorm(_)) && common.activation.is_some() {
                    return Err(Failure::usage("--activation: local response norm has none"));
                }
                if cli.adapter.is_some() && common.device == Device::Reference {
                    return Err(Failure::usage("--adapter: only with --device gpu"));
                }
            }
            Some(_) => {}
            None if cli.list_adapters || cli.report => {}
            None => return Err(Failure::usage("expected a command, such as layer-norm (see --help)")),
        }
        Ok(cli)
    }

    /// What was typed for an option of the op, by its name in the library.
    pub fn typed(&self, argument: &str) -> Option<String> {
        let mut values = self.typed.try_get_raw(argument).ok()??;
        let given = self.typed.value_source(argument) == Some(ValueSource::CommandLine);
        values.next().filter(|_| given).map(|value| value.to_string_lossy().into_owned())
    }
}

impl Common {
    /// How the input is stored, and the output.
    pub fn types(&self, inputs: &Inputs) -> (DType, DType) {
        let input = inputs.dtype(&[Slot::Input]);
        // The gradient that the op reads is stored as its output was.
        let output =
            if self.backward { inputs.dtype(&[Slot::GradOutput]) } else { self.dtype.map_or(input, DType::from) };
        (input, output)
    }

    /// Sets what the command line and the file say of every op.
    pub fn set(&self, options: &mut Options, inputs: &Inputs) {
        options.activation = self.activation.unwrap_or_default();
        let (input, output) = self.types(inputs);
        (options.types.input, options.types.output) = (Some(input), Some(output));
    }
}

impl Affine {
    /// Refuses tensors beside an input of a format that has its own.
    pub fn check(&self, input: Format) -> Result<(), Failure> {
        for (option, path) in [("--weight", &self.weight), ("--bias", &self.bias)] {
            let Some(path) = path else { continue };
            if input != Format::Npy {
                return Err(Failure::usage(format!("{option}: only beside a .npy input, a .safetensors has its own")));
            }
            if Format::of(option, path)? != Format::Npy {
                return Err(Failure::usage(format!("{option}: {}, expected a .npy file", path.display())));
            }
        }
        Ok(())
    }

    /// Sets what the command line and the file say of an op with a weight.
    pub fn set(&self, options: &mut Options, inputs: &Inputs) {
        self.common.set(options, inputs);
        options.eps = self.eps.unwrap_or(options.eps);
        options.weight = inputs.has(Slot::Weight);
        options.bias = inputs.has(Slot::Bias);
        options.zero_centered = self.zero_centered;
        options.residual = self.residual;
        options.types.affine = Some(inputs.dtype(&[Slot::Weight, Slot::Bias]));
        options.types.residual = Some(inputs.dtype(&[Slot::Residual]));
        // The sum is the next layer's residual.
        options.types.residual_output = options.types.residual;
    }
}

impl AxisArgs {
    /// The axes that are normalized over.
    pub fn range(&self, inputs: &Inputs) -> Result<Range<usize>, Failure> {
        let shape = inputs.shape();
        let rank = shape.len();
        if rank == 0 {
            return Err(inputs.wrong(Slot::Input, "shape [], expected one axis or more"));
        }
        let Some(given) = &self.axis else { return Ok(rank - 1..rank) };
        let refuse = |expected: &str| Failure::usage(format!("--axis: [{}], expected {expected}", given.join(", ")));
        let from_start = |axis: &String| {
            let axis: isize = axis.parse().ok()?;
            let distance = axis.unsigned_abs();
            let axis = if axis < 0 { rank.checked_sub(distance) } else { Some(distance) };
            axis.filter(|&axis| axis < rank)
        };
        let axes: Option<Vec<usize>> = given.iter().map(from_start).collect();
        let mut axes = axes.ok_or_else(|| refuse(&format!("axes of {shape:?}: -{rank} to {}", rank - 1)))?;
        axes.sort_unstable();
        let steps = || axes.windows(2).map(|pair| pair[1] - pair[0]);
        match (axes.first(), axes.last()) {
            _ if steps().any(|step| step == 0) => Err(refuse("each axis once")),
            (Some(first), Some(last)) if steps().all(|step| step == 1) => Ok(*first..last + 1),
            _ => Err(refuse("axes next to each other")),
        }
    }
}

impl RowArgs {
    /// The axes that are normalized over, in either way to say them.
    pub fn range(&self, inputs: &Inputs) -> Result<Range<usize>, Failure> {
        let (shape, Some(normalized)) = (inputs.shape(), &self.normalized_shape) else {
            return self.axes.range(inputs);
        };
        let axes = shape.len().saturating_sub(normalized.len())..shape.len();
        let sizes = normalized.iter().map(|n| n.parse::<usize>().ok());
        if !sizes.eq(shape[axes.clone()].iter().copied().map(Some)) {
            let given = normalized.join(", ");
            return Err(Failure::usage(format!(
                "--normalized-shape: [{given}], expected the trailing axes of {shape:?}"
            )));
        }
        Ok(axes)
    }
}

/// What is no count is 0, which the library refuses with what it may be.
fn count(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

impl GroupArgs {
    pub fn groups(&self) -> usize {
        count(&self.groups)
    }
}

impl WindowArgs {
    pub fn size(&self) -> usize {
        count(&self.size)
    }
}

impl From<ChannelLayout> for Layout {
    fn from(layout: ChannelLayout) -> Self {
        match layout {
            ChannelLayout::Nchw => Self::ChannelsFirst,
            ChannelLayout::Nhwc => Self::ChannelsLast,
        }
    }
}

impl From<WindowSide> for Window {
    fn from(side: WindowSide) -> Self {
        match side {
            WindowSide::Pytorch => Self::PyTorch,
            WindowSide::Onnx => Self::Onnx,
        }
    }
}

impl From<NormOrder> for Order {
    fn from(order: NormOrder) -> Self {
        match order {
            NormOrder::L2 => Self::L2,
            NormOrder::L1 => Self::L1,
        }
    }
}

impl From<Float> for DType {
    fn from(float: Float) -> Self {
        match float {
            Float::F32 => Self::F32,
            Float::F16 => Self::F16,
            Float::Bf16 => Self::BF16,
        }
    }
}

impl BatchNormArgs {
    /// The convention and momentum of training.
    pub fn convention(&self) -> Result<RunningStats, Failure> {
        for (option, given) in
            [("--momentum", self.momentum.is_some()), ("--running-stats", self.running_stats.is_some())]
        {
            if given && !self.training {
                return Err(Failure::usage(format!("{option}: only with --training")));
            }
        }
        let fixed = match self.momentum {
            Some(Momentum::Fixed(momentum)) => Some(momentum),
            _ => None,
        };
        let cumulative = self.momentum == Some(Momentum::None);
        match self.running_stats.unwrap_or(Convention::Pytorch) {
            Convention::Pytorch if cumulative => Ok(RunningStats::CUMULATIVE),
            _ if cumulative => Err(Failure::usage("--momentum: none, expected a number; only pytorch has none")),
            Convention::Pytorch => {
                Ok(fixed.map_or(RunningStats::PYTORCH, |m| RunningStats::PyTorch { momentum: Some(m) }))
            }
            Convention::Onnx => Ok(fixed.map_or(RunningStats::ONNX, |momentum| RunningStats::Onnx { momentum })),
            Convention::Keras => Ok(fixed.map_or(RunningStats::KERAS, |momentum| RunningStats::Keras { momentum })),
        }
    }
}
