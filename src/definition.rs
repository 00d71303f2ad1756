//! The computation of an op, without its name. Its tensors, its lowering and its reference follow from this data.

use crate::{
    epilogue::Epilogue,
    error::{Error, Result},
    geometry::Reduction,
    options::{Options, Types},
    running_stats::RunningStats,
    slot::Slot,
    tensor::{Access, DType, MAX_ELEMENTS, TensorSpec, dense_strides, element_count, show},
    types::{Activation, Quantized, Scale},
};

/// The computation of an op.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A normalization by statistics.
    Forward(Definition, Options),
    /// The gradients of a normalization.
    Backward(Definition, Options, Gradients),
    /// The moments of a part of a batch, of rows, or of parts of rows.
    Moments(Definition, Options),
    /// The statistics of rows, without their output.
    Statistics(Definition, Options),
    /// Local response norm, or its gradient.
    Window { window: Window, backward: bool },
}

impl Operation {
    /// The tensors that the op binds.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        match self {
            Self::Forward(definition, options) => definition.forward(options),
            Self::Backward(definition, options, gradients) => definition.backward(options, *gradients),
            Self::Moments(definition, options) => definition.moments(options),
            Self::Statistics(definition, options) => definition.statistics(options),
            Self::Window { window, backward } => window.tensors(*backward),
        }
    }

    /// Checks that the reference can compute it.
    pub(crate) fn check_reference(&self) -> Result<()> {
        match self {
            Self::Forward(_, Options { epilogue: Some(Epilogue { reference: None, .. }), .. }) => {
                Err(Error::Unsupported {
                    what: "the reference of an op with an epilogue".into(),
                    why: "it is WGSL alone: `Epilogue::reference` sets the same function in f64".into(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The backward pass of a forward pass.
    pub(crate) fn backward(self, gradients: Gradients) -> Result<Self> {
        match self {
            Self::Forward(definition, options) => {
                definition.check_gradients(&options, gradients)?;
                Ok(Self::Backward(definition, options, gradients))
            }
            Self::Window { window, .. } => {
                gradients.validate(&Options::new(0.0, false, false), false)?;
                Ok(Self::Window { window, backward: true })
            }
            Self::Backward(..) | Self::Moments(..) | Self::Statistics(..) => {
                Err(Error::Unsupported { what: "a backward pass of it".into(), why: "it is no forward pass".into() })
            }
        }
    }

    /// The pass that computes only the statistics of a forward pass or, with `to_moments`, only its moments. `parts`:
    /// it merges the moments of these, and reads no input.
    pub(crate) fn statistics(self, to_moments: bool, parts: Option<usize>) -> Result<Self> {
        let refuse = |argument, value: String, expected: &str| {
            Err(Error::InvalidArgument { argument, value, expected: expected.into() })
        };
        let Self::Forward(definition, options) = self else {
            return Err(Error::Unsupported {
                what: "statistics of it alone".into(),
                why: "it is no normalization by statistics".into(),
            });
        };
        if let Source::Given { len } = definition.source {
            return refuse("given_statistics", len.to_string(), "none: the op computes the statistics");
        }
        options.without_row_options()?;
        if parts == Some(0) {
            return refuse("merge", "0".into(), "one part or more");
        }
        let definition = Definition { source: Source::Batch { parts, tracked: None }, ..definition };
        Ok(if to_moments { Self::Moments(definition, options) } else { Self::Statistics(definition, options) })
    }
}

/// A local response norm.
#[derive(Clone, Debug)]
pub struct Window {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The number of channels, and the stride from one channel to the next, in elements.
    pub channels: [usize; 2],
    /// Channels of a window: the divisor of alpha.
    pub size: usize,
    /// Channels of a window before and after its own channel, in a tensor with enough channels.
    pub reach: [usize; 2],
    pub alpha: f32,
    pub beta: f32,
    pub k: f32,
    pub types: Types,
}

impl Window {
    fn tensors(&self, backward: bool) -> Vec<TensorSpec> {
        let tensor = |slot, dtype, access| TensorSpec::new(slot, &self.shape, dtype, access);
        let (input, output) = (self.types.input(), self.types.output());
        let x = tensor(Slot::Input, input, Access::Read);
        if backward {
            let grad_output = tensor(Slot::GradOutput, output, Access::Read);
            vec![x, grad_output, tensor(Slot::GradInput, input, Access::Write)]
        } else {
            vec![x, tensor(Slot::Output, output, Access::Write)]
        }
    }
}

/// A normalization by the statistics of groups of elements.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The shape of mean and rstd.
    pub stats_shape: Vec<usize>,
    /// The shape of weight and bias.
    pub affine_shape: Vec<usize>,
    /// The groups of elements that share a statistic, as a [`Reduction`].
    pub stats: [usize; 4],
    /// The groups of elements that share a weight, as a [`Reduction`].
    pub affine: [usize; 4],
    /// The scale that the statistics give.
    pub scale: Scale,
    /// The source of the statistics.
    pub source: Source,
    /// Whether the op adds the residual after the normalization, not to the input.
    pub residual_after: bool,
}

/// The source of statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// Running statistics.
    Running,
    /// The tensor `statistics`, from the caller. `len`: the number of elements that share a statistic, of which the
    /// input may have a part.
    Given { len: usize },
    /// The batch: the input or, with `parts`, the moments of the parts of a batch by
    /// [`BatchMoments`](super::BatchMoments), or of rows by [`Moments`](super::Moments). `tracked`: the running
    /// statistics that the op updates.
    Batch { parts: Option<usize>, tracked: Option<Tracked> },
}

/// Running statistics that the op updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    pub convention: RunningStats,
    /// Whether a tensor has their lo parts.
    pub low: bool,
}

impl Tracked {
    /// Checks the options of running statistics; `None` without running statistics.
    pub(crate) fn new(convention: Option<RunningStats>, low: bool) -> Result<Option<Self>> {
        if low && convention.is_none() {
            return Err(Error::InvalidArgument {
                argument: "running_low",
                value: "true".into(),
                expected: "false without running_stats".into(),
            });
        }
        RunningStats::validate(convention)?;
        Ok(convention.map(|convention| Self { convention, low }))
    }
}

impl Source {
    /// The same source, without running statistics to update.
    pub(crate) fn untracked(self) -> Self {
        match self {
            Self::Batch { parts, .. } => Self::Batch { parts, tracked: None },
            Self::Running | Self::Given { .. } => self,
        }
    }
}

impl Definition {
    /// The reductions of statistics and of weights; `None` for an empty tensor.
    pub(crate) fn reductions(&self) -> Result<Option<(Reduction, Reduction)>> {
        if element_count(&self.shape)? == 0 {
            return Ok(None);
        }
        // Each axis is at most the number of elements, which fits u32.
        let reduction = |[outer, reduced, groups, inner]: [usize; 4]| {
            Reduction::new(outer as u32, reduced as u32, groups as u32, inner as u32)
        };
        Ok(Some((reduction(self.stats), reduction(self.affine))))
    }

    /// The statistics that `save_stats` writes: mean and rstd, or rstd alone for a scale without a mean.
    pub(crate) fn saved(&self) -> &'static [Slot] {
        if self.scale == Scale::Variance { &[Slot::Mean, Slot::Rstd] } else { &[Slot::Rstd] }
    }

    /// A tensor with one element for each element of the op's shape, or with other rows if an index says which.
    pub(crate) fn elementwise(&self, options: &Options, slot: Slot, dtype: DType, access: Access) -> TensorSpec {
        let shape = options.shape_of(slot, &self.shape);
        TensorSpec::new(slot, &shape, dtype, access).with_strides(options.strides.get(&slot))
    }

    /// The bias before the norm: each row has the same one, unless strides say otherwise.
    pub(crate) fn input_bias(&self, options: &Options) -> TensorSpec {
        let spec = self.elementwise(options, Slot::InputBias, options.types.affine(), Access::Read);
        let mut strides = dense_strides(&self.shape);
        strides[..self.stats_shape.len()].fill(0);
        spec.with_strides(options.strides.get(&Slot::InputBias).or(Some(&strides)))
    }

    fn input(&self, options: &Options, access: Access) -> TensorSpec {
        self.elementwise(options, Slot::Input, options.types.input(), access)
    }

    fn affine(&self, slot: Slot, dtype: DType, access: Access) -> TensorSpec {
        TensorSpec::new(slot, &self.affine_shape, dtype, access)
    }

    /// The weight or the bias that the op reads.
    pub(crate) fn parameter(&self, options: &Options, slot: Slot) -> TensorSpec {
        self.affine(slot, options.types.affine(), Access::Read).with_strides(options.strides.get(&slot))
    }

    /// Checks the strides of weight and bias, of which each sample has its own: those of a sample are adjacent.
    pub(crate) fn check_parameters(self, options: &Options) -> Result<Self> {
        for (slot, strides) in options.strides.iter().filter(|(slot, _)| matches!(slot, Slot::Weight | Slot::Bias)) {
            let refuse = |expected: String| {
                let value = format!("{} of {slot}", show(strides));
                Err(Error::InvalidArgument { argument: "strides", value, expected })
            };
            let shape = &self.affine_shape;
            if strides.len() != shape.len() {
                return refuse(format!("one for each of the {} axes of {}", shape.len(), show(shape)));
            }
            let dense = dense_strides(shape);
            if strides[0] < dense[0] || strides[1..] != dense[1..] {
                return refuse(format!("at least {} and then {}", dense[0], show(&dense[1..])));
            }
            let last = (strides[0] as u64).saturating_mul(shape[0] as u64);
            if last > MAX_ELEMENTS {
                return refuse(format!("those of a tensor of at most {MAX_ELEMENTS} elements"));
            }
        }
        let [weight, bias] = [Slot::Weight, Slot::Bias].map(|slot| self.parameter(options, slot).strides());
        if options.weight && options.bias && weight != bias {
            return Err(Error::InvalidArgument {
                argument: "strides",
                value: format!("{} of weight, {} of bias", show(&weight), show(&bias)),
                expected: "the same ones".into(),
            });
        }
        let [samples, _, channels, neighbours] = self.affine;
        if options.sample_stride().is_some() && samples > 1 && channels > 1 && neighbours > 1 {
            return Err(Error::Unsupported {
                what: "a weight or bias with strides".into(),
                why: "the elements of a channel are neighbours, and kernels then take those of all samples as one"
                    .into(),
            });
        }
        Ok(self)
    }

    fn running(&self, access: Access) -> impl Iterator<Item = TensorSpec> + '_ {
        let channels = &self.stats_shape[self.stats_shape.len() - 1..];
        [Slot::RunningMean, Slot::RunningVar]
            .map(|slot| TensorSpec::new(slot, channels, DType::F32, access))
            .into_iter()
    }

    /// A tensor of f32 with `count` values for each statistic: `[count, ..]`.
    fn for_each_statistic(&self, slot: Slot, count: usize, access: Access) -> TensorSpec {
        TensorSpec::new(slot, &[&[count], &self.stats_shape[..]].concat(), DType::F32, access)
    }

    /// The mean as hi and lo, and rstd.
    fn statistics_tensor(&self, access: Access) -> TensorSpec {
        self.for_each_statistic(Slot::Statistics, 3, access)
    }

    /// The moments of all parts, if the source is parts.
    fn moments_of(&self, parts: usize) -> TensorSpec {
        let shape = [&[parts], &self.stats_shape[..], &[4]].concat();
        TensorSpec::new(Slot::Moments, &shape, DType::F32, Access::Read)
    }

    /// The number of parts whose statistics are merged.
    pub(crate) fn merged_parts(&self) -> Option<usize> {
        match self.source {
            Source::Batch { parts, .. } => parts,
            Source::Running | Source::Given { .. } => None,
        }
    }

    /// Whether a batch without elements has statistics too: those of the other parts.
    pub(crate) fn has_statistics(&self) -> bool {
        !self.shape.contains(&0) || self.merged_parts().is_some()
    }

    /// The tensors of the forward pass.
    pub(crate) fn forward(&self, options: &Options) -> Vec<TensorSpec> {
        let types = options.types;
        let mut tensors = vec![self.input(options, if options.in_place { Access::ReadWrite } else { Access::Read })];
        let mut add = |on: bool, spec: TensorSpec| tensors.extend(on.then_some(spec));
        add(options.weight, self.parameter(options, Slot::Weight));
        add(options.bias, self.parameter(options, Slot::Bias));
        let tensor = |slot, dtype, access| self.elementwise(options, slot, dtype, access);
        let access = if options.residual_in_place { Access::ReadWrite } else { Access::Read };
        add(options.residual, tensor(Slot::Residual, types.residual(), access));
        add(options.input_bias, self.input_bias(options));
        add(options.residual_output, tensor(Slot::ResidualOutput, types.residual_output(), Access::Write));
        add(options.next_norm && options.weight, self.affine(Slot::NextWeight, types.affine(), Access::Read));
        add(options.next_norm, tensor(Slot::NextOutput, types.output(), Access::Write));
        add(options.gate.is_some(), tensor(Slot::Gate, types.gate(), Access::Read));
        for spec in options.quantized.iter().flat_map(|quantized| self.quantized(*quantized)) {
            add(true, spec);
        }
        let has_output = !options.in_place && !options.writes_over_residual() && options.quantized.is_none();
        // Rows that no index names keep what they have, and so do those of an index that is out of range.
        let access = if options.is_indexed() { Access::ReadWrite } else { Access::Write };
        add(has_output, tensor(Slot::Output, types.output(), access));
        let index = |slot| TensorSpec::new(slot, &self.shape[..1], DType::U32, Access::Read);
        add(options.gather_rows.is_some(), index(Slot::InputIndex));
        add(options.scatter_rows.is_some(), index(Slot::OutputIndex));
        for &slot in self.saved() {
            add(options.save_stats, TensorSpec::new(slot, &self.stats_shape, DType::F32, Access::Write));
        }
        if options.save_for_backward {
            tensors.push(self.statistics_tensor(Access::Write));
        }
        tensors.extend(options.epilogue.iter().flat_map(Epilogue::tensors));
        tensors.extend(options.rotary.iter().flat_map(|rotary| rotary.tensors(&self.stats_shape)));
        match self.source {
            Source::Running => tensors.extend(self.running(Access::Read)),
            Source::Given { .. } => tensors.push(self.statistics_tensor(Access::Read)),
            Source::Batch { parts, tracked } => {
                tensors.extend(parts.map(|parts| self.moments_of(parts)));
                if let Some(Tracked { convention, low }) = tracked {
                    tensors.extend(self.running(Access::ReadWrite));
                    if low {
                        let channels = self.stats_shape[self.stats_shape.len() - 1];
                        tensors.push(TensorSpec::new(Slot::RunningLow, &[2, channels], DType::F32, Access::ReadWrite));
                    }
                    if convention == RunningStats::CUMULATIVE {
                        tensors.push(TensorSpec::new(Slot::NumBatchesTracked, &[1], DType::U32, Access::ReadWrite));
                    }
                }
            }
        }
        tensors
    }

    /// Elements that share a statistic.
    pub(crate) fn group_len(&self) -> usize {
        self.stats[1] * self.stats[3]
    }

    /// The output in int8, and its scales. A block of the length of the largest row is a whole row.
    fn quantized(&self, quantized: Quantized) -> [TensorSpec; 2] {
        let len = self.group_len();
        let words = [&self.stats_shape[..], &[len.div_ceil(4)]].concat();
        let mut blocks = self.stats_shape.clone();
        blocks.extend(quantized.block.map(|block| len.div_ceil(block)));
        [
            TensorSpec::new(Slot::QuantizedOutput, &words, DType::U32, Access::Write),
            TensorSpec::new(Slot::QuantizedScale, &blocks, DType::F32, Access::Write),
        ]
    }

    /// The tensors that statistics are computed of: the input, and the residual with the sum of both.
    fn summed(&self, options: &Options) -> Vec<TensorSpec> {
        let types = options.types;
        let mut tensors = vec![self.input(options, Access::Read)];
        if options.residual && !self.residual_after {
            let access = if options.residual_in_place { Access::ReadWrite } else { Access::Read };
            tensors.push(self.elementwise(options, Slot::Residual, types.residual(), access));
        }
        if options.input_bias {
            tensors.push(self.input_bias(options));
        }
        if options.gate_at(true).is_some() {
            tensors.push(self.elementwise(options, Slot::Gate, types.gate(), Access::Read));
        }
        if options.residual_output {
            tensors.push(self.elementwise(options, Slot::ResidualOutput, types.residual_output(), Access::Write));
        }
        tensors
    }

    /// The tensors of the pass that computes moments.
    pub(crate) fn moments(&self, options: &Options) -> Vec<TensorSpec> {
        let mut tensors = self.summed(options);
        let shape = [&self.stats_shape[..], &[4]].concat();
        tensors.push(TensorSpec::new(Slot::Moments, &shape, DType::F32, Access::Write));
        tensors
    }

    /// The tensors of the pass that computes statistics, of the input or of the moments of parts.
    pub(crate) fn statistics(&self, options: &Options) -> Vec<TensorSpec> {
        let mut tensors = match self.source {
            Source::Batch { parts: Some(parts), .. } => vec![self.moments_of(parts)],
            _ => self.summed(options),
        };
        tensors.push(self.statistics_tensor(Access::Write));
        tensors
    }

    /// Whether the backward pass must read the input, or its sum with the residual, for these gradients.
    pub(crate) fn gradient_needs_input(&self, options: &Options, gradients: Gradients) -> bool {
        let by_statistics = gradients.input_or_coefficients() && self.source != Source::Running;
        by_statistics || gradients.weight || options.activation != Activation::None
    }

    /// The tensors of the backward pass.
    pub(crate) fn backward(&self, options: &Options, gradients: Gradients) -> Vec<TensorSpec> {
        let types = options.types;
        let activation = options.activation != Activation::None;
        let needs_input = self.gradient_needs_input(options, gradients);
        let before = options.residual && !self.residual_after;
        let after = options.residual && self.residual_after;
        let summed = before && options.writes_sum();
        let gate_before = options.gate_at(true).is_some();
        let gate_after = options.gate_at(false).is_some();
        let mut tensors = Vec::new();
        let mut add = |on: bool, spec: TensorSpec| tensors.extend(on.then_some(spec));
        let tensor = |slot, dtype, access| self.elementwise(options, slot, dtype, access);
        add((needs_input && !summed) || (gate_before && gradients.gate), self.input(options, Access::Read));
        add(needs_input && summed, tensor(Slot::ResidualOutput, options.sum_dtype(), Access::Read));
        add(
            (needs_input && before && !summed) || (after && activation),
            tensor(Slot::Residual, types.residual(), Access::Read),
        );
        add(needs_input && options.input_bias && !summed, self.input_bias(options));
        let merged_parts = self.merged_parts();
        // The sums of a part of a batch have no weight yet.
        let coefficients = gradients.coefficients == Coefficients::Written && merged_parts.is_none();
        let weighted = options.weight && (gradients.input || coefficients || activation);
        add(weighted, self.parameter(options, Slot::Weight));
        let factor = gate_before && ((needs_input && !summed) || gradients.input);
        add(factor || gate_after, tensor(Slot::Gate, types.gate(), Access::Read));
        let biased = activation || (gate_after && gradients.gate);
        add(options.bias && biased, self.parameter(options, Slot::Bias));
        add(true, tensor(Slot::GradOutput, options.result_dtype(), Access::Read));
        let sum = tensor(Slot::GradResidualOutput, options.sum_dtype(), Access::Read);
        add(summed && gradients.input, sum);
        if self.source == Source::Running && (gradients.input || needs_input) {
            tensors.extend(self.running(Access::Read));
        }
        let mut add = |on: bool, spec: TensorSpec| tensors.extend(on.then_some(spec));
        let is_given = matches!(self.source, Source::Given { .. });
        add((options.save_for_backward || is_given) && needs_input, self.statistics_tensor(Access::Read));
        let coefficients = |access| self.for_each_statistic(Slot::Coefficients, 2, access);
        let sums = |parts: &[usize], access| {
            TensorSpec::new(Slot::GradSums, &[parts, &self.stats_shape[..], &[4]].concat(), DType::F32, access)
        };
        match (gradients.coefficients, merged_parts) {
            (Coefficients::Computed, _) => {}
            (Coefficients::Written, None) => add(true, coefficients(Access::Write)),
            (Coefficients::Given, None) => add(true, coefficients(Access::Read)),
            (Coefficients::Written, Some(_)) => add(true, sums(&[], Access::Write)),
            (Coefficients::Given, Some(parts)) => add(true, sums(&[parts], Access::Read)),
        }
        add(gradients.input, tensor(Slot::GradInput, types.input(), Access::Write));
        add(gradients.gate, tensor(Slot::GradGate, types.gate(), Access::Write));
        add(gradients.residual, tensor(Slot::GradResidual, types.residual(), Access::Write));
        let access = if gradients.accumulate { Access::ReadWrite } else { Access::Write };
        add(gradients.weight, self.affine(Slot::GradWeight, gradients.affine_dtype, access));
        add(gradients.bias, self.affine(Slot::GradBias, gradients.affine_dtype, access));
        tensors
    }

    /// Checks the gradients that the caller wants.
    fn check_gradients(&self, options: &Options, gradients: Gradients) -> Result<()> {
        if options.in_place {
            return Err(Error::InvalidArgument {
                argument: "in_place",
                value: "true".into(),
                expected: "false: the forward pass overwrites what the backward pass needs".into(),
            });
        }
        if options.next_norm {
            return Err(Error::Unsupported {
                what: "the backward pass of an op with a second norm".into(),
                why: "it is that of the second norm, and then that of the first: `RmsNorm::next_norm` says how".into(),
            });
        }
        if options.quantized.is_some() {
            return Err(Error::Unsupported {
                what: "the backward pass of an op with a quantized output".into(),
                why: "rounding has no gradient".into(),
            });
        }
        if options.epilogue.is_some() {
            return Err(Error::Unsupported {
                what: "the backward pass of an op with an epilogue".into(),
                why: "the derivative of the caller's function is unknown".into(),
            });
        }
        if options.rotary.is_some() {
            return Err(Error::Unsupported {
                what: "the backward pass of an op with a rotary embedding".into(),
                why: "it is for inference only".into(),
            });
        }
        if options.is_indexed() {
            return Err(Error::Unsupported {
                what: "the backward pass of rows by an index".into(),
                why: "it is for inference only".into(),
            });
        }
        let is_merged = self.merged_parts().is_some();
        let in_parts = is_merged || matches!(self.source, Source::Given { .. });
        let coefficients = |expected: &str| {
            let value = format!("{:?}", gradients.coefficients);
            Err(Error::InvalidArgument { argument: "coefficients", value, expected: expected.into() })
        };
        match gradients.coefficients {
            Coefficients::Computed if is_merged => {
                return coefficients("Written, then Given, where the op merges the statistics of parts");
            }
            Coefficients::Written | Coefficients::Given if !in_parts => {
                return coefficients("Computed where the op has neither given_statistics nor merge");
            }
            _ => {}
        }
        if is_merged && !options.save_for_backward {
            return Err(Error::InvalidArgument {
                argument: "save_for_backward",
                value: "false".into(),
                expected: "true: the backward pass reads the merged statistics".into(),
            });
        }
        gradients.validate(options, options.has_own_grad_residual(self.residual_after))
    }
}

/// Where a backward pass has the coefficients of the gradient through the statistics.
///
/// With g as the gradient of the normalized values y, they are the mean of g and the mean of g * y, over all elements
/// that share a statistic: the tensor `coefficients`, `[2, ..]` in f32, for the axes that are not normalized. RMS norm
/// has 0 as the first one.
///
/// A part of a row has the same sums over its own elements, divided by the length of the whole row. So the coefficients
/// of all parts add up to those of the row.
///
/// Batch norm over devices ([`BatchNorm::merge`](crate::BatchNorm::merge)) has a table of sums in their place:
/// [`BatchNorm`](crate::BatchNorm#a-batch-on-several-devices) describes it.
///
/// ```
/// use wgpu_norm::{Coefficients, Norm, RmsNorm, Tensors};
///
/// // The row [3, 4], of which this device has the 4. Its rstd is 1 / sqrt(12.5).
/// let part = RmsNorm::new(&[1, 1], 1..).weight(false).given_statistics(2);
/// let statistics = [0., 0., 1. / 12.5_f32.sqrt()];
/// let tensors = Tensors::new(&[4.]).grad_output(&[1.]).statistics(&statistics);
/// let own = part.backward().coefficients(Coefficients::Written).reference(&tensors)?.to_f32();
/// assert!((own.coefficients()[1] - 0.5 * 4. / 12.5_f32.sqrt()).abs() < 1e-6);
/// // The caller adds up those of both parts. Here the 3 has a gradient of 0, and so do its coefficients.
/// let op = part.backward().coefficients(Coefficients::Given);
/// let truth = op.reference(&tensors.coefficients(own.coefficients()))?;
/// assert!((truth.grad_input()[0] - (1. - 16. / 25.) / 12.5_f64.sqrt()).abs() < 1e-6);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coefficients {
    /// The op computes them, and takes the input for whole rows.
    #[default]
    Computed,
    /// The op writes those of its part of each row, or the sums of its part of a batch, and no gradient of the input.
    Written,
    /// The caller gives those of whole rows, or the sums of all parts of a batch.
    Given,
}

/// The gradients that a backward pass computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Gradients {
    /// Whether the op writes `grad_input`.
    pub input: bool,
    /// Whether the op writes `grad_residual`: the gradient of a residual between the norm and an activation, or of one
    /// that is added to an input with a gate.
    pub residual: bool,
    /// Whether the op writes `grad_gate`.
    pub gate: bool,
    /// Whether the op writes `grad_weight`.
    pub weight: bool,
    /// Whether the op writes `grad_bias`.
    pub bias: bool,
    /// Whether the op adds the gradients of weight and bias to their old values.
    pub accumulate: bool,
    /// The storage type of the gradients of weight and bias.
    pub affine_dtype: DType,
    /// Where the op has the coefficients of the gradient through the statistics.
    pub coefficients: Coefficients,
}

impl Gradients {
    /// All gradients of an op with these options. `residual`: the gradient of the residual is a tensor of its own.
    pub(crate) fn all(options: &Options, residual: bool) -> Self {
        let Options { weight, bias, .. } = *options;
        let affine_dtype = options.types.affine();
        let coefficients = Coefficients::Computed;
        let gate = options.gate.is_some();
        Self { input: true, residual, gate, weight, bias, accumulate: false, affine_dtype, coefficients }
    }

    /// Whether the op needs the gradient of the normalized values: for the input's, or for coefficients.
    pub(crate) fn input_or_coefficients(self) -> bool {
        self.input || self.coefficients == Coefficients::Written
    }

    /// Checks the gradients against the tensors of the op. `residual`: the gradient of the residual is a tensor of its
    /// own.
    fn validate(self, options: &Options, residual: bool) -> Result<()> {
        let Options { weight, bias, gate, .. } = *options;
        let refuse = |argument, value: &str, expected: &str| {
            Err(Error::InvalidArgument { argument, value: value.into(), expected: expected.into() })
        };
        if self.weight && !weight {
            return refuse("grad_weight", "true", "false where there is no weight");
        }
        if self.bias && !bias {
            return refuse("grad_bias", "true", "false where there is no bias");
        }
        if self.residual && !residual {
            return refuse(
                "grad_residual",
                "true",
                "false where there is no residual, or its gradient is grad_input, or grad_output without an activation",
            );
        }
        if self.gate && (gate.is_none() || !self.input) {
            return refuse("grad_gate", "true", "false where there is no gate, or without grad_input");
        }
        if self.residual && !self.input && options.gate_at(true).is_some() {
            return refuse("grad_residual", "true", "false without grad_input, where the input has a gate");
        }
        if self.coefficients != Coefficients::Computed && self.input != (self.coefficients == Coefficients::Given) {
            return refuse(
                "grad_input",
                if self.input { "true" } else { "false" },
                "false where the op writes coefficients, and true where they are given",
            );
        }
        if !(self.input_or_coefficients() || self.residual || self.weight || self.bias) {
            return refuse("gradients", "none", "one of grad_input, grad_residual, grad_weight and grad_bias");
        }
        if self.accumulate && !(self.weight || self.bias) {
            return refuse("accumulate", "true", "false where neither grad_weight nor grad_bias is asked for");
        }
        if !DType::FLOATS.contains(&self.affine_dtype) {
            return refuse("grad_affine_dtype", &self.affine_dtype.to_string(), "f32, f16 or bf16");
        }
        Ok(())
    }
}
