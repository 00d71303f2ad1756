//! The names of tensors.

use std::fmt;

macro_rules! slots {
    ($($(#[$doc:meta])* $slot:ident = $name:literal,)*) => {
        /// The name of a tensor of an op, as in PyTorch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Slot { $($(#[$doc])* $slot,)* }

        impl Slot {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$slot,)*];
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The name of the tensor, and of its variable in the shaders.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$slot => $name,)* }
            }
        }
    };
}

slots! {
    /// The tensor that the op normalizes.
    Input = "input",
    /// The weight, which scales the normalized tensor.
    Weight = "weight",
    /// The bias, added after the weight.
    Bias = "bias",
    /// The normalized tensor.
    Output = "output",
    /// The saved mean.
    Mean = "mean",
    /// The saved reciprocal standard deviation, `1 / sqrt(var + eps)`.
    Rstd = "rstd",
    /// The running mean of batch norm.
    RunningMean = "running_mean",
    /// The running variance of batch norm.
    RunningVar = "running_var",
    /// The lo parts of running mean and running variance, each of which is hi + lo.
    RunningLow = "running_low",
    /// The number of batches in the cumulative average.
    NumBatchesTracked = "num_batches_tracked",
    /// The residual: the op adds it to the input or, in batch norm and with `residual_after`, to the normalized tensor.
    Residual = "residual",
    /// The sum of input and residual, for the next layer.
    ResidualOutput = "residual_output",
    /// The gradient of the output.
    GradOutput = "grad_output",
    /// The gradient of `residual_output` from its other uses.
    GradResidualOutput = "grad_residual_output",
    /// The gradient of the input. If the op adds a residual to the input, it is the gradient of both.
    GradInput = "grad_input",
    /// The gradient of a residual after the norm.
    GradResidual = "grad_residual",
    /// The gradient of the weight.
    GradWeight = "grad_weight",
    /// The gradient of the bias.
    GradBias = "grad_bias",
    /// The moments of a part of a batch, for each channel, or of a row or its part: mean as hi and lo, sum of squared
    /// deviations, count.
    Moments = "moments",
    /// Statistics as a tensor: the mean as hi and lo, and rstd. Batch norm saves them for its backward pass.
    Statistics = "statistics",
    /// The coefficients of the gradient through the statistics: the mean of g, and the mean of g times the normalized
    /// values.
    Coefficients = "coefficients",
    /// The gate, of which a function is a factor of the input or of the normalized tensor.
    Gate = "gate",
    /// The gradient of the gate, for each element of the input.
    GradGate = "grad_gate",
    /// A bias that the op adds to the sum of input and residual, before the norm.
    InputBias = "input_bias",
    /// The weight of a second norm, of the output.
    NextWeight = "next_weight",
    /// The output of a second norm, of the output.
    NextOutput = "next_output",
    /// The output in int8, four elements a word.
    QuantizedOutput = "quantized_output",
    /// The scales of the output in int8.
    QuantizedScale = "quantized_scale",
    /// Scratch memory of the caller. No shader has a variable of this name.
    Scratch = "scratch",
    /// The first buffer that an [`Epilogue`](crate::Epilogue) reads.
    EpilogueA = "epilogue_a",
    /// The second buffer that an [`Epilogue`](crate::Epilogue) reads.
    EpilogueB = "epilogue_b",
    /// The position of each token, for a [`Rotary`](crate::Rotary) embedding.
    Positions = "positions",
    /// Cosines and sines of a [`Rotary`](crate::Rotary) embedding, for each position.
    RotaryTable = "rotary_table",
    /// The index of the input's first axis for each index of the op's, with `gather_rows`.
    InputIndex = "input_index",
    /// The index of the output's first axis for each index of the op's, with `scatter_rows`.
    OutputIndex = "output_index",
    /// The sums of a part of a batch for the gradient through merged statistics, for each channel: of g, of g times the
    /// normalized values, the number of values, and 0.
    GradSums = "grad_sums",
}

impl Slot {
    /// Whether the tensor has one element for each element of the input.
    pub(crate) const fn is_elementwise(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::Output
                | Self::Residual
                | Self::ResidualOutput
                | Self::GradOutput
                | Self::GradResidualOutput
                | Self::GradInput
                | Self::GradResidual
                | Self::Gate
                | Self::GradGate
                | Self::InputBias
                | Self::NextOutput
        )
    }

    /// Whether each kernel that writes one of these tensors binds the others `read_write` too. One buffer may then hold
    /// all.
    #[cfg(feature = "wgpu")]
    pub(crate) const fn is_never_read_back(self) -> bool {
        matches!(
            self,
            Self::Mean
                | Self::Rstd
                | Self::RunningMean
                | Self::RunningVar
                | Self::RunningLow
                | Self::GradWeight
                | Self::GradBias
        )
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
