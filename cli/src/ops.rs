//! Each op: its tensors, its options, its job.

use wgpu_norm::{
    BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize, Options, RmsNorm, RunningStats, Slot,
};

use crate::{
    cli::{Affine, BatchNormArgs, Cli, Common, GroupArgs, InstanceArgs, L2Args, Op, RowArgs, WindowArgs},
    failure::Failure,
    files::{Count, Inputs},
    job::{Job, missing},
};

pub fn run(op: &Op, cli: &Cli) -> Result<(), Failure> {
    match op {
        Op::LayerNorm(args) => layer_norm(args, cli),
        Op::RmsNorm(args) => rms_norm(args, cli),
        Op::GroupNorm(args) => group_norm(args, cli),
        Op::InstanceNorm(args) => instance_norm(args, cli),
        Op::BatchNorm(args) => batch_norm(args, cli),
        Op::L2Norm(args) => l2_norm(args, cli),
        Op::LocalResponseNorm(args) => local_response_norm(args, cli),
    }
}

/// A job for an op with a weight, and its tensors.
fn start<'a>(args: &'a Affine, cli: &'a Cli, more: &[Slot]) -> Result<(Job<'a>, Inputs), Failure> {
    let job = Job::new(&args.common, cli)?;
    let beside = [(Slot::Weight, &args.weight), (Slot::Bias, &args.bias)];
    let beside: Vec<_> = beside.into_iter().filter_map(|(slot, path)| Some((slot, path.as_deref()?))).collect();
    let mut wanted = [&[Slot::Input, Slot::Weight], more].concat();
    wanted.extend(args.residual.then_some(Slot::Residual));
    wanted.extend(args.common.backward.then_some(Slot::GradOutput));
    let inputs = job.read(&beside, &wanted)?;
    // Of standard input nothing else tells the format.
    args.check(inputs.format())?;
    Ok((job, inputs))
}

/// Sets what the ops have in common whose residual is added to the input.
fn set(options: &mut Options, args: &Affine, job: &Job<'_>, inputs: &Inputs) {
    args.set(options, inputs);
    options.save_stats = job.writes_all(inputs);
    // The backward pass would read the sum instead of input and residual, and want the gradient of it.
    options.residual_output = args.residual && job.writes_all(inputs) && !args.common.backward;
}

fn layer_norm(args: &RowArgs, cli: &Cli) -> Result<(), Failure> {
    let (job, inputs) = start(&args.affine, cli, &[Slot::Bias])?;
    let mut op = LayerNorm::new(inputs.shape(), args.range(&inputs)?).per_sample(args.samples.per_sample);
    set(&mut op.options, &args.affine, &job, &inputs);
    job.run(&op, &op.backward(), &inputs, None)
}

fn rms_norm(args: &RowArgs, cli: &Cli) -> Result<(), Failure> {
    let (job, inputs) = start(&args.affine, cli, &[])?;
    let mut op = RmsNorm::new(inputs.shape(), args.range(&inputs)?).per_sample(args.samples.per_sample);
    set(&mut op.options, &args.affine, &job, &inputs);
    job.run(&op, &op.backward(), &inputs, None)
}

fn group_norm(args: &GroupArgs, cli: &Cli) -> Result<(), Failure> {
    let (job, inputs) = start(&args.affine, cli, &[Slot::Bias])?;
    let op = GroupNorm::new(inputs.shape(), args.groups()).layout(args.channels.layout.into());
    let mut op = op.per_sample(args.samples.per_sample);
    set(&mut op.options, &args.affine, &job, &inputs);
    job.run(&op, &op.backward(), &inputs, None)
}

fn instance_norm(args: &InstanceArgs, cli: &Cli) -> Result<(), Failure> {
    let (job, inputs) = start(&args.affine, cli, &[Slot::Bias])?;
    let op = InstanceNorm::new(inputs.shape()).layout(args.channels.layout.into());
    let mut op = op.per_sample(args.samples.per_sample);
    set(&mut op.options, &args.affine, &job, &inputs);
    job.run(&op, &op.backward(), &inputs, None)
}

/// A job for an op without a weight, and its tensors.
fn start_plain<'a>(args: &'a Common, cli: &'a Cli) -> Result<(Job<'a>, Inputs), Failure> {
    let job = Job::new(args, cli)?;
    let mut wanted = vec![Slot::Input];
    wanted.extend(args.backward.then_some(Slot::GradOutput));
    let inputs = job.read(&[], &wanted)?;
    Ok((job, inputs))
}

fn local_response_norm(args: &WindowArgs, cli: &Cli) -> Result<(), Failure> {
    let (job, inputs) = start_plain(&args.common, cli)?;
    let op = LocalResponseNorm::new(inputs.shape(), args.size());
    let (input, output) = args.common.types(&inputs);
    let op = op.window(args.window.into()).layout(args.channels.layout.into());
    let mut op = op.input_dtype(input).output_dtype(output);
    op.alpha = args.alpha.unwrap_or(op.alpha);
    op.beta = args.beta.unwrap_or(op.beta);
    op.k = args.k.unwrap_or(op.k);
    job.run(&op, &op.backward(), &inputs, None)
}

fn l2_norm(args: &L2Args, cli: &Cli) -> Result<(), Failure> {
    let (job, inputs) = start_plain(&args.common, cli)?;
    let op = LpNormalize::new(inputs.shape(), args.axes.range(&inputs)?).order(args.order.into());
    let mut op = op.save_stats(job.writes_all(&inputs));
    args.common.set(&mut op.options, &inputs);
    op.options.eps = args.eps.unwrap_or(op.options.eps);
    job.run(&op, &op.backward(), &inputs, None)
}

fn batch_norm(args: &BatchNormArgs, cli: &Cli) -> Result<(), Failure> {
    let convention = args.convention()?;
    let running = [Slot::RunningMean, Slot::RunningVar];
    // Gradients leave running statistics as they are, and read them in inference only.
    let updates = args.training && !args.affine.common.backward;
    let mut more = vec![Slot::Bias];
    if updates || !args.training {
        more.extend(running);
    }
    more.extend(updates.then_some(Slot::RunningLow));
    if updates && matches!(convention, RunningStats::PyTorch { .. }) {
        more.push(Slot::NumBatchesTracked);
    }
    let (job, mut inputs) = start(&args.affine, cli, &more)?;
    let low = updates && inputs.has(Slot::RunningLow);
    let tracked = low || (updates && running.into_iter().any(|slot| inputs.has(slot)));
    if tracked || !args.training {
        if let Some(slot) = running.into_iter().find(|&slot| !inputs.has(slot)) {
            let why = if tracked { ", running_mean and running_var go together" } else { ", inference reads it" };
            return Err(missing(&inputs, slot, why));
        }
    }
    if !tracked {
        inputs.ignore_count();
    } else if convention == RunningStats::CUMULATIVE {
        inputs.count_from_zero();
    }
    let shape = inputs.shape();
    let op = if args.training { BatchNorm::training(shape) } else { BatchNorm::inference(shape) };
    let mut op = op.layout(args.channels.layout.into()).save_stats(args.training && job.writes_all(&inputs));
    args.affine.set(&mut op.options, &inputs);
    op.running_stats = tracked.then_some(convention);
    op.running_low = low;
    // PyTorch counts every batch, also where a fixed momentum makes the op independent of the count.
    let batches = u32::from(!shape.starts_with(&[0]));
    let count = inputs.count().cloned().map(|count| Count { value: count.value + batches, ..count });
    job.run(&op, &op.backward(), &inputs, count.as_ref())
}
