//! The options that normalizations have in common, each defined once.

use std::{collections::BTreeMap, hash::Hash, ops::Range};

use crate::{
    epilogue::Epilogue,
    error::{Error, Result},
    rotary::Rotary,
    slot::Slot,
    tensor::{DType, MAX_ELEMENTS, element_count, show, span},
    types::{Activation, Gate, Quantized},
};

/// The options of a normalization. Each op has setters for its own options. Equality and hash use the bits of floats,
/// so that a map of plans can have ops as keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Added inside the root, or the lower bound of a norm. Any finite value that is not negative.
    pub eps: f32,
    /// Whether the op has a weight.
    pub weight: bool,
    /// Whether the gain is `1 + weight`.
    pub zero_centered: bool,
    /// Whether the op has a bias.
    pub bias: bool,
    /// Whether each index of the first axis has its own weight and bias.
    pub per_sample: bool,
    /// Whether the op writes mean and rstd for the caller.
    pub save_stats: bool,
    /// Whether the forward pass saves its statistics for the backward pass.
    pub save_for_backward: bool,
    /// Whether the op adds a residual.
    pub residual: bool,
    /// Whether the op writes the sum of input and residual.
    pub residual_output: bool,
    /// Whether the op writes over the residual: the sum of input and residual or, if it adds the residual after the
    /// normalization, its output.
    pub residual_in_place: bool,
    /// Whether the op adds the residual after the normalization. Batch norm always does.
    pub residual_after: bool,
    /// Whether the op adds a bias to the sum of input and residual.
    pub input_bias: bool,
    /// The gate, of which a function is a factor.
    pub gate: Option<Gate>,
    /// Whether a second norm of the output follows.
    pub next_norm: bool,
    /// The int8 in place of the output.
    pub quantized: Option<Quantized>,
    /// The activation after the normalization.
    pub activation: Activation,
    /// The caller's function after the activation.
    pub epilogue: Option<Epilogue>,
    /// The rotary position embedding of the result.
    pub rotary: Option<Rotary>,
    /// Whether the op writes the result over the input.
    pub in_place: bool,
    /// The storage types of the tensors.
    pub types: Types,
    /// The strides of tensors that are not dense, in elements, for each axis of the shape.
    pub strides: BTreeMap<Slot, Vec<usize>>,
    /// The length of the input's first axis, if the op reads the indices of it that `input_index` names.
    pub gather_rows: Option<usize>,
    /// The length of the output's first axis, if the op writes the indices of it that `output_index` names.
    pub scatter_rows: Option<usize>,
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
            residual_in_place: false,
            residual_after: false,
            input_bias: false,
            gate: None,
            next_norm: false,
            quantized: None,
            activation: Activation::None,
            epilogue: None,
            rotary: None,
            in_place: false,
            types: Types::all(DType::F32),
            strides: BTreeMap::new(),
            gather_rows: None,
            scatter_rows: None,
        }
    }

    /// All options, with floats as their bits.
    fn bits(&self) -> impl Eq + Hash + use<> {
        let Self { eps, weight, zero_centered, bias, per_sample, save_stats, save_for_backward, .. } = *self;
        let Self { residual, residual_output, residual_in_place, residual_after, input_bias, .. } = *self;
        let Self { gate, next_norm, quantized, activation, in_place, types, gather_rows, scatter_rows, .. } = *self;
        let saved = [save_stats, save_for_backward];
        (
            eps.to_bits(),
            [weight, zero_centered, bias, per_sample],
            saved,
            [residual, residual_output, residual_in_place, residual_after, input_bias, in_place],
            gate,
            (next_norm, quantized),
            activation,
            types,
            self.strides.clone(),
            self.epilogue.clone(),
            (self.rotary, gather_rows, scatter_rows),
        )
    }

    /// Whether the op writes the sum of input and residual.
    pub(crate) fn writes_sum(&self) -> bool {
        self.residual_output || (self.residual_in_place && !self.residual_after)
    }

    /// Whether the op writes its output over the residual.
    pub(crate) fn writes_over_residual(&self) -> bool {
        self.residual_in_place && self.residual_after
    }

    /// The gate that is a factor of the input, or the one after the norm.
    pub(crate) fn gate_at(&self, before: bool) -> Option<Gate> {
        self.gate.filter(|gate| gate.before == before)
    }

    /// Whether the gradient of the residual is a tensor of its own: it is neither that of the input nor that of the
    /// output. `after`: the op adds the residual after the norm.
    pub(crate) fn has_own_grad_residual(&self, after: bool) -> bool {
        let differs = if after { self.activation != Activation::None } else { self.gate_at(true).is_some() };
        self.residual && differs
    }

    /// The storage type of the result, wherever it is.
    pub(crate) fn result_dtype(&self) -> DType {
        if self.writes_over_residual() { self.types.residual() } else { self.types.output() }
    }

    /// The storage type of that sum.
    pub(crate) fn sum_dtype(&self) -> DType {
        if self.residual_in_place { self.types.residual() } else { self.types.residual_output() }
    }

    /// Whether an index says where rows of the input or of the output are.
    pub(crate) fn is_indexed(&self) -> bool {
        self.gather_rows.is_some() || self.scatter_rows.is_some()
    }

    /// The shape of a tensor with one element for each element of the op's `shape`, but for the length of its first
    /// axis, if an index says where its rows are.
    pub(crate) fn shape_of(&self, slot: Slot, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        let len = match slot {
            Slot::Input => self.gather_rows,
            Slot::Output => self.scatter_rows,
            _ => None,
        };
        if let (Some(first), Some(len)) = (shape.first_mut(), len) {
            *first = len;
        }
        shape
    }

    /// The stride from the weight and bias of a sample to those of the next, if it is not that of dense tensors.
    pub(crate) fn sample_stride(&self) -> Option<usize> {
        let of = |on: bool, slot| self.strides.get(&slot).filter(|_| on);
        of(self.weight, Slot::Weight).or(of(self.bias, Slot::Bias)).map(|strides| strides[0])
    }

    /// The constant that the op adds to the weight.
    pub(crate) fn weight_offset(&self) -> f32 {
        if self.zero_centered { 1.0 } else { 0.0 }
    }

    /// Checks the options. `batch`: those of batch norm, which has other options than the rest.
    pub(crate) fn validate(&self, batch: bool, shape: &[usize]) -> Result<()> {
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
        let not_in_batch = [
            ("per_sample", self.per_sample),
            ("residual_output", self.residual_output),
            ("residual_in_place", self.residual_in_place),
            ("residual_after", self.residual_after),
            ("gate", self.gate.is_some()),
            ("next_norm", self.next_norm),
            ("quantized", self.quantized.is_some()),
        ];
        if let Some((argument, _)) = not_in_batch.into_iter().find(|(_, on)| batch && *on) {
            return refuse(argument, "true".into(), "false in batch norm");
        }
        if !batch && self.save_for_backward {
            return refuse("save_for_backward", "true".into(), "false: batch norm alone saves them");
        }
        if self.residual_output && !self.residual {
            return refuse("residual_output", "true".into(), "false where there is no residual");
        }
        if self.next_norm && (self.activation != Activation::None || self.epilogue.is_some()) {
            return refuse("next_norm", "true".into(), "false with an activation or an epilogue");
        }
        if let Some(quantized) = self.quantized {
            self.validate_quantized(quantized)?;
        }
        if self.residual_after && !self.residual {
            return refuse("residual_after", "true".into(), "false where there is no residual");
        }
        if self.residual_after && self.residual_output {
            return refuse("residual_output", "true".into(), "false where the output is the sum: residual_after");
        }
        if self.input_bias && (!self.residual || self.residual_after || self.gate_at(true).is_some()) {
            let expected = "false without a residual before the norm, which may itself be a bias, or with a gate there";
            return refuse("input_bias", "true".into(), expected);
        }
        if self.writes_over_residual() && (self.in_place || self.epilogue.is_some()) {
            return refuse("residual_in_place", "true".into(), "false with in_place or an epilogue");
        }
        if self.gate.is_some() && self.activation != Activation::None {
            return refuse("activation", self.activation.name().into(), "none where there is a gate");
        }
        if self.residual_in_place && (self.residual_output || !self.residual) {
            return refuse("residual_in_place", "true".into(), "false without a residual, or with residual_output");
        }
        let types = [
            ("input_dtype", self.types.input()),
            ("output_dtype", self.types.output()),
            ("residual_dtype", self.types.residual()),
            ("residual_output_dtype", self.types.residual_output()),
            ("affine_dtype", self.types.affine()),
            ("gate_dtype", self.types.gate()),
        ];
        if let Some((argument, dtype)) = types.into_iter().find(|(_, dtype)| !DType::FLOATS.contains(dtype)) {
            return refuse(argument, dtype.to_string(), "f32, f16 or bf16");
        }
        if self.in_place && self.types.input() != self.types.output() {
            return refuse("in_place", "true".into(), "false where input and output are of different types");
        }
        if let Some(epilogue) = &self.epilogue {
            epilogue.validate()?;
        }
        let validate =
            |(&slot, strides): (&Slot, &Vec<usize>)| self.validate_strides(slot, &self.shape_of(slot, shape), strides);
        // With `per_sample`, weight and bias may have strides. Those are checked where their shape is known.
        let is_checked = |slot: &Slot| self.per_sample && matches!(slot, Slot::Weight | Slot::Bias);
        self.strides.iter().filter(|(slot, _)| !is_checked(slot)).try_for_each(validate)
    }

    /// The option by which an index says where rows are, and its value.
    fn index(&self) -> Option<(&'static str, usize)> {
        let gather = self.gather_rows.map(|len| ("gather_rows", len));
        gather.or(self.scatter_rows.map(|len| ("scatter_rows", len)))
    }

    /// Refuses what only norms over adjacent axes have.
    pub(crate) fn without_row_options(&self) -> Result<()> {
        let rotary = self.rotary.map(|rotary| ("rotary", format!("{rotary:?}")));
        match rotary.or(self.index().map(|(argument, len)| (argument, len.to_string()))) {
            None => Ok(()),
            Some((argument, value)) => {
                Err(Error::InvalidArgument { argument, value, expected: "none but in norms over adjacent axes".into() })
            }
        }
    }

    /// Checks rows by an index, in norms over these axes. `given`: the caller gives the statistics.
    pub(crate) fn validate_index(&self, shape: &[usize], axes: &Range<usize>, given: bool) -> Result<()> {
        let Some((argument, len)) = self.index() else { return Ok(()) };
        let refuse = |argument, value: String, expected: &str| {
            Err(Error::InvalidArgument { argument, value, expected: expected.into() })
        };
        if axes.start == 0 || axes.end != shape.len() {
            return refuse(
                argument,
                len.to_string(),
                "none where the normalized axes are not the last, behind another",
            );
        }
        for (argument, len) in [("gather_rows", self.gather_rows), ("scatter_rows", self.scatter_rows)] {
            if len == Some(0) {
                return refuse(argument, "0".into(), "at least 1");
            }
        }
        let whole = [
            ("in_place", self.in_place),
            ("residual_output", self.residual_output),
            ("residual_in_place", self.residual_in_place),
            ("next_norm", self.next_norm),
            ("save_stats", self.save_stats),
            ("given_statistics", given),
            ("quantized", self.quantized.is_some()),
        ];
        if let Some((option, _)) = whole.into_iter().find(|(_, on)| *on) {
            return refuse(
                option,
                "set".into(),
                &format!("none with {argument}: the output is all that the op writes"),
            );
        }
        element_count(&self.shape_of(Slot::Input, shape))?;
        element_count(&self.shape_of(Slot::Output, shape))?;
        Ok(())
    }

    /// Checks a quantized output: it is the only output, and the last step.
    fn validate_quantized(&self, quantized: Quantized) -> Result<()> {
        let refuse = |value: String, expected: &str| {
            Err(Error::InvalidArgument { argument: "quantized", value, expected: expected.into() })
        };
        if let Some(block) = quantized.block.filter(|block| !Quantized::BLOCKS.contains(block)) {
            return refuse(format!("blocks of {block}"), "rows, or blocks of 32 or 128");
        }
        let others = [
            (self.in_place, "none with in_place: int8 does not take the place of the input"),
            (self.writes_over_residual(), "none where the output takes the place of the residual"),
            (self.epilogue.is_some(), "none with an epilogue, which has the output of one element"),
            (self.next_norm, "none with next_norm, which needs the output"),
        ];
        match others.into_iter().find(|(on, _)| *on) {
            Some((_, expected)) => refuse(format!("{quantized:?}"), expected),
            None => Ok(()),
        }
    }

    /// Checks the strides of a tensor: elements must not share memory, but for those that the op only reads.
    fn validate_strides(&self, slot: Slot, shape: &[usize], strides: &[usize]) -> Result<()> {
        let refuse = |expected: String| {
            Err(Error::InvalidArgument { argument: "strides", value: format!("{} of {slot}", show(strides)), expected })
        };
        if !slot.is_elementwise() {
            let parameters = "or of weight and bias with `per_sample`";
            return refuse(format!("strides of a tensor that has the shape of the input, {parameters}"));
        }
        if strides.len() != shape.len() {
            return refuse(format!("one for each of the {} axes of {}", shape.len(), show(shape)));
        }
        let is_read = match slot {
            Slot::Input => !self.in_place,
            Slot::Residual => !self.residual_in_place,
            Slot::GradOutput | Slot::GradResidualOutput | Slot::Gate | Slot::InputBias => true,
            _ => false,
        };
        let mut axes: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
        axes.sort_by_key(|&axis| strides[axis]);
        // Elements from the first to the last of the axes so far.
        let mut extent = 1usize;
        for axis in axes {
            let stride = strides[axis];
            if stride == 0 && is_read {
                continue;
            }
            if stride == 0 {
                return refuse(format!("more than 0 for axis {axis}, as the op writes the tensor"));
            }
            if stride < extent {
                return refuse(format!("at least {extent} for axis {axis}, so that no elements share memory"));
            }
            extent = extent.saturating_add((shape[axis] - 1).saturating_mul(stride));
            if extent as u64 > MAX_ELEMENTS {
                let most = format!("a tensor of at most {MAX_ELEMENTS} elements from the first to the last");
                return refuse(format!("{most}: with axis {axis} of stride {stride}, it has {extent}"));
            }
        }
        debug_assert!(shape.contains(&0) || extent == span(shape, strides), "the axes are sorted");
        Ok(())
    }
}

/// Equality and hash for types with a method `bits`: f32 has neither `Eq` nor `Hash`.
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

/// The storage types of the tensors of an op: one type for all, and exceptions. A gradient has the type of its tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Types {
    /// The type of all tensors but the exceptions.
    pub all: DType,
    /// The type of the input, if different.
    pub input: Option<DType>,
    /// The type of the output, if different.
    pub output: Option<DType>,
    /// The type of the residual, if different.
    pub residual: Option<DType>,
    /// The type of the sum of input and residual, if different.
    pub residual_output: Option<DType>,
    /// The type of weight and bias, if different.
    pub affine: Option<DType>,
    /// The type of the gate, if different.
    pub gate: Option<DType>,
}

impl Types {
    /// One type for all tensors.
    #[must_use]
    pub const fn all(dtype: DType) -> Self {
        Self { all: dtype, input: None, output: None, residual: None, residual_output: None, affine: None, gate: None }
    }

    /// The type of the input.
    #[must_use]
    pub fn input(self) -> DType {
        self.input.unwrap_or(self.all)
    }

    /// The type of the output.
    #[must_use]
    pub fn output(self) -> DType {
        self.output.unwrap_or(self.all)
    }

    /// The type of the residual.
    #[must_use]
    pub fn residual(self) -> DType {
        self.residual.unwrap_or(self.all)
    }

    /// The type of the sum of input and residual.
    #[must_use]
    pub fn residual_output(self) -> DType {
        self.residual_output.unwrap_or(self.all)
    }

    /// The type of weight and bias.
    #[must_use]
    pub fn affine(self) -> DType {
        self.affine.unwrap_or(self.all)
    }

    /// The type of the gate.
    #[must_use]
    pub fn gate(self) -> DType {
        self.gate.unwrap_or(self.all)
    }
}

/// The position of the channels among the axes of a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `[N, C, ..]`: NCHW.
    #[default]
    ChannelsFirst,
    /// `[N, .., C]`: NHWC.
    ChannelsLast,
}
