//! burn's modules of normalizations, on the kernels of wgpu-norm.
//!
//! Each is made of burn's module, and has the same parameters under the same names: records of one load into the other.
//!
//! ```no_run
//! use burn::{nn::LayerNormConfig, tensor::Device};
//! use wgpu_norm_burn::modules::LayerNorm;
//!
//! let device = wgpu_norm_burn::init(Device::wgpu_options())?;
//! let norm: LayerNorm = LayerNormConfig::new(384).init(&device).into();
//! # Ok::<(), burn::tensor::wgpu::WgpuInitError>(())
//! ```

use burn::{
    module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param, RunningState},
    nn,
    tensor::Tensor,
};
use wgpu_norm::RunningStats;

use crate::functions;

type Parameter = Param<Tensor<1>>;

fn value(parameter: Option<&Parameter>) -> Option<Tensor<1>> {
    parameter.map(Param::val)
}

/// Layer norm over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// The weight, `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// The bias, `[C]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// Normalizes a tensor of any rank, `[.., C]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        functions::layer_norm(input, Some(self.gamma.val()), value(self.beta.as_ref()), self.epsilon)
    }

    /// Normalizes the sum of two tensors, and returns the sum too.
    #[must_use]
    pub fn forward_add<const D: usize>(&self, input: Tensor<D>, residual: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        let (gamma, beta) = (self.gamma.val(), value(self.beta.as_ref()));
        functions::add_layer_norm(input, residual, Some(gamma), beta, self.epsilon)
    }
}

impl From<nn::LayerNorm> for LayerNorm {
    fn from(module: nn::LayerNorm) -> Self {
        let epsilon = epsilon(&module);
        Self { gamma: module.gamma, beta: module.beta, epsilon }
    }
}

/// The epsilon of burn's layer norm, a private field that its display has: the shortest text that reads back as itself.
fn epsilon(module: &nn::LayerNorm) -> f64 {
    let content = module.custom_content(Content::new(DisplaySettings::new()));
    let attributes = content.map(|content| content.attributes).unwrap_or_default();
    let epsilon = attributes.iter().find(|attribute| attribute.name == "epsilon");
    epsilon
        .and_then(|attribute| attribute.value.parse().ok())
        .expect("the display of burn's layer norm has its epsilon")
}

/// RMS norm over the last axis.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// The weight, `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// Added to the mean square.
    pub epsilon: f64,
}

impl RmsNorm {
    /// Normalizes a tensor of any rank, `[.., C]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        functions::rms_norm(input, Some(self.gamma.val()), self.epsilon)
    }

    /// Normalizes the sum of two tensors, and returns the sum too.
    #[must_use]
    pub fn forward_add<const D: usize>(&self, input: Tensor<D>, residual: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        functions::add_rms_norm(input, residual, Some(self.gamma.val()), self.epsilon)
    }
}

impl From<nn::RmsNorm> for RmsNorm {
    fn from(nn::RmsNorm { gamma, epsilon }: nn::RmsNorm) -> Self {
        Self { gamma, epsilon }
    }
}

/// Group norm of `[N, C, ..]`.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// The weight, `[C]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// The bias, `[C]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// The number of groups of channels.
    pub num_groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl GroupNorm {
    /// Normalizes a tensor `[N, C, ..]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (value(self.gamma.as_ref()), value(self.beta.as_ref()));
        functions::group_norm(input, self.num_groups, gamma, beta, self.epsilon)
    }
}

impl From<nn::GroupNorm> for GroupNorm {
    fn from(nn::GroupNorm { gamma, beta, num_groups, epsilon, .. }: nn::GroupNorm) -> Self {
        Self { gamma, beta, num_groups, epsilon }
    }
}

/// Instance norm of `[N, C, ..]`.
#[derive(Module, Debug)]
pub struct InstanceNorm {
    /// The weight, `[C]`.
    pub gamma: Option<Param<Tensor<1>>>,
    /// The bias, `[C]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl InstanceNorm {
    /// Normalizes a tensor `[N, C, ..]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        functions::instance_norm(input, value(self.gamma.as_ref()), value(self.beta.as_ref()), self.epsilon)
    }
}

impl From<nn::InstanceNorm> for InstanceNorm {
    fn from(nn::InstanceNorm { gamma, beta, epsilon, .. }: nn::InstanceNorm) -> Self {
        Self { gamma, beta, epsilon }
    }
}

/// Batch norm of `[N, C, ..]`.
///
/// As burn's, it trains where the input is on an autodiff device and the module is not frozen, and its running variance
/// is that of the biased variance.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// The weight, `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// The bias, `[C]`.
    pub beta: Param<Tensor<1>>,
    /// Whether the module trains; false after `freeze`.
    pub training: Param<Flag>,
    /// The running mean, `[C]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// The running variance, `[C]`.
    pub running_var: RunningState<Tensor<1>>,
    /// The weight of the batch in the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

impl BatchNorm {
    /// Normalizes a tensor `[N, C, ..]`. In training, it updates the running statistics.
    #[must_use]
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (gamma, beta, device) = (Some(self.gamma.val()), Some(self.beta.val()), input.device());
        if !(device.is_autodiff() && self.training.is_enabled()) {
            let running = [&self.running_mean, &self.running_var].map(|state| state.value().to_device(&device));
            return functions::batch_norm(input, gamma, beta, running, self.epsilon);
        }
        let running = [&self.running_mean, &self.running_var].map(|state| state.value_sync().to_device(&device));
        #[allow(clippy::cast_possible_truncation, reason = "kernels compute in f32")]
        let convention = RunningStats::Keras { momentum: (1.0 - self.momentum) as f32 };
        let (output, [mean, var]) =
            functions::batch_norm_training(input, gamma, beta, running, convention, self.epsilon);
        self.running_mean.update(mean);
        self.running_var.update(var);
        output
    }
}

impl From<nn::BatchNorm> for BatchNorm {
    fn from(module: nn::BatchNorm) -> Self {
        let nn::BatchNorm { gamma, beta, training, running_mean, running_var, momentum, epsilon } = module;
        Self { gamma, beta, training, running_mean, running_var, momentum, epsilon }
    }
}
