//! Backward passes: the gradient of the input, by rows or by sums over what shares a statistic; then those of weight and bias,
//! by sums over what shares a weight.

use super::{
    Caps, KernelCall, Lowered, Method, Problem, Scratch, Strategy, Team,
    method::{
        MAX_MEMBERS, WIDE_WORKGROUP, blocks, choose, filling, largest_team, left_to_merge, merging_workgroups, rounds,
        together,
    },
    view::Place,
};
use crate::{
    error::{Error, Result},
    geometry::{Columns, Fold, Lookup},
    kernel::{
        key::{
            Affine, Coefficients, ForParams, Given, GradInput, Gradient, Hold, KernelKey, MergedSums, ParamGradients,
            REDUCE_BLOCK, SMALL_WORKGROUP, Saved, Scale, X,
        },
        params,
    },
    ops::{
        Activation, Gradients, Options,
        definition::{Definition, Source},
    },
    tensor::{Slot, TensorSpec, element_count},
};

/// Lowers a backward pass.
pub(crate) fn backward(
    definition: &Definition,
    options: &Options,
    gradients: Gradients,
    tensors: Vec<TensorSpec>,
    caps: &Caps,
    strategy: Strategy,
) -> Result<Lowered> {
    // Running statistics are updated in the forward pass.
    let untracked = Definition { source: definition.source.untracked(), ..definition.clone() };
    let Some(problem) = Problem::new(&untracked, options, &tensors, caps)? else {
        return nothing(definition, gradients, tensors, caps);
    };
    let method = choose(&problem, strategy, gradients.input)?;
    let mut pass = Pass { problem: &problem, gradients, calls: Vec::new(), scratch: Vec::new() };
    pass.lower(method)?;
    let Pass { calls, scratch, .. } = pass;
    Lowered::new(method, tensors, calls, scratch, caps)
}

/// An empty batch: the gradients of weight and bias are zero, which is written unless it is added.
fn nothing(definition: &Definition, gradients: Gradients, tensors: Vec<TensorSpec>, caps: &Caps) -> Result<Lowered> {
    let groups = element_count(&definition.params_shape)?;
    let params = gradients.params();
    if gradients.accumulate || groups == 0 || !(params.weight || params.bias) {
        return Ok(Lowered::nothing(tensors));
    }
    let key = KernelKey::MergeSums { together: false, numbers: true, merged: MergedSums::Nothing, gradients: params };
    let uniform = merge_to_one(groups, 0);
    let call = KernelCall::new(key, &uniform, groups.div_ceil(SMALL_WORKGROUP).into(), caps)?;
    // It has no partial sums to merge, but binds them.
    let scratch = vec![Scratch { slot: Slot::PartialSums, bytes: 16 }];
    Lowered::new(Method::Elementwise, tensors, vec![call], scratch, caps)
}

/// Merges so many partial sums to one for each group, from which nothing else is computed.
fn merge_to_one(groups: u32, partials: u32) -> params::MergeSums {
    params::MergeSums {
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

impl Gradients {
    fn params(self) -> ParamGradients {
        ParamGradients { weight: self.weight, bias: self.bias, accumulate: self.accumulate, dtype: self.param_dtype }
    }
}

/// A backward pass as it is put together.
struct Pass<'a> {
    problem: &'a Problem<'a>,
    gradients: Gradients,
    calls: Vec<KernelCall>,
    scratch: Vec<Scratch>,
}

/// What partial sums are merged to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// What the gradient of the input loses through the statistics.
    Coefficients,
    /// The gradients of weight and bias.
    Params,
    /// Both, where what shares a statistic also shares a weight.
    Both,
    /// Both, where what shares a statistic is made of parts that share a weight: of sums over those.
    Parts,
}

/// Bytes of the partial sums that are hi and lo, as `parts/group_sums` has them.
const SUMS_BYTES: u64 = 24;

/// Packs that a lane holds of a row and sums up, of which a multiprocessor has 512 lanes.
const SUM_REGISTERS: u32 = 4;

impl Pass<'_> {
    fn lower(&mut self, method: Method) -> Result<()> {
        let problem = self.problem;
        let definition = problem.definition;
        let gradients = self.gradients;
        let wants_params = gradients.weight || gradients.bias;
        let needs_input = definition.gradient_needs_input(problem.options, gradients);
        // The gradient of weight and bias alone may need no statistics.
        let params_need = gradients.weight || problem.options.activation != Activation::None;
        let team = match method {
            Method::Split(team) => team,
            _ => largest_team(problem.caps),
        };
        let (given, stats) = match (method, definition.source) {
            (_, Source::Running) => (Given::Running, problem.stats),
            _ if !needs_input => (Given::None, problem.stats),
            _ if problem.options.keep_statistics => (Given::Kept, problem.stats),
            (Method::Resident(team) | Method::Streamed(team), _) => {
                if self.rows(team, method == Method::Streamed(team), params_need && wants_params)? {
                    return Ok(());
                }
                (problem.taken(), problem.stats)
            }
            _ => {
                let (calls, scratch, stats) = problem.take_statistics(method, self.x(), Saved::None)?;
                self.calls.extend(calls);
                self.scratch.extend(scratch);
                self.scratch.extend(problem.statistics_scratch(stats));
                (problem.taken(), stats)
            }
        };
        let by_rows = matches!(method, Method::Resident(_) | Method::Streamed(_));
        let through = matches!(given, Given::Batch | Given::Norms | Given::Kept) && gradients.input && !by_rows;
        // One pass over both tensors may have all sums.
        let mut both = false;
        if through {
            let columns = method == Method::Columns;
            let parts = parts(&problem.stats, &problem.params, columns).filter(|_| wants_params);
            let (fold, target) = match parts {
                _ if wants_params && problem.stats == problem.params => (problem.stats, Target::Both),
                Some(parts) => (parts, Target::Parts),
                None if columns => (problem.stats, Target::Coefficients),
                None => (runs(&problem.stats, &problem.params), Target::Coefficients),
            };
            both = matches!(target, Target::Both | Target::Parts);
            self.sums(&fold, columns, team, given, stats, target)?;
        }
        if (gradients.input && !by_rows) || gradients.residual {
            self.apply(given, stats, through)?;
        }
        if wants_params && !both {
            let given = if params_need { given } else { Given::None };
            let (fold, team) =
                if self.sums_by_runs() { (problem.stats, self.team_of_runs(team)) } else { (problem.params, team) };
            self.sums(&fold, fold.inner == 1, team, given, stats, Target::Params)?;
        }
        Ok(())
    }

    /// What is normalized: the sum of input and residual, if the forward pass wrote it.
    fn x(&self) -> X {
        let options = self.problem.options;
        match self.problem.x() {
            X::Residual(..) if options.residual_output => X::Sum(options.types.residual_output()),
            x => x,
        }
    }

    /// What is normalized, and the gradient that reaches it.
    fn gradient(&self, needs_x: bool, affine: Affine) -> Gradient {
        let x = if needs_x { self.x() } else { X::None };
        Gradient { x, affine, grad_output: self.problem.options.types.output() }
    }

    /// The tables that this pass reads: all of them for an activation, the weight alone to multiply by it.
    fn affine(&self, weighted: bool) -> Affine {
        let affine = self.problem.affine();
        if affine.activation != Activation::None {
            affine
        } else if weighted {
            Affine { weight: affine.weight, ..Affine::NONE }
        } else {
            Affine::NONE
        }
    }

    fn grad_input(&self) -> GradInput {
        let options = self.problem.options;
        let grad_sum = options.residual_output.then_some(options.types.residual_output());
        GradInput { dtype: options.types.input(), grad_sum }
    }

    /// The gradient of the input by rows that belong to a team each. Says whether it had the gradients of weight and bias as well:
    /// where teams hold enough rows that share them in registers.
    fn rows(&mut self, team: Team, streamed: bool, params_need_statistics: bool) -> Result<bool> {
        let (problem, caps, gradients) = (self.problem, self.problem.caps, self.gradients);
        let (rows, hold) = problem.hold(team, streamed)?;
        let workgroup_size = rows.workgroup_size(team, caps);
        let tuning = &caps.tuning;
        // Registers, most of which sums are in, are what limits how many there are at a time.
        let crowded = matches!(hold, Hold::Registers { packs, .. } if packs > SUM_REGISTERS && !caps.cpu);
        let workgroups = if crowded { tuning.workgroups.div_ceil(2) } else { tuning.workgroups };
        let filling = filling(workgroups, team, workgroup_size, caps);
        // Half as many for a cluster, which holds so little that there is room for more of them, and for a wide workgroup, of which few run at a time.
        let halved = team == Team::Cluster || workgroup_size > WIDE_WORKGROUP;
        let most = if halved { tuning.sum_rounds.div_ceil(2) } else { tuning.sum_rounds };
        let sum_rounds = rounds(rows.count(problem.stats.len()), filling, most);
        let sum_rounds = match hold {
            _ if sum_rounds < tuning.least_sum_rounds => 0,
            Hold::Registers { .. } => sum_rounds,
            Hold::Rows { at_once, .. } => (sum_rounds / at_once).max(1).min(blocks(&rows, team, caps)),
        };
        let partials = |rounds| problem.row_partials(&rows, hold, rounds);
        let partial_bytes = |rounds| u64::from(problem.stats.shared()) * u64::from(partials(rounds)) * 8;
        // A sum for each column is one for each weight.
        let sums = rows.shared
            && rows.view.param.columns == Columns::Each
            && (gradients.weight || gradients.bias)
            && sum_rounds > 0
            && partial_bytes(sum_rounds) <= caps.max_storage_buffer_binding_size;
        let (for_params, rounds) = match (sums, params_need_statistics) {
            (true, _) => (ForParams::Sums, sum_rounds),
            (false, true) => (ForParams::Statistics, problem.rounds(team, &rows, hold)),
            (false, false) => (ForParams::None, problem.rounds(team, &rows, hold)),
        };
        let hold = problem.whole(&rows, hold, rounds);
        let key = KernelKey::RowBackward {
            team,
            workgroup_size,
            hold,
            width: rows.view.width,
            scale: problem.scale(),
            params: rows.view.by(rows.view.param),
            shared: rows.shares_weights(hold, rounds),
            gradient: self.gradient(true, self.affine(true)),
            grad_input: self.grad_input(),
            for_params,
        };
        self.calls.extend(problem.row_calls(team, &rows, hold, rounds, &key)?);
        match for_params {
            ForParams::None => {}
            ForParams::Statistics => self.scratch.extend(problem.statistics_scratch(problem.stats)),
            ForParams::Sums => {
                self.need(Slot::PartialSums, partial_bytes(rounds));
                self.merge(&problem.params, 1, partials(rounds), true, problem.stats, Target::Params)?;
            }
        }
        Ok(sums)
    }

    /// Sums over a fold, and what they are merged to. Statistics lie as `stats` says.
    fn sums(
        &mut self,
        fold: &Fold,
        columns: bool,
        team: Team,
        given: Given,
        stats: Fold,
        target: Target,
    ) -> Result<()> {
        let problem = self.problem;
        let whole = if columns { fold.columns() } else { *fold };
        let cols = if columns { whole.kept } else { whole.inner };
        let Some(view) = problem.view(stats, cols) else {
            return Err(Error::Unsupported {
                what: format!("the backward pass of {:?} by runs of memory", problem.definition.shape),
                why: "the runs are single elements, or their weights differ: it goes by columns".into(),
            });
        };
        let width = view.width;
        let fixed = |lookup| if columns { fixed_in_columns(&whole, lookup) } else { fixed_in_runs(&whole, lookup) };
        let lookups = view.lookups(given, [fixed(view.stat), fixed(view.param)]);
        // Batch norm's groups share a weight, which comes in when sums are merged.
        let weighted = target == Target::Coefficients;
        let gradient = self.gradient(given != Given::None, self.affine(weighted));
        let shared = problem.shared(*fold, columns, width, team);
        let (workgroup_size, splits, partial_stride) = (shared.workgroup_size, shared.splits, whole.kept_len());
        let Place {
            stat: [stat_rows, stat_quotient, stat_remainder, stat_run],
            param: [param_rows, param_quotient, param_remainder, param_run],
            stats_stride,
        } = view.place(stats.kept_len());
        let block = whole.reduced.min(REDUCE_BLOCK).next_power_of_two();
        // A mean that is not zero by rounding alone matters to sums that may cancel, those of a weight.
        let is_weights = match target {
            Target::Both | Target::Params => true,
            Target::Parts => whole.kept_len() == problem.stats.kept_len(),
            Target::Coefficients => false,
        };
        let zero_mean = is_weights && lookups.stats_fixed && self.have_zero_mean(fold, given);
        let by_columns =
            |gradients| KernelKey::SumsColumns { block, width, lookups, gradient, weighted, zero_mean, gradients };
        // What has one partial result is the result, on a device that can bind both gradients there, where no mean
        // comes out of it. They may be in a buffer with running statistics, which are read then.
        let at_once = by_columns(Some(self.gradients.params()));
        let at_once = columns
            && target == Target::Params
            && shared.partials == 1
            && given != Given::Running
            && !zero_mean
            && at_once.storage().len() <= problem.caps.max_storage_buffers as usize;
        let key = if columns {
            by_columns(at_once.then(|| self.gradients.params()))
        } else {
            KernelKey::Sums { team, workgroup_size, width, lookups, gradient, weighted, zero_mean }
        };
        for (at, (slab, part)) in problem.parts(whole).enumerate() {
            let Fold { outer, reduced, kept, inner } = part.fold;
            let params = params::Sums {
                outer,
                reduced,
                kept,
                packs: if columns { 1 } else { inner / width.elements() },
                input_packs: problem.input_stride(cols) / width.elements(),
                splits,
                first_row: slab.first / cols,
                first_partial: shared.first_partial(at, &part, partial_stride),
                partial_stride,
                eps: problem.options.eps,
                weight_offset: problem.weight_offset(),
                stats_stride,
                stat_rows,
                stat_quotient,
                stat_remainder,
                stat_run,
                param_rows,
                param_quotient,
                param_remainder,
                param_run,
                whole: u32::from(shared.partials == 1 && partial_stride == fold.kept_len()),
                mean_share: 1.0 / fold.shared() as f32,
                zero: 0,
            };
            self.calls.push(problem.call(slab, key, &params, shared.workgroups(&part))?);
        }
        if at_once {
            return Ok(());
        }
        self.need(Slot::PartialSums, u64::from(partial_stride) * u64::from(shared.partials) * SUMS_BYTES);
        let (groups, weights) = (problem.stats, problem.params);
        let of_samples = target == Target::Params && fold.kept_len() != weights.kept_len();
        let mut left = shared.partials;
        // The mean of what is normalized comes out of the sums of a whole group, before those are added to another's.
        if zero_mean && (of_samples || target == Target::Parts) && left > 1 {
            self.merge_groups(partial_stride, left)?;
            left = 1;
        }
        if target == Target::Parts {
            let members = partial_stride / groups.kept_len();
            left = self.merge(&groups, members, left, false, stats, target)?;
        }
        if target == Target::Parts || of_samples {
            self.merge(&weights, 1, left * (partial_stride / weights.kept_len()), false, stats, Target::Params)?;
        } else {
            let members = if columns { fold.inner } else { 1 };
            self.merge(fold, members, left, false, stats, target)?;
        }
        Ok(())
    }

    /// Whether the groups of a fold are what the statistics were taken of, so that what is normalized has a mean of
    /// zero over each.
    fn have_zero_mean(&self, fold: &Fold, given: Given) -> bool {
        let problem = self.problem;
        let runs = |fold: &Fold| (fold.reduced == 1).then_some(fold.inner);
        let same = *fold == problem.stats || (runs(fold).is_some() && runs(fold) == runs(&problem.stats));
        let taken = matches!(given, Given::Batch | Given::Kept) && !problem.given();
        same && taken && problem.scale() == Scale::Variance
    }

    /// Whether gradients of weights are summed up over what shares a statistic first: instance norm, of which a weight
    /// has many samples.
    fn sums_by_runs(&self) -> bool {
        let Fold { reduced, kept, inner, .. } = self.problem.stats;
        let weights = &self.problem.params;
        inner > 1 && reduced == 1 && inner == weights.inner && kept.is_multiple_of(weights.kept_len())
    }

    /// A smaller team where runs are so short that most lanes of a workgroup would have nothing to do.
    fn team_of_runs(&self, team: Team) -> Team {
        let is_short = self.problem.stats.inner <= SMALL_WORKGROUP * REDUCE_BLOCK;
        if is_short && team == Team::WorkgroupSubgroups { Team::Subgroup } else { team }
    }

    /// A scratch slot that passes may share, one after the other.
    fn need(&mut self, slot: Slot, bytes: u64) {
        match self.scratch.iter_mut().find(|scratch| scratch.slot == slot) {
            Some(scratch) => scratch.bytes = scratch.bytes.max(bytes),
            None => self.scratch.push(Scratch { slot, bytes }),
        }
    }

    /// Merges the `splits` partial sums of each of `members` of a group, which are hi and lo unless they are `numbers`.
    /// Says how many of each are left.
    fn merge(
        &mut self,
        fold: &Fold,
        members: u32,
        splits: u32,
        numbers: bool,
        stats: Fold,
        target: Target,
    ) -> Result<u32> {
        let (problem, caps) = (self.problem, self.problem.caps);
        // Sums that are multiplied by the weight already need it no more.
        let weight = if target == Target::Coefficients { None } else { problem.affine().weight };
        let kept = problem.options.keep_statistics;
        let scale = problem.scale();
        let merged = match target {
            Target::Params => MergedSums::Nothing,
            _ => MergedSums::Coefficients(Coefficients { scale, weight, kept }),
        };
        let gradients = match target {
            Target::Coefficients | Target::Parts => ParamGradients::NONE,
            Target::Params | Target::Both => self.gradients.params(),
        };
        let groups = fold.kept_len();
        // No more than there are elements.
        let apart = groups * members;
        let left = left_to_merge(splits, members, caps);
        let params = params::MergeSums {
            groups,
            members,
            // Statistics lie by columns where they were taken by columns.
            copies: if target == Target::Params { 1 } else { stats.kept_len() / groups },
            partials: left * apart,
            weights: problem.params.kept_len(),
            stats_stride: stats.kept_len(),
            count: fold.shared() as f32,
            eps: problem.options.eps,
            weight_offset: problem.weight_offset(),
            whole: 1,
            zero: 0,
        };
        if left < splits {
            let (groups, partials) = (left * apart, splits * apart);
            let params = params::MergeSums { groups, members: 1, copies: 1, partials, whole: 0, ..params };
            self.merge_call(numbers, MergedSums::Partials, ParamGradients::NONE, &params)?;
        }
        self.merge_call(numbers, merged, gradients, &params)?;
        if target != Target::Params {
            self.need(Slot::Coefficients, u64::from(stats.kept_len()) * 2 * 4);
        }
        Ok(left)
    }

    /// Merges the `splits` partial sums of each of `groups` to one.
    fn merge_groups(&mut self, groups: u32, splits: u32) -> Result<()> {
        self.merge_call(false, MergedSums::Partials, ParamGradients::NONE, &merge_to_one(groups, splits * groups))
    }

    fn merge_call(
        &mut self,
        numbers: bool,
        merged: MergedSums,
        gradients: ParamGradients,
        params: &params::MergeSums,
    ) -> Result<()> {
        let caps = self.problem.caps;
        let together = together(params.partials / params.groups, caps);
        let key = KernelKey::MergeSums { together, numbers, merged, gradients };
        let workgroups = merging_workgroups(&key, params.groups, together);
        self.calls.push(KernelCall::new(key, params, workgroups, caps)?);
        Ok(())
    }

    /// The gradients of input and residual, element by element.
    fn apply(&mut self, given: Given, stats: Fold, through: bool) -> Result<()> {
        let (problem, gradients) = (self.problem, self.gradients);
        let needs_x = through || problem.options.activation != Activation::None;
        for &slab in &problem.slabs {
            let walk = problem.walk(stats, slab)?;
            let key = |input: bool, residual: bool| KernelKey::ApplyBackward {
                width: walk.view.width,
                lookups: walk.view.lookups(given, walk.fixed),
                gradient: self.gradient(needs_x, self.affine(input)),
                through: (input && through).then(|| problem.scale()),
                grad_input: input.then(|| self.grad_input()),
                grad_residual: residual.then_some(problem.options.types.residual()),
            };
            let both = key(gradients.input, gradients.residual);
            let two = gradients.input && gradients.residual;
            let keys = if two && both.storage().len() > problem.caps.max_storage_buffers as usize {
                // A device with the guaranteed number of storage buffers writes one after the other.
                vec![key(true, false), key(false, true)]
            } else {
                vec![both]
            };
            for key in keys {
                let (params, workgroups) = problem.walk_params(&walk, stats);
                self.calls.push(problem.call(slab, key, &params, workgroups)?);
            }
        }
        Ok(())
    }
}

impl Problem<'_> {
    /// Whether a pass that splits rows has the gradients of weight and bias from the sums that it takes anyway.
    pub(super) fn sums_by_parts(&self) -> bool {
        let asked_for = |slot| self.tensors.iter().any(|spec| spec.slot == slot);
        let wants_params = asked_for(Slot::GradWeight) || asked_for(Slot::GradBias);
        wants_params && parts(&self.stats, &self.params, false).is_some()
    }
}

/// Whether what is kept of a fold has one index of a lookup, seen as rows of the fold's runs.
fn fixed_in_runs(fold: &Fold, lookup: Lookup) -> bool {
    let Fold { reduced, kept, .. } = *fold;
    let one_step = kept.is_multiple_of(lookup.rows) && kept / lookup.rows * lookup.quotient == 0;
    let one_period = kept == 1 && lookup.remainder == 0 && lookup.rows.is_multiple_of(reduced);
    lookup.columns == Columns::Whole && (reduced == 1 || one_step || one_period)
}

/// The same for the columns of a fold, seen as rows of all of them.
fn fixed_in_columns(fold: &Fold, lookup: Lookup) -> bool {
    lookup.remainder == 0 && lookup.rows.is_multiple_of(fold.reduced)
}

/// The parts of what shares a statistic that share a weight too, if they follow each other as the weights do: each column of group norm of
/// channels-last tensors, each channel of a sample of channels-first ones.
fn parts(stats: &Fold, params: &Fold, columns: bool) -> Option<Fold> {
    let parts = if columns {
        stats.columns()
    } else if stats.reduced == 1 && stats.inner.is_multiple_of(params.inner) {
        Fold::new(1, 1, stats.kept_len() * (stats.inner / params.inner), params.inner)
    } else {
        return None;
    };
    let in_order = if columns { params.kept == parts.kept } else { params.inner > 1 };
    let weights = params.kept_len();
    let is_each = params.inner == parts.inner && (params.outer == 1 || weights == parts.kept_len());
    let few = parts.kept_len() / stats.kept_len() <= MAX_MEMBERS;
    // Who goes by columns is given the fold that they are of.
    (in_order && is_each && few).then_some(if columns { *stats } else { parts })
}

/// A fold whose runs are cut where the weight changes, so that a run has one: group norm of channels-first tensors.
fn runs(stats: &Fold, params: &Fold) -> Fold {
    let run = params.inner;
    if run > 1 && stats.reduced == 1 && stats.inner > run && stats.inner.is_multiple_of(run) {
        Fold::new(stats.kept_len(), stats.inner / run, 1, run)
    } else {
        *stats
    }
}
