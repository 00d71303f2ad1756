//! The passes that sum gradients, and their merge. The gradient of the input needs sums over the groups of the
//! statistics. The gradients of weight and bias are sums over the groups of the weight.

use super::{
    KernelCall,
    backward::Backward,
    layout::IndexMap,
    occupancy::{MAX_MEMBERS, MAX_TURNS, left_to_merge, merges_by_workgroup, merging_workgroups, turns_to_merge},
    problem::Problem,
};
use crate::{
    caps::Caps,
    definition::Coefficients,
    error::{Error, Result},
    geometry::{Broadcast, Lookup, Reduction},
    kernels::{
        Kernel, REDUCE_BLOCK, SMALL_WORKGROUP, ShaderKey,
        merge_sums::{self, MergeSums, MergeSumsParams, Merged},
        roles::{AffineGradients, Given},
        sums::{Over, Sums, SumsParams},
    },
    slot::Slot,
    types::{Scale, Team},
    wgsl::storage::Buffer,
};

/// The result of merging partial sums.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The coefficients of the statistics' gradient.
    Coefficients,
    /// The gradients of weight and bias.
    Affine,
    /// Both, if statistics and weights have the same groups.
    Both,
    /// Both, if the groups of the statistics consist of parts that share a weight: the pass sums over these parts.
    Parts,
    /// The sums of a part of a batch, and the gradients of weight and bias.
    GradSums,
}

/// Bytes of partial sums as hi and lo, see `GroupSums` in `roles/sums.wgsl`.
const SUMS_BYTES: u64 = 24;

/// Parameters that merge this many partial sums to one for each group, and compute nothing else.
pub(super) fn merge_to_one(groups: u32, partials: u32) -> MergeSumsParams {
    MergeSumsParams {
        groups,
        members: 1,
        copies: 1,
        partials,
        weights: 1,
        stats_stride: 0,
        count: 0.0,
        eps: 0.0,
        weight_offset: 0.0,
        whole: 1,
        zero: 0,
    }
}

/// Whether the sums of split rows, which the input's gradient needs, give the gradients of weight and bias too.
pub(super) fn sums_by_parts(problem: &Problem<'_>) -> bool {
    problem.wants_affine_gradients() && parts(problem, false).is_some()
}

/// Storage buffers that a kernel binds.
fn storage_buffers(kernel: impl Into<Kernel>, caps: &Caps) -> usize {
    ShaderKey::new(kernel, caps).storage().len()
}

impl Backward<'_> {
    /// The sums that the gradient of the input needs: their groups, and the result of their merge.
    pub fn sums_for_input(&self, columns: bool) -> (Reduction, Target) {
        let Problem { stats, affine, .. } = self.problem;
        let wants_affine = self.gradients.weight || self.gradients.bias;
        if self.problem.definition.merged_parts().is_some() {
            return (*stats, Target::GradSums);
        }
        match parts(self.problem, columns).filter(|_| wants_affine) {
            _ if wants_affine && stats == affine && self.problem.has_dense_weights() => (*stats, Target::Both),
            Some(parts) => (parts, Target::Parts),
            None if columns => (*stats, Target::Coefficients),
            None => (runs(stats, affine), Target::Coefficients),
        }
    }

    /// Sums over a reduction, and their merge to `target`. `stats`: the geometry of the statistics.
    pub fn sums(
        &mut self,
        reduction: &Reduction,
        columns: bool,
        team: Team,
        given: Given,
        stats: Reduction,
        target: Target,
    ) -> Result<()> {
        let problem = self.problem;
        let whole = if columns { reduction.by_columns() } else { *reduction };
        let cols = if columns { whole.groups } else { whole.inner };
        let Some(view) = problem.view(stats, cols) else {
            return Err(Error::Unsupported {
                what: format!("the backward pass of {:?} by runs of memory", problem.definition.shape),
                why: "the runs are single elements, or their weights differ: columns is the method for them".into(),
            });
        };
        let layout = view.layout;
        let fixed = |lookup| if columns { fixed_in_columns(&whole, lookup) } else { fixed_in_runs(&whole, lookup) };
        let lookups = view.lookups(given, [fixed(view.stat), fixed(view.affine)]);
        // The groups of batch norm share a weight, which the merge applies.
        let weighted = target == Target::Coefficients;
        let gradient = self.gradient(given != Given::None, weighted);
        let split = problem.split(*reduction, columns, layout, team);
        let (splits, partial_stride) = (split.splits, whole.group_count());
        let IndexMap {
            stat: [stat_rows, stat_quotient, stat_remainder, stat_run],
            affine: [affine_rows, affine_quotient, affine_remainder, affine_run],
            stats_stride,
        } = view.index_map(stats.group_count());
        // One kernel for any number of rows. Short columns of many samples are worth their own.
        let rows = if whole.outer == 1 { REDUCE_BLOCK } else { whole.reduced };
        let block = rows.min(REDUCE_BLOCK).next_power_of_two();
        // Rounding leaves normalized values a mean that is not quite zero. It matters to sums that may cancel, those of
        // weights.
        let is_weights = match target {
            Target::Both | Target::Affine => true,
            Target::Parts => whole.group_count() == problem.stats.group_count(),
            // A part of a batch has a mean.
            Target::Coefficients | Target::GradSums => false,
        };
        let zero_mean = is_weights && lookups.stats_fixed && self.have_zero_mean(reduction, given);
        let kernel = |over| Sums { over, layout, lookups, gradient, weighted, zero_mean };
        let by_columns = |gradients| kernel(Over::Columns { block, gradients });
        // A single partial result is the gradient itself, so this pass writes it. The device must bind enough buffers,
        // and the sums must need no correction by the mean. The gradients may share a buffer with running statistics,
        // which this pass must not read then.
        let at_once = by_columns(Some(self.affine_gradients()));
        let is_at_once = columns
            && target == Target::Affine
            && split.partials == 1
            && given != Given::Running
            && !zero_mean
            && storage_buffers(at_once, problem.caps) <= problem.caps.max_storage_buffers as usize;
        let kernel = match (columns, is_at_once) {
            (true, true) => at_once,
            (true, false) => by_columns(None),
            (false, _) => kernel(Over::Runs { team, workgroup_size: split.workgroup_size }),
        };
        for (at, (chunk, part)) in problem.parts(whole).enumerate() {
            let Reduction { outer, reduced, groups, inner } = part.reduction;
            let params = SumsParams {
                outer,
                reduced,
                groups,
                packs: if columns { 1 } else { inner / layout.elements() },
                splits,
                first_row: chunk.first / cols,
                first_partial: split.first_partial(at, &part, partial_stride),
                partial_stride,
                eps: problem.options.eps,
                weight_offset: problem.weight_offset(),
                stats_stride,
                stat_rows,
                stat_quotient,
                stat_remainder,
                stat_run,
                affine_rows,
                affine_quotient,
                affine_remainder,
                affine_run,
                whole: u32::from(split.partials == 1 && partial_stride == reduction.group_count()),
                mean_share: if zero_mean { 1.0 / reduction.group_len() as f32 } else { 0.0 },
                zero: 0,
            };
            self.passes.calls.push(problem.call(chunk, cols, kernel, &params, split.workgroups(&part))?);
        }
        if is_at_once {
            return Ok(());
        }
        self.passes.need(Buffer::PartialSums, u64::from(partial_stride) * u64::from(split.partials) * SUMS_BYTES);
        let (groups, weights) = (problem.stats, problem.affine);
        let of_samples = target == Target::Affine && reduction.group_count() != weights.group_count();
        let mut left = split.partials;
        // The correction by the mean needs the sums of a whole group, before the merge adds other groups.
        if zero_mean && (of_samples || target == Target::Parts) && left > 1 {
            self.merge_groups(partial_stride, left)?;
            left = 1;
        }
        if target == Target::Parts {
            let members = partial_stride / groups.group_count();
            left = self.merge(&groups, members, left, false, stats, target)?;
        }
        if target == Target::Parts || of_samples {
            self.merge(&weights, 1, left * (partial_stride / weights.group_count()), false, stats, Target::Affine)?;
        } else {
            let members = if columns { reduction.inner } else { 1 };
            self.merge(reduction, members, left, false, stats, target)?;
        }
        Ok(())
    }

    /// Whether the groups of a reduction are those of the computed statistics, so that normalized values have a mean of
    /// zero over each.
    fn have_zero_mean(&self, reduction: &Reduction, given: Given) -> bool {
        let problem = self.problem;
        let runs = |reduction: &Reduction| (reduction.reduced == 1).then_some(reduction.inner);
        let same =
            *reduction == problem.stats || (runs(reduction).is_some() && runs(reduction) == runs(&problem.stats));
        let taken = matches!(given, Given::Batch | Given::Saved) && !problem.given();
        same && taken && problem.scale() == Scale::Variance
    }

    /// Whether the gradients of weights are first summed over the groups of the statistics: instance norm, where many
    /// samples share a weight.
    pub fn sums_by_runs(&self) -> bool {
        let Reduction { reduced, groups, inner, .. } = self.problem.stats;
        let weights = &self.problem.affine;
        inner > 1 && reduced == 1 && inner == weights.inner && groups.is_multiple_of(weights.group_count())
    }

    /// A smaller team for runs so short that most lanes of a workgroup would be idle.
    pub fn team_of_runs(&self, team: Team) -> Team {
        let is_short = self.problem.stats.inner <= SMALL_WORKGROUP * REDUCE_BLOCK;
        if is_short && team == Team::WorkgroupSubgroups { Team::Subgroup } else { team }
    }

    /// Merges the `splits` partial sums of each of the `members` of a group. The sums are hi and lo, or f32 with
    /// `numbers`. Returns how many sums of each a first pass left.
    pub fn merge(
        &mut self,
        reduction: &Reduction,
        members: u32,
        splits: u32,
        numbers: bool,
        stats: Reduction,
        target: Target,
    ) -> Result<u32> {
        let (problem, caps) = (self.problem, self.problem.caps);
        // Sums that contain the weight already do not need it.
        let weight = if target == Target::Coefficients { None } else { problem.affine().weight };
        let saved = problem.has_statistics_tensor();
        let scale = problem.scale();
        let merged = match target {
            Target::Affine => Merged::Nothing,
            Target::GradSums => Merged::GradSums,
            Target::Coefficients | Target::Both | Target::Parts => {
                Merged::Coefficients(merge_sums::Coefficients { scale, weight, saved })
            }
        };
        let gradients = match target {
            Target::Coefficients | Target::Parts => AffineGradients::NONE,
            Target::Affine | Target::Both | Target::GradSums => self.affine_gradients(),
        };
        let groups = reduction.group_count();
        // At most the number of elements.
        let apart = groups * members;
        let left = left_to_merge(splits, members, caps);
        let params = MergeSumsParams {
            groups,
            members,
            // Statistics by columns have a copy for each column.
            copies: if target == Target::Affine { 1 } else { stats.group_count() / groups },
            partials: left * apart,
            weights: problem.affine.group_count(),
            stats_stride: stats.group_count(),
            count: if target == Target::Affine { 0.0 } else { problem.count(reduction) },
            eps: problem.options.eps,
            weight_offset: problem.weight_offset(),
            whole: 1,
            zero: 0,
        };
        if left < splits {
            let (groups, partials) = (left * apart, splits * apart);
            let params = MergeSumsParams { groups, members: 1, copies: 1, partials, whole: 0, ..params };
            self.merge_call(numbers, Merged::Partials, AffineGradients::NONE, &params)?;
        }
        self.merge_call(numbers, merged, gradients, &params)?;
        if target != Target::Affine && self.gradients.coefficients == Coefficients::Computed {
            self.passes.need(Buffer::Tensor(Slot::Coefficients), u64::from(stats.group_count()) * 2 * 4);
        }
        Ok(left)
    }

    /// Merges the sums of all parts of a batch to the coefficients of its statistics.
    pub fn merge_parts(&mut self, parts: u32) -> Result<()> {
        let problem = self.problem;
        let groups = problem.stats.group_count();
        if turns_to_merge(parts.into(), 1) > MAX_TURNS.into() {
            return Err(Error::Unsupported {
                what: format!("the sums of {parts} parts of a batch"),
                why: format!("an invocation merges them, and goes through {} at most", MAX_TURNS / 2),
            });
        }
        // The op checked that the table of all parts fits u32.
        let partials = parts * groups;
        let params = MergeSumsParams {
            weights: problem.affine.group_count(),
            stats_stride: groups,
            weight_offset: problem.weight_offset(),
            whole: 0,
            ..merge_to_one(groups, partials)
        };
        let merged = Merged::OfParts(problem.affine().weight);
        self.merge_call(false, merged, AffineGradients::NONE, &params)?;
        self.passes.need(Buffer::Tensor(Slot::Coefficients), u64::from(groups) * 2 * 4);
        Ok(())
    }

    /// Merges the `splits` partial sums of each of `groups` to one.
    fn merge_groups(&mut self, groups: u32, splits: u32) -> Result<()> {
        self.merge_call(false, Merged::Partials, AffineGradients::NONE, &merge_to_one(groups, splits * groups))
    }

    fn merge_call(
        &mut self,
        numbers: bool,
        merged: Merged,
        gradients: AffineGradients,
        params: &MergeSumsParams,
    ) -> Result<()> {
        let caps = self.problem.caps;
        let of_group = params.partials / params.groups;
        let by_workgroup = merges_by_workgroup(of_group, merged != Merged::Partials, caps);
        let kernel = MergeSums { by_workgroup, numbers, merged, gradients };
        let workgroups = merging_workgroups(params.groups, by_workgroup);
        self.passes.calls.push(KernelCall::new(kernel, params, workgroups, caps)?);
        Ok(())
    }
}

/// Whether all elements of a group have the same index of a lookup, for the tensor as rows of the reduction's runs.
fn fixed_in_runs(reduction: &Reduction, lookup: Lookup) -> bool {
    let Reduction { reduced, groups, .. } = *reduction;
    let one_step = groups.is_multiple_of(lookup.rows) && groups / lookup.rows * lookup.quotient == 0;
    let one_period = groups == 1 && lookup.remainder == 0 && lookup.rows.is_multiple_of(reduced);
    lookup.columns == Broadcast::Row && (reduced == 1 || one_step || one_period)
}

/// The same for the columns of a reduction, for the tensor as rows of all columns.
fn fixed_in_columns(reduction: &Reduction, lookup: Lookup) -> bool {
    // A single row has fixed values too, but the kernel of more rows.
    let is_single = reduction.outer * reduction.reduced == 1 && lookup.rows == 1;
    lookup.remainder == 0 && lookup.rows.is_multiple_of(reduction.reduced) && !is_single
}

/// The parts of the statistics' groups that also share a weight, if their order is that of the weights. They are the
/// columns of channels-last group norm, or the channels of a channels-first sample.
fn parts(problem: &Problem<'_>, columns: bool) -> Option<Reduction> {
    let Problem { stats, affine, .. } = problem;
    let parts = if columns {
        stats.by_columns()
    } else if stats.reduced == 1 && stats.inner.is_multiple_of(affine.inner) {
        Reduction::new(1, 1, stats.group_count() * (stats.inner / affine.inner), affine.inner)
    } else {
        return None;
    };
    let in_order = if columns { affine.groups == parts.groups } else { affine.inner > 1 };
    let weights = affine.group_count();
    let is_each = affine.inner == parts.inner && (affine.outer == 1 || weights == parts.group_count());
    let few = parts.group_count() / stats.group_count() <= MAX_MEMBERS;
    // By columns, `sums` derives the columns from the whole reduction.
    (in_order && is_each && few && problem.has_dense_weights()).then_some(if columns { *stats } else { parts })
}

/// A reduction whose runs end where the weight changes, so that a run has one weight: group norm of channels-first
/// tensors.
fn runs(stats: &Reduction, affine: &Reduction) -> Reduction {
    let run = affine.inner;
    if run > 1 && stats.reduced == 1 && stats.inner > run && stats.inner.is_multiple_of(run) {
        Reduction::new(stats.group_count(), stats.inner / run, 1, run)
    } else {
        *stats
    }
}
