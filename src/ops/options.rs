//! What normalizations have in common: one definition of each option.

use std::hash::Hash;

use crate::{
    error::{Error, Result},
    tensor::DType,
};

/// The options of a normalization. Each op has setters for those that it takes. Equal if they are to the bit, so that plans can be kept in a map.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Added inside the root; see the op. Any finite value that is not negative.
    pub eps: f32,
    /// Whether there is a weight.
    pub weight: bool,
    /// Whether the gain is `1 + weight`.
    pub zero_centered: bool,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether weight and bias are given for each index of the first axis.
    pub per_sample: bool,
    /// Whether the statistics are written.
    pub save_stats: bool,
    /// Whether the statistics are kept for the backward pass.
    pub keep_statistics: bool,
    /// Whether a residual is added.
    pub residual: bool,
    /// Whether the sum of input and residual is written.
    pub residual_output: bool,
    /// What is applied to the normalized tensor.
    pub activation: Activation,
    /// Whether the result is written over the input.
    pub in_place: bool,
    /// How tensors are stored.
    pub types: Types,
}

impl Options {
    pub(super) const fn new(eps: f32, weight: bool, bias: bool) -> Self {
        Self {
            eps,
            weight,
            zero_centered: false,
            bias,
            per_sample: false,
            save_stats: false,
            keep_statistics: false,
            residual: false,
            residual_output: false,
            activation: Activation::None,
            in_place: false,
            types: Types::all(DType::F32),
        }
    }

    /// All of them, with numbers by their bits.
    fn bits(&self) -> impl Eq + Hash + use<> {
        let Self { eps, weight, zero_centered, bias, per_sample, save_stats, keep_statistics, .. } = *self;
        let Self { residual, residual_output, activation, in_place, types, .. } = *self;
        let kept = [save_stats, keep_statistics];
        (
            eps.to_bits(),
            [weight, zero_centered, bias, per_sample],
            kept,
            [residual, residual_output, in_place],
            activation,
            types,
        )
    }

    /// What is added to the weight.
    pub(crate) fn weight_offset(&self) -> f32 {
        if self.zero_centered { 1.0 } else { 0.0 }
    }

    /// Checks the options. `batch`: of batch norm, which has some that others do not have, and lacks some that they have.
    pub(super) fn validate(&self, batch: bool) -> Result<()> {
        let refuse = |argument, value: String, expected: &str| {
            Err(Error::InvalidArgument { argument, value, expected: expected.into() })
        };
        if !self.eps.is_finite() || self.eps < 0.0 {
            return refuse("eps", self.eps.to_string(), "a finite number that is not negative");
        }
        if self.zero_centered && !self.weight {
            return refuse("zero_centered", "true".into(), "false where there is no weight");
        }
        if self.per_sample && !self.weight && !self.bias {
            return refuse("per_sample", "true".into(), "false where there is neither weight nor bias");
        }
        if batch && (self.per_sample || self.residual_output) {
            let argument = if self.per_sample { "per_sample" } else { "residual_output" };
            return refuse(argument, "true".into(), "false in batch norm");
        }
        if !batch && self.keep_statistics {
            return refuse("keep_statistics", "true".into(), "false: batch norm alone keeps them");
        }
        if self.residual_output && !self.residual {
            return refuse("residual_output", "true".into(), "false where there is no residual");
        }
        let types = [
            ("input_dtype", self.types.input()),
            ("output_dtype", self.types.output()),
            ("residual_dtype", self.types.residual()),
            ("residual_output_dtype", self.types.residual_output()),
            ("param_dtype", self.types.params()),
        ];
        if let Some((argument, dtype)) = types.into_iter().find(|(_, dtype)| !DType::FLOATS.contains(dtype)) {
            return refuse(argument, dtype.to_string(), "f32, f16 or bf16");
        }
        if self.in_place && self.types.input() != self.types.output() {
            return refuse("in_place", "true".into(), "false where input and output are of different types");
        }
        Ok(())
    }
}

/// Makes what has a method `bits` equal, and a key, by what that gives: f32 itself is neither.
macro_rules! equal_by_bits {
    ($($ty:ty),*) => { $(
        impl PartialEq for $ty {
            fn eq(&self, other: &Self) -> bool {
                self.bits() == other.bits()
            }
        }

        impl Eq for $ty {}

        impl std::hash::Hash for $ty {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.bits().hash(state);
            }
        }
    )* };
}

equal_by_bits!(Options, super::RunningStats, super::LocalResponseNorm);

/// How the tensors of an op are stored: all alike, but those of which something else was said. A gradient is stored as what it is the
/// gradient of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Types {
    /// Of all tensors.
    pub all: DType,
    /// Of the input, if another.
    pub input: Option<DType>,
    /// Of the output, if another.
    pub output: Option<DType>,
    /// Of the residual, if another.
    pub residual: Option<DType>,
    /// Of the sum of input and residual, if another.
    pub residual_output: Option<DType>,
    /// Of weight and bias, if another.
    pub params: Option<DType>,
}

impl Types {
    /// One type for all.
    #[must_use]
    pub const fn all(dtype: DType) -> Self {
        Self { all: dtype, input: None, output: None, residual: None, residual_output: None, params: None }
    }

    /// That of the input.
    #[must_use]
    pub fn input(self) -> DType {
        self.input.unwrap_or(self.all)
    }

    /// That of the output.
    #[must_use]
    pub fn output(self) -> DType {
        self.output.unwrap_or(self.all)
    }

    /// That of the residual.
    #[must_use]
    pub fn residual(self) -> DType {
        self.residual.unwrap_or(self.all)
    }

    /// That of the sum of input and residual.
    #[must_use]
    pub fn residual_output(self) -> DType {
        self.residual_output.unwrap_or(self.all)
    }

    /// That of weight and bias.
    #[must_use]
    pub fn params(self) -> DType {
        self.params.unwrap_or(self.all)
    }
}

/// A function of each element of the normalized tensor, after weight, bias and batch norm's residual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// `u`
    #[default]
    None,
    /// `max(u, 0)`; its derivative at 0 is 0, as in PyTorch.
    Relu,
    /// `u * Phi(u)` with the normal distribution function: PyTorch's `gelu`.
    Gelu,
    /// `u / 2 * (1 + tanh(sqrt(2 / pi) * (u + 0.044715 u^3)))`: PyTorch's `gelu(approximate='tanh')`.
    GeluTanh,
    /// `u * sigmoid(u)`, also called swish.
    Silu,
    /// `1 / (1 + exp(-u))`
    Sigmoid,
    /// `tanh(u)`
    Tanh,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Relu, Self::Gelu, Self::GeluTanh, Self::Silu, Self::Sigmoid, Self::Tanh];

    /// The name, as in PyTorch; `gelu_tanh` for gelu's approximation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
        }
    }
}

/// Where the channels of a tensor are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `[N, C, ..]`: NCHW.
    #[default]
    ChannelsFirst,
    /// `[N, .., C]`: NHWC.
    ChannelsLast,
}

/// The setters of an op's options, each written once: `setters!(LayerNorm: eps weight bias);`.
macro_rules! setters {
    ($op:ident: $($setter:ident)*) => {
        impl $op {
            $(setters!(@ $setter);)*

            /// The op's backward pass, with every gradient that there is.
            #[must_use]
            pub fn backward(&self) -> crate::ops::Backward<Self> {
                crate::ops::Backward::new(self.clone())
            }
        }
    };
    (@ eps) => {
        /// Sets what is added inside the root: any finite value that is not negative.
        #[must_use]
        pub fn eps(mut self, eps: f32) -> Self {
            self.options.eps = eps;
            self
        }
    };
    (@ weight) => {
        /// Sets whether there is a weight.
        #[must_use]
        pub fn weight(mut self, weight: bool) -> Self {
            self.options.weight = weight;
            self
        }
    };
    (@ zero_centered) => {
        /// Sets whether the gain is `1 + weight`, as some models store it; false by default.
        #[must_use]
        pub fn zero_centered(mut self, zero_centered: bool) -> Self {
            self.options.zero_centered = zero_centered;
            self
        }
    };
    (@ bias) => {
        /// Sets whether there is a bias.
        #[must_use]
        pub fn bias(mut self, bias: bool) -> Self {
            self.options.bias = bias;
            self
        }
    };
    (@ per_sample) => {
        /// Sets whether weight and bias are given for each index of the first axis, as scale and shift of an adaptive norm are;
        /// false by default. With [`zero_centered`](Self::zero_centered), the gain is `1 + scale`.
        #[must_use]
        pub fn per_sample(mut self, per_sample: bool) -> Self {
            self.options.per_sample = per_sample;
            self
        }
    };
    (@ save_stats) => {
        /// Sets whether the statistics are written; false by default. The backward pass does not need them.
        #[must_use]
        pub fn save_stats(mut self, save_stats: bool) -> Self {
            self.options.save_stats = save_stats;
            self
        }
    };
    (@ keep_statistics) => {
        /// Sets whether the forward pass writes `statistics` and the backward pass reads them, which saves it one read of the
        /// input; false by default. They are `[3, C]`: the mean, what an f32 can't hold of it, and rstd.
        #[must_use]
        pub fn keep_statistics(mut self, keep_statistics: bool) -> Self {
            self.options.keep_statistics = keep_statistics;
            self
        }
    };
    (@ residual) => {
        /// Sets whether `residual` is added to the input before it is normalized; false by default. The sum is f32.
        #[must_use]
        pub fn residual(mut self, residual: bool) -> Self {
            self.options.residual = residual;
            self
        }

        /// Sets the storage type of the residual.
        #[must_use]
        pub fn residual_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual = Some(dtype);
            self
        }

        /// Sets whether the sum of input and residual is written to `residual_output`; false by default.
        #[must_use]
        pub fn residual_output(mut self, residual_output: bool) -> Self {
            self.options.residual_output = residual_output;
            self
        }

        /// Sets the storage type of the sum.
        #[must_use]
        pub fn residual_output_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual_output = Some(dtype);
            self
        }
    };
    (@ residual_after) => {
        /// Sets whether `residual` is added to the normalized tensor, before the activation; false by default.
        #[must_use]
        pub fn residual(mut self, residual: bool) -> Self {
            self.options.residual = residual;
            self
        }

        /// Sets the storage type of the residual.
        #[must_use]
        pub fn residual_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual = Some(dtype);
            self
        }
    };
    (@ activation) => {
        /// Sets what is applied to the normalized tensor; nothing by default.
        #[must_use]
        pub fn activation(mut self, activation: $crate::Activation) -> Self {
            self.options.activation = activation;
            self
        }
    };
    (@ in_place) => {
        /// Sets whether the result is written over `input`; there is no `output` then. False by default.
        #[must_use]
        pub fn in_place(mut self, in_place: bool) -> Self {
            self.options.in_place = in_place;
            self
        }
    };
    (@ dtype) => {
        /// Sets the storage type of all tensors but the statistics, which are f32, and those of which another was or will be said; f32 by
        /// default.
        #[must_use]
        pub fn dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.all = dtype;
            self
        }

        /// Sets the storage type of the input.
        #[must_use]
        pub fn input_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.input = Some(dtype);
            self
        }

        /// Sets the storage type of the output.
        #[must_use]
        pub fn output_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.output = Some(dtype);
            self
        }
    };
    (@ param_dtype) => {
        /// Sets the storage type of weight and bias.
        #[must_use]
        pub fn param_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.params = Some(dtype);
            self
        }
    };
    (@ layout) => {
        /// Sets where the channels of the shape are; second by default.
        #[must_use]
        pub fn layout(mut self, layout: $crate::Layout) -> Self {
            self.layout = layout;
            self
        }
    };
    (@ input_row_stride) => {
        /// Sets the number of elements from the begin of one row of the input to the next, where the input is a part of a wider tensor or
        /// padded; the row's length by default.
        #[must_use]
        pub fn input_row_stride(mut self, stride: usize) -> Self {
            self.input_row_stride = Some(stride);
            self
        }
    };
}
pub(super) use setters;
