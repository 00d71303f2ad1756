//! What normalizations have in common: one definition of each option.

use std::hash::Hash;

use crate::{
    error::{Error, Result},
    tensor::DType,
    types::Activation,
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
    /// Whether the statistics are saved for the backward pass.
    pub save_for_backward: bool,
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
    pub(crate) const fn new(eps: f32, weight: bool, bias: bool) -> Self {
        Self {
            eps,
            weight,
            zero_centered: false,
            bias,
            per_sample: false,
            save_stats: false,
            save_for_backward: false,
            residual: false,
            residual_output: false,
            activation: Activation::None,
            in_place: false,
            types: Types::all(DType::F32),
        }
    }

    /// All of them, with numbers by their bits.
    fn bits(&self) -> impl Eq + Hash + use<> {
        let Self { eps, weight, zero_centered, bias, per_sample, save_stats, save_for_backward, .. } = *self;
        let Self { residual, residual_output, activation, in_place, types, .. } = *self;
        let kept = [save_stats, save_for_backward];
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
    pub(crate) fn validate(&self, batch: bool) -> Result<()> {
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
        if !batch && self.save_for_backward {
            return refuse("save_for_backward", "true".into(), "false: batch norm alone saves them");
        }
        if self.residual_output && !self.residual {
            return refuse("residual_output", "true".into(), "false where there is no residual");
        }
        let types = [
            ("input_dtype", self.types.input()),
            ("output_dtype", self.types.output()),
            ("residual_dtype", self.types.residual()),
            ("residual_output_dtype", self.types.residual_output()),
            ("affine_dtype", self.types.affine()),
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

equal_by_bits!(Options);
pub(crate) use equal_by_bits;

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
    pub affine: Option<DType>,
}

impl Types {
    /// One type for all.
    #[must_use]
    pub const fn all(dtype: DType) -> Self {
        Self { all: dtype, input: None, output: None, residual: None, residual_output: None, affine: None }
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
    pub fn affine(self) -> DType {
        self.affine.unwrap_or(self.all)
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
