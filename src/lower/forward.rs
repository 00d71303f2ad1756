//! Forward passes.

use super::{Lowered, Passes, choose::choose, problem::Problem, rows::TeamRows};
use crate::{
    caps::Caps,
    definition::{Definition, Source},
    error::{Error, Result},
    geometry::Reduction,
    kernels::{
        apply,
        finalize::{Merged, Partials},
        roles::{Affine, Forward, Given, Index, Next, Output, Saved, Sum},
        row,
    },
    options::Options,
    tensor::{TensorSpec, element_count},
    types::{Method, Scale, Strategy},
};

/// Lowers a forward pass.
pub(super) fn lower(
    definition: &Definition,
    options: &Options,
    tensors: Vec<TensorSpec>,
    caps: &Caps,
    strategy: Strategy,
) -> Result<Lowered> {
    let Some(problem) = Problem::new(definition, options, &tensors, caps)? else {
        return nothing(definition, options, tensors, caps);
    };
    let method = choose(&problem, strategy, true)?;
    let forward = Forward {
        x: problem.x(),
        affine: problem.affine(),
        sum: sum(options),
        output: match (options.in_place, options.writes_over_residual()) {
            (true, _) => Output::InPlace,
            (_, true) => Output::OverResidual,
            _ if options.quantized.is_some() => Output::None,
            _ => Output::Tensor(options.types.output()),
        },
        epilogue: problem.epilogue()?,
        next: options
            .next_norm
            .then(|| Next { output: options.types.output(), weight: options.weight.then_some(options.types.affine()) }),
        rotation: problem.rotation(),
        index: Index::new(options.gather_rows.is_some(), options.scatter_rows.is_some()),
    };
    let by_rows = matches!(method, Method::Resident(_) | Method::Streamed(_));
    if forward.rotation.is_some() && !by_rows {
        return Err(Error::Unsupported {
            what: format!("rotary with the method {method}"),
            why: "kernels whose team has a whole row rotate it".into(),
        });
    }
    if options.next_norm && !(by_rows && problem.scale() == Scale::MeanSquare) {
        return Err(Error::Unsupported {
            what: format!("a second norm by the method {method}"),
            why: "it is for RMS norm of rows that a team owns".into(),
        });
    }
    if options.is_indexed() && !by_rows {
        // Strides may be the reason that the method is another one.
        problem.places(problem.stats.inner)?;
        return Err(Error::Unsupported {
            what: format!("rows by an index with the method {method}"),
            why: "they are for rows that a team owns".into(),
        });
    }
    if options.quantized.is_some() && !by_rows {
        return Err(Error::Unsupported {
            what: format!("a quantized output by the method {method}"),
            why: "it is for rows that a team owns: the normalized axes are the last, and statistics are not given"
                .into(),
        });
    }
    let mut passes = Passes::default();
    let (given, stats) = match (method, definition.source) {
        (Method::Resident(team) | Method::Streamed(team), _) => {
            let rows = TeamRows::new(&problem, team, method == Method::Streamed(team))?;
            let output = options.quantized.map_or(forward.output, |q| Output::Quantized(rows.quantized(q)));
            let forward = Forward { output, ..forward };
            passes.calls = rows.calls(rows.rows_per_team(), row::Direction::Forward(forward, problem.saved()))?;
            return Lowered::new(method, tensors, passes, caps);
        }
        (_, Source::Running) => (Given::Running, problem.stats),
        (_, Source::Given { .. }) => (Given::Saved, problem.stats),
        (_, Source::Batch { parts: Some(parts), .. }) => {
            let merged = Merged::Statistics(problem.scale(), problem.saved());
            passes.calls = problem.finalize(Partials::Moments, parts as u32, 1, merged)?;
            problem.statistics_scratch(&mut passes, problem.stats);
            (Given::Batch, problem.stats)
        }
        (_, Source::Batch { parts: None, .. }) => {
            let stats = problem.take_statistics(&mut passes, method, problem.x(), problem.saved())?;
            (problem.taken(), stats)
        }
    };
    passes.calls.extend(problem.elementwise(given, stats, &[apply::Direction::Forward(forward)])?);
    Lowered::new(method, tensors, passes, caps)
}

/// An empty batch has nothing to normalize. As a part of a batch it has the statistics of the other parts, which its
/// device may save and track.
fn nothing(definition: &Definition, options: &Options, tensors: Vec<TensorSpec>, caps: &Caps) -> Result<Lowered> {
    let Some(parts) = definition.merged_parts() else { return Ok(Lowered::nothing(tensors)) };
    // The merge needs the number of channels alone.
    let stats = Reduction::new(1, 1, element_count(&definition.stats_shape)?, 1);
    let problem = Problem { definition, options, stats, affine: stats, tensors: &tensors, chunks: Vec::new(), caps };
    if problem.has_own_statistics() && !options.save_stats {
        return Ok(Lowered::nothing(tensors));
    }
    let merged = Merged::Statistics(problem.scale(), problem.saved());
    let calls = problem.finalize(Partials::Moments, parts as u32, 1, merged)?;
    let mut passes = Passes { calls, ..Passes::default() };
    problem.statistics_scratch(&mut passes, stats);
    Lowered::new(Method::Elementwise, tensors, passes, caps)
}

/// Lowers the pass that computes statistics or moments, and no output.
pub(super) fn statistics(
    definition: &Definition,
    options: &Options,
    tensors: Vec<TensorSpec>,
    caps: &Caps,
    strategy: Strategy,
    saved: Saved,
) -> Result<Lowered> {
    let Some(problem) = Problem::new(definition, options, &tensors, caps)? else {
        return Ok(Lowered::nothing(tensors));
    };
    let method = choose(&problem, strategy, true)?;
    let (x, sum) = (problem.x(), sum(options));
    let output = Output::None;
    let (rotation, index) = (None, Index::None);
    let forward = Forward { x, affine: Affine::NONE, sum, output, epilogue: None, next: None, rotation, index };
    let merged = match saved {
        Saved::Moments => Merged::Moments(problem.scale()),
        _ => Merged::Statistics(problem.scale(), Saved::None),
    };
    let mut passes = Passes::default();
    match (method, definition.source) {
        (Method::Resident(team) | Method::Streamed(team), _) => {
            let rows = TeamRows::new(&problem, team, method == Method::Streamed(team))?;
            passes.calls = rows.calls(rows.rows_per_team(), row::Direction::Forward(forward, saved))?;
        }
        (_, Source::Batch { parts: Some(parts), .. }) => {
            passes.calls = problem.finalize(Partials::Moments, parts as u32, 1, merged)?;
        }
        _ => {
            let splits = problem.partial_statistics(&mut passes, method, x)?;
            passes.calls.extend(problem.finalize(Partials::Scratch, splits, 1, merged)?);
            // These kernels leave the sum of input and residual to another pass.
            if options.writes_sum() {
                let directions = [apply::Direction::Forward(forward)];
                passes.calls.extend(problem.elementwise(Given::None, problem.stats, &directions)?);
            }
        }
    }
    Lowered::new(method, tensors, passes, caps)
}

/// How the op writes the sum of input and residual.
fn sum(options: &Options) -> Sum {
    match (options.writes_sum(), options.residual_output) {
        (false, _) => Sum::None,
        (true, true) => Sum::Output(options.sum_dtype()),
        (true, false) => Sum::InPlace,
    }
}
