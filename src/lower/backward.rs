//! Backward passes. The gradient of the input comes first, by rows or by sums over the groups of the statistics. The
//! gradients of weight and bias follow, by sums over the groups of the weight.

use super::{
    KernelCall, Lowered, Passes, STORAGE_BUFFERS, Scratch,
    choose::choose,
    occupancy::{largest_team, merges_by_workgroup, merging_workgroups},
    problem::Problem,
    rows::TeamRows,
    sums::{self, Target},
};
use crate::{
    caps::Caps,
    definition::{Coefficients, Definition, Gradients, Source},
    error::{Error, Result},
    geometry::Reduction,
    kernels::{
        apply,
        merge_sums::{MergeSums, Merged},
        roles::{Affine, AffineGradients, After, Given, GradInput, Gradient, Saved, X},
        row::{self, ForAffine},
    },
    options::Options,
    tensor::{TensorSpec, element_count},
    types::{Activation, Method, Strategy, Team},
    wgsl::storage::Buffer,
};

/// Lowers a backward pass.
pub(super) fn lower(
    definition: &Definition,
    options: &Options,
    gradients: Gradients,
    tensors: Vec<TensorSpec>,
    caps: &Caps,
    strategy: Strategy,
) -> Result<Lowered> {
    // Only the forward pass updates running statistics.
    let untracked = Definition { source: definition.source.untracked(), ..definition.clone() };
    let Some(problem) = Problem::new(&untracked, options, &tensors, caps)? else {
        return nothing(definition, gradients, tensors, caps);
    };
    let mut backward = Backward { problem: &problem, gradients, passes: Passes::default() };
    // The kernels of rows write no gradient of a residual after the norm.
    let method = choose(&problem, strategy, gradients.input && !backward.writes_grad_residual())?;
    backward.lower(method)?;
    let passes = backward.passes;
    Lowered::new(method, tensors, passes, caps)
}

/// An empty batch: the gradients of weight and bias are zero, and so are the sums of a part. A kernel writes the zeros,
/// unless the op accumulates.
fn nothing(definition: &Definition, gradients: Gradients, tensors: Vec<TensorSpec>, caps: &Caps) -> Result<Lowered> {
    let groups = element_count(&definition.affine_shape)?;
    let of_part = definition.merged_parts().is_some() && gradients.coefficients == Coefficients::Written;
    let merged = if of_part { Merged::GradSums } else { Merged::Nothing };
    let gradients = affine_gradients(gradients);
    let writes_zeros = !gradients.accumulate && (gradients.weight || gradients.bias);
    if groups == 0 || !(writes_zeros || of_part) {
        return Ok(Lowered::nothing(tensors));
    }
    let by_workgroup = merges_by_workgroup(0, true, caps);
    let kernel = MergeSums { by_workgroup, numbers: true, merged, gradients };
    let params = sums::merge_to_one(groups, 0);
    let call = KernelCall::new(kernel, &params, merging_workgroups(groups, by_workgroup), caps)?;
    // The kernel merges no partial sums, but binds their buffer.
    let scratch = vec![Scratch { buffer: Buffer::PartialSums, bytes: 16 }];
    Lowered::new(Method::Elementwise, tensors, Passes { calls: vec![call], scratch }, caps)
}

fn affine_gradients(gradients: Gradients) -> AffineGradients {
    let Gradients { weight, bias, accumulate, affine_dtype: dtype, .. } = gradients;
    AffineGradients { weight, bias, accumulate, dtype }
}

/// A backward pass under construction.
pub(super) struct Backward<'a> {
    pub problem: &'a Problem<'a>,
    pub gradients: Gradients,
    pub passes: Passes,
}

impl Backward<'_> {
    fn lower(&mut self, method: Method) -> Result<()> {
        let problem = self.problem;
        let gradients = self.gradients;
        let wants_affine = gradients.weight || gradients.bias;
        let needs_input = problem.definition.gradient_needs_input(problem.options, gradients);
        // The gradient of weight and bias alone may need no statistics.
        let affine_needs_statistics = gradients.weight || problem.options.activation != Activation::None;
        let team = match method {
            Method::Split(team) => team,
            _ => largest_team(problem.caps),
        };
        let (given, stats) = match (method, problem.definition.source) {
            (_, Source::Running) => (Given::Running, problem.stats),
            _ if !needs_input => (Given::None, problem.stats),
            _ if problem.has_statistics_tensor() => (Given::Saved, problem.stats),
            (Method::Resident(team) | Method::Streamed(team), _) => {
                if self.rows(team, method == Method::Streamed(team), affine_needs_statistics && wants_affine)? {
                    return Ok(());
                }
                (problem.taken(), problem.stats)
            }
            _ => {
                let x = self.x();
                let stats = problem.take_statistics(&mut self.passes, method, x, Saved::None)?;
                (problem.taken(), stats)
            }
        };
        let by_rows = matches!(method, Method::Resident(_) | Method::Streamed(_));
        let taken = matches!(given, Given::Batch | Given::Norms | Given::Saved);
        let through_statistics = taken && gradients.input_or_coefficients() && !by_rows;
        let mut has_affine = false;
        let parts = problem.definition.merged_parts();
        if through_statistics && gradients.coefficients != Coefficients::Given {
            // Given statistics are those of columns too, and a part of a batch may have one value a channel.
            let is_columns = problem.is_columns() || (parts.is_some() && stats.inner == 1);
            let columns = method == Method::Columns || (method == Method::Elementwise && is_columns);
            let (reduction, target) = self.sums_for_input(columns);
            // One pass over both tensors may compute all sums.
            has_affine = matches!(target, Target::Both | Target::Parts | Target::GradSums);
            self.sums(&reduction, columns, team, given, stats, target)?;
        }
        if let (Some(parts), Coefficients::Given) = (parts, gradients.coefficients) {
            self.merge_parts(parts as u32)?;
        }
        if (gradients.input && !by_rows) || self.writes_grad_residual() {
            self.apply(given, stats, through_statistics)?;
        }
        if wants_affine && !has_affine {
            let given = if affine_needs_statistics { given } else { Given::None };
            let (reduction, team) =
                if self.sums_by_runs() { (problem.stats, self.team_of_runs(team)) } else { (problem.affine, team) };
            self.sums(&reduction, reduction.inner == 1, team, given, stats, Target::Affine)?;
        }
        Ok(())
    }

    /// Whether an elementwise pass writes the gradient of a residual after the norm. That of a residual before it comes
    /// with the gradient of the input.
    fn writes_grad_residual(&self) -> bool {
        self.gradients.residual && self.problem.definition.residual_after
    }

    /// The values to normalize: the sum of input and residual, if the forward pass wrote it.
    fn x(&self) -> X {
        let options = self.problem.options;
        match self.problem.x() {
            X::Residual { .. } | X::Gated(_, _, Some(_)) if options.writes_sum() => X::Sum(options.sum_dtype()),
            x => x,
        }
    }

    /// The values to normalize, and the gradient of the normalized values. An activation needs all tables, `weighted`
    /// the weight alone, and a gate neither.
    pub fn gradient(&self, needs_x: bool, weighted: bool) -> Gradient {
        let affine = self.problem.affine();
        let after = After { residual: None, ..affine.after };
        let affine = match (affine.activation, weighted) {
            (Activation::None, false) => Affine { after, ..Affine::NONE },
            (Activation::None, true) => Affine { weight: affine.weight, after, ..Affine::NONE },
            _ => affine,
        };
        let x = if needs_x { self.x() } else { X::None };
        Gradient { x, affine, grad_output: self.problem.options.result_dtype() }
    }

    fn grad_input(&self) -> GradInput {
        let options = self.problem.options;
        let grad_sum = options.writes_sum().then_some(options.sum_dtype());
        let gradients = self.gradients;
        GradInput {
            dtype: options.types.input(),
            grad_sum,
            gate: self.problem.gate_factor(true),
            grad_residual: (gradients.residual && !self.writes_grad_residual()).then_some(options.types.residual()),
            grad_gate: gradients.gate.then_some(options.types.gate()),
        }
    }

    /// The gradient for a kernel that writes that of the input. That of a gate behind weight and bias needs both.
    fn whole_gradient(&self, needs_x: bool) -> Gradient {
        let gradient = self.gradient(needs_x, true);
        let needs_bias = gradient.affine.after.gate.is_some() && self.gradients.gate;
        let bias = if needs_bias { self.problem.affine().bias } else { gradient.affine.bias };
        let affine = Affine { bias, ..gradient.affine };
        Gradient { affine, ..gradient }
    }

    /// The gradients of weight and bias that the caller wants.
    pub fn affine_gradients(&self) -> AffineGradients {
        affine_gradients(self.gradients)
    }

    /// The gradient of the input by rows, each of which belongs to one team. If teams have enough rows with common
    /// weights, they compute the gradients of weight and bias too. Returns whether they do.
    fn rows(&mut self, team: Team, streamed: bool, affine_needs_statistics: bool) -> Result<bool> {
        let problem = self.problem;
        let rows = TeamRows::new(problem, team, streamed)?;
        let summed = rows.summed_rows_per_team();
        let for_affine = match (summed, affine_needs_statistics) {
            (Some(_), _) => ForAffine::Sums,
            (None, true) => ForAffine::Statistics,
            (None, false) => ForAffine::None,
        };
        let rows_per_team = summed.unwrap_or_else(|| rows.rows_per_team());
        let direction = row::Direction::Backward(self.whole_gradient(true), self.grad_input(), for_affine);
        self.passes.calls.extend(rows.calls(rows_per_team, direction)?);
        match for_affine {
            ForAffine::None => {}
            ForAffine::Statistics => problem.statistics_scratch(&mut self.passes, problem.stats),
            ForAffine::Sums => {
                self.passes.need(Buffer::PartialSums, rows.partial_bytes(rows_per_team));
                let partials = rows.partials(rows_per_team);
                self.merge(&problem.affine, 1, partials, true, problem.stats, Target::Affine)?;
            }
        }
        Ok(summed.is_some())
    }

    /// The gradients of input and residual, elementwise.
    fn apply(&mut self, given: Given, stats: Reduction, through_statistics: bool) -> Result<()> {
        let (problem, gradients) = (self.problem, self.gradients);
        let needs_x = through_statistics || problem.options.activation != Activation::None;
        let pass = |input: bool, residual: bool| apply::Direction::Backward {
            gradient: if input { self.whole_gradient(needs_x) } else { self.gradient(needs_x, false) },
            through_statistics: (input && through_statistics).then(|| problem.scale()),
            grad_input: input.then(|| self.grad_input()),
            grad_residual: residual.then_some(problem.options.types.residual()),
        };
        let residual = self.writes_grad_residual();
        let calls = match problem.elementwise(given, stats, &[pass(gradients.input, residual)]) {
            // A device with the guaranteed number of storage buffers takes two passes.
            Err(Error::Limit { what: STORAGE_BUFFERS, .. }) if gradients.input && residual => {
                problem.elementwise(given, stats, &[pass(true, false), pass(false, true)])?
            }
            calls => calls?,
        };
        self.passes.calls.extend(calls);
        Ok(())
    }
}
