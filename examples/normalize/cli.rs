//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};
use wgpu_norm::RunningStats;

use crate::{failure::Failure, files::Format};

/// Normalizes the tensors of a file on the GPU.
#[derive(Debug, Parser)]
#[command(name = "normalize", version, args_conflicts_with_subcommands = true)]
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
    pub op: Option<Op>,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::enum_variant_names, reason = "the commands are the names of the ops")]
pub enum Op {
    /// Layer normalization over the trailing axes.
    LayerNorm(RowArgs),
    /// Root-mean-square normalization over the trailing axes; there is no bias.
    RmsNorm(RowArgs),
    /// Group normalization, channels second.
    GroupNorm(GroupArgs),
    /// Instance normalization, channels second.
    InstanceNorm(Common),
    /// Batch normalization, channels second.
    BatchNorm(BatchNormArgs),
}

impl Op {
    fn common(&self) -> &Common {
        match self {
            Self::LayerNorm(args) | Self::RmsNorm(args) => &args.common,
            Self::GroupNorm(args) => &args.common,
            Self::InstanceNorm(common) => common,
            Self::BatchNorm(args) => &args.common,
        }
    }
}

#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    pub common: Common,
    /// Into how many groups the channels are divided.
    #[arg(long, value_name = "G")]
    pub groups: usize,
}

#[derive(Debug, Args)]
pub struct RowArgs {
    #[command(flatten)]
    pub common: Common,
    /// The trailing axes that are normalized over [default: the last one]
    #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
    pub normalized_shape: Option<Vec<usize>>,
}

#[derive(Debug, Args)]
pub struct BatchNormArgs {
    #[command(flatten)]
    pub common: Common,
    /// Use the statistics of the batch, and update the running ones if the file has them.
    #[arg(long)]
    pub training: bool,
    /// How much of the statistics changes with a batch; `none`, with pytorch, averages over all batches [default: 0.1 for
    /// pytorch, 0.9 for onnx, 0.99 for keras]
    #[arg(long, value_name = "F|none", value_parser = momentum, allow_hyphen_values = true)]
    momentum: Option<Momentum>,
    /// The convention by which running statistics are updated [default: pytorch]
    #[arg(long)]
    running_stats: Option<Convention>,
}

#[derive(Debug, Args)]
pub struct Common {
    /// A .safetensors file with `input` and, as the op wants them, `weight`, `bias`, `running_mean`, `running_var`,
    /// `num_batches_tracked`; or a .npy file with the input alone.
    #[arg(long, value_name = "IN")]
    pub input: PathBuf,
    /// Where `output` goes, and with .safetensors all else that was computed. May be IN.
    #[arg(long, value_name = "OUT")]
    pub output: PathBuf,
    /// The weight beside a .npy input.
    #[arg(long, value_name = "W.npy")]
    pub weight: Option<PathBuf>,
    /// The bias beside a .npy input.
    #[arg(long, value_name = "B.npy")]
    pub bias: Option<PathBuf>,
    /// The gain is 1 + weight, as some models store it.
    #[arg(long)]
    pub zero_centered: bool,
    /// Added to the variance, inside the root.
    #[arg(long, value_name = "F", default_value = "1e-5", allow_hyphen_values = true)]
    pub eps: f32,
    /// Where to compute: on the GPU, or in f64 on the CPU.
    #[arg(long, default_value = "gpu")]
    pub device: Device,
    /// Compare the result with the f64 reference; nothing is written if it is off.
    #[arg(long)]
    pub check: bool,
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

fn momentum(text: &str) -> Result<Momentum, &'static str> {
    match text.parse() {
        _ if text == "none" => Ok(Momentum::None),
        Ok(momentum) if f32::is_finite(momentum) => Ok(Momentum::Fixed(momentum)),
        _ => Err("expected a finite number or none"),
    }
}

impl Cli {
    /// Reads the command line; prints help and version itself.
    pub fn read() -> Result<Self, Failure> {
        let cli = Self::try_parse().map_err(|e| match e.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => e.exit(),
            _ => {
                let text = e.to_string();
                let problem = text.split("\n\n").next().unwrap_or_default();
                Failure::usage(format!("{} (see --help)", problem.trim_start_matches("error: ")))
            }
        })?;
        match &cli.op {
            Some(op) => {
                let common = op.common();
                common.check()?;
                if matches!(op, Op::RmsNorm(_)) && common.bias.is_some() {
                    return Err(Failure::usage("--bias: RMS norm has none"));
                }
                if cli.adapter.is_some() && common.device == Device::Reference {
                    return Err(Failure::usage("--adapter: only with --device gpu"));
                }
            }
            None if cli.list_adapters || cli.report => {}
            None => return Err(Failure::usage("expected an op, such as layer-norm (see --help)")),
        }
        Ok(cli)
    }
}

impl Common {
    fn check(&self) -> Result<(), Failure> {
        Format::of("--output", &self.output)?;
        let input = Format::of("--input", &self.input)?;
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
