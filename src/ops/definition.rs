//! What an op is, without its name: the geometry and the tensors of both directions.

use super::{Gradients, Norm, Options, RunningStats, sealed::Geometric};
use crate::{
    error::{Error, Result},
    geometry::Fold,
    kernel::key::Scale,
    tensor::{Access, DType, Slot, TensorSpec, element_count},
};

/// A normalization by statistics that groups of elements share.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// The shape of mean and rstd.
    pub stats_shape: Vec<usize>,
    /// The shape of weight and bias.
    pub params_shape: Vec<usize>,
    /// Which elements share a statistic, as a [`Fold`].
    pub stats: [usize; 4],
    /// Which elements share a weight.
    pub params: [usize; 4],
    /// How the statistics make the scale.
    pub scale: Scale,
    /// Where the statistics come from.
    pub source: Source,
    /// Whether the residual is added to what was normalized, and not to the input.
    pub residual_after: bool,
    /// Elements of a row and from one row of the input to the next, where they are apart.
    pub row_stride: Option<(usize, usize)>,
}

/// Where statistics come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// Running statistics.
    Running,
    /// The input, or with `parts` what [`BatchMoments`](super::BatchMoments) took from the parts of a batch; then running
    /// statistics may be updated.
    Batch { parts: Option<usize>, tracked: Option<Tracked> },
}

/// Running statistics that are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    pub convention: RunningStats,
    /// Whether a tensor has what f32 has no room for.
    pub low: bool,
}

impl Tracked {
    /// What an op says of them.
    pub(super) fn new(convention: Option<RunningStats>, low: bool) -> Result<Option<Self>> {
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
    /// The same, with nothing that is updated.
    pub(crate) fn untracked(self) -> Self {
        match self {
            Self::Batch { parts, .. } => Self::Batch { parts, tracked: None },
            Self::Running => Self::Running,
        }
    }
}

impl Definition {
    /// The folds, unless the tensor is empty.
    pub(crate) fn folds(&self) -> Result<Option<(Fold, Fold)>> {
        if element_count(&self.shape)? == 0 {
            return Ok(None);
        }
        // Each axis is at most the number of elements.
        let fold = |[outer, reduced, kept, inner]: [usize; 4]| {
            Fold::new(outer as u32, reduced as u32, kept as u32, inner as u32)
        };
        Ok(Some((fold(self.stats), fold(self.params))))
    }

    /// Mean and rstd, as far as the scale has them.
    pub(crate) fn saved(&self) -> &'static [Slot] {
        if self.scale == Scale::Variance { &[Slot::Mean, Slot::Rstd] } else { &[Slot::Rstd] }
    }

    fn input(&self, options: &Options, access: Access) -> TensorSpec {
        let spec = TensorSpec::new(Slot::Input, &self.shape, options.types.input(), access);
        match self.row_stride {
            Some((len, stride)) => spec.row_stride(len, stride),
            None => spec,
        }
    }

    fn params(&self, slot: Slot, dtype: DType, access: Access) -> TensorSpec {
        TensorSpec::new(slot, &self.params_shape, dtype, access)
    }

    fn running(&self, access: Access) -> impl Iterator<Item = TensorSpec> + '_ {
        let channels = &self.stats_shape[self.stats_shape.len() - 1..];
        [Slot::RunningMean, Slot::RunningVar]
            .map(|slot| TensorSpec::new(slot, channels, DType::F32, access))
            .into_iter()
    }

    /// The statistics that the forward pass keeps for the backward pass.
    fn kept(&self, access: Access) -> TensorSpec {
        TensorSpec::new(Slot::Statistics, &[&[3], &self.stats_shape[..]].concat(), DType::F32, access)
    }

    /// The tensors of the forward pass.
    pub(crate) fn forward(&self, options: &Options) -> Vec<TensorSpec> {
        let types = options.types;
        let mut tensors = vec![self.input(options, if options.in_place { Access::ReadWrite } else { Access::Read })];
        let mut add = |on: bool, spec: TensorSpec| tensors.extend(on.then_some(spec));
        add(options.weight, self.params(Slot::Weight, types.params(), Access::Read));
        add(options.bias, self.params(Slot::Bias, types.params(), Access::Read));
        add(options.residual, TensorSpec::new(Slot::Residual, &self.shape, types.residual(), Access::Read));
        let sum = TensorSpec::new(Slot::ResidualOutput, &self.shape, types.residual_output(), Access::Write);
        add(options.residual_output, sum);
        add(!options.in_place, TensorSpec::new(Slot::Output, &self.shape, types.output(), Access::Write));
        for &slot in self.saved() {
            add(options.save_stats, TensorSpec::new(slot, &self.stats_shape, DType::F32, Access::Write));
        }
        if options.keep_statistics {
            tensors.push(self.kept(Access::Write));
        }
        match self.source {
            Source::Running => tensors.extend(self.running(Access::Read)),
            Source::Batch { parts, tracked } => {
                if let Some(parts) = parts {
                    let shape = [parts, self.params_shape[0], 4];
                    tensors.push(TensorSpec::new(Slot::Moments, &shape, DType::F32, Access::Read));
                }
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

    /// Whether what is normalized must be read to compute these gradients.
    pub(crate) fn gradient_needs_input(&self, options: &Options, gradients: Gradients) -> bool {
        let by_statistics = gradients.input && self.source != Source::Running;
        by_statistics || gradients.weight || options.activation != super::Activation::None
    }

    /// The tensors of the backward pass.
    pub(crate) fn backward(&self, options: &Options, gradients: Gradients) -> Vec<TensorSpec> {
        let types = options.types;
        let activation = options.activation != super::Activation::None;
        let needs_input = self.gradient_needs_input(options, gradients);
        let before = options.residual && !self.residual_after;
        let after = options.residual && self.residual_after;
        let summed = before && options.residual_output;
        let mut tensors = Vec::new();
        let mut add = |on: bool, spec: TensorSpec| tensors.extend(on.then_some(spec));
        let tensor = |slot, dtype, access| TensorSpec::new(slot, &self.shape, dtype, access);
        add(needs_input && !summed, self.input(options, Access::Read));
        add(needs_input && summed, tensor(Slot::ResidualOutput, types.residual_output(), Access::Read));
        add(
            (needs_input && before && !summed) || (after && activation),
            tensor(Slot::Residual, types.residual(), Access::Read),
        );
        let weighted = options.weight && (gradients.input || activation);
        add(weighted, self.params(Slot::Weight, types.params(), Access::Read));
        add(options.bias && activation, self.params(Slot::Bias, types.params(), Access::Read));
        add(true, tensor(Slot::GradOutput, types.output(), Access::Read));
        let sum = tensor(Slot::GradResidualOutput, types.residual_output(), Access::Read);
        add(summed && gradients.input, sum);
        if self.source == Source::Running && (gradients.input || needs_input) {
            tensors.extend(self.running(Access::Read));
        }
        let mut add = |on: bool, spec: TensorSpec| tensors.extend(on.then_some(spec));
        add(options.keep_statistics && needs_input, self.kept(Access::Read));
        add(gradients.input, tensor(Slot::GradInput, types.input(), Access::Write));
        add(gradients.residual, tensor(Slot::GradResidual, types.residual(), Access::Write));
        let access = if gradients.accumulate { Access::ReadWrite } else { Access::Write };
        add(gradients.weight, self.params(Slot::GradWeight, gradients.param_dtype, access));
        add(gradients.bias, self.params(Slot::GradBias, gradients.param_dtype, access));
        tensors
    }
}

/// Checks what the backward pass of an op with a definition is asked for.
pub(super) fn check_gradients(definition: &Definition, options: &Options, gradients: Gradients) -> Result<()> {
    if options.in_place {
        return Err(Error::InvalidArgument {
            argument: "in_place",
            value: "true".into(),
            expected: "false: the forward pass overwrites what the backward pass needs".into(),
        });
    }
    if matches!(definition.source, Source::Batch { parts: Some(_), .. }) {
        return Err(Error::Unsupported {
            what: "the backward pass of merged statistics".into(),
            why: "its sums run over all parts of the batch".into(),
        });
    }
    let own_residual = options.residual && definition.residual_after && options.activation != super::Activation::None;
    gradients.validate(options.weight, options.bias, own_residual)
}

impl<T: Geometric> Norm for T {
    fn name(&self) -> &'static str {
        Geometric::name(self)
    }

    fn shape(&self) -> &[usize] {
        Geometric::shape(self)
    }

    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        Ok(self.definition()?.forward(self.options()))
    }

    fn reference(&self, tensors: &crate::Tensors<'_>) -> Result<crate::Outputs<f64>> {
        tensors.check(&self.tensors()?)?;
        Ok(crate::reference::forward(self, &self.definition()?, tensors))
    }
}
