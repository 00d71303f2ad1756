//! The ops that every adapter must compute.

use crate::{
    Activation, BatchMoments, BatchNorm, Coefficients, DType, Gate, GateFunction, GroupNorm, InstanceNorm, LayerNorm,
    Layout, LocalResponseNorm, LpNormalize, Moments, Norm, Order, Pairs, RmsNorm, Rotary, RunningStats, Slot,
    Statistics,
};

/// Layer norm of the sum with a residual. Its 40 rows give teams several rows, whose gradients they sum up.
fn layer(len: usize, dtype: DType) -> LayerNorm {
    let op = LayerNorm::new(&[40, len], 1..).dtype(dtype).residual(true).residual_output(true);
    op.activation(Activation::Gelu)
}

/// Seven rows: blocks of streamed rows take long to compile.
fn rms(len: usize, dtype: DType) -> RmsNorm {
    RmsNorm::new(&[7, len], 1..).dtype(dtype).affine_dtype(DType::F32).zero_centered(true).save_stats(true)
}

/// Heads of whole packs.
fn rotated(len: usize, dtype: DType) -> RmsNorm {
    RmsNorm::new(&[5, 2, len.next_multiple_of(4)], 2..).dtype(dtype).rotary(Rotary::new(Pairs::Halves, 8, 9))
}

fn middle(len: usize, dtype: DType) -> LayerNorm {
    LayerNorm::new(&[3, 7, len], 1..2).dtype(dtype)
}

/// A gate before the norm, with a residual that shares it: the modulation of diffusion transformers.
fn modulated(len: usize, dtype: DType) -> LayerNorm {
    let op = LayerNorm::new(&[2, 7, len], 2..).dtype(dtype).residual(true).gate(Gate::before(GateFunction::Identity));
    op.weight(false).bias(false).strides(Slot::Gate, &[len, 0, 1])
}

/// A gate and a residual behind the norm of heads.
fn behind(len: usize, dtype: DType) -> RmsNorm {
    let op = RmsNorm::new(&[7, 2, len], 2..).dtype(dtype).affine_axes(1..).gate(Gate::after(GateFunction::Silu));
    op.residual(true).residual_after(true)
}

/// Norms of rows in parts: their moments.
fn parts(len: usize, dtype: DType) -> Moments<RmsNorm> {
    RmsNorm::new(&[7, len], 1..).dtype(dtype).residual(true).residual_output(true).moments()
}

fn statistics(len: usize, dtype: DType) -> Statistics<LayerNorm> {
    LayerNorm::new(&[7, len], 1..).dtype(dtype).statistics()
}

fn given(len: usize, dtype: DType) -> LayerNorm {
    LayerNorm::new(&[7, len], 1..).dtype(dtype).given_statistics(2 * len)
}

fn group(len: usize, dtype: DType) -> GroupNorm {
    GroupNorm::new(&[3, 6, len], 2).dtype(dtype)
}

fn group_last(len: usize, dtype: DType) -> GroupNorm {
    GroupNorm::new(&[3, len, 6], 2).layout(Layout::ChannelsLast).dtype(dtype)
}

fn instance(len: usize, dtype: DType) -> InstanceNorm {
    InstanceNorm::new(&[3, 5, len]).weight(true).bias(true).dtype(dtype)
}

fn training(len: usize, dtype: DType) -> BatchNorm {
    BatchNorm::training(&[4, 5, len]).dtype(dtype).residual(true).activation(Activation::Relu)
}

fn merged(len: usize, dtype: DType) -> BatchNorm {
    training(len, dtype).save_for_backward(true).merge(3)
}

fn inference(len: usize, dtype: DType) -> BatchNorm {
    BatchNorm::inference(&[4, 5, len]).dtype(dtype)
}

fn l1(len: usize, dtype: DType) -> LpNormalize {
    LpNormalize::new(&[7, len], 1..).order(Order::L1).dtype(dtype)
}

fn window(len: usize, dtype: DType) -> LocalResponseNorm {
    LocalResponseNorm::new(&[3, 7, len], 4).dtype(dtype)
}

/// The ops that tell whether an adapter computes right, in both directions: one of each kind of geometry. Together
/// their options need every part of a shader but the other activations. They are small, as some drivers compile slowly.
///
/// `len` is the length of their rows, in elements, or of a channel. `dtype` is how the tensors are stored, a float; a
/// few are f32 all the same.
///
/// ```no_run
/// use wgpu_norm::{DType, Norm, host::Gpu, testing::{Data, compare_outputs, each_op}};
///
/// let gpu = Gpu::new()?;
/// for op in each_op(36, DType::F32) {
///     let data = Data::random(&*op, 1);
///     let outputs = gpu.run(&*op, &data.tensors())?;
///     compare_outputs(&*op, &outputs, &op.reference(&data.tensors())?)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn each_op(len: usize, dtype: DType) -> Vec<Box<dyn Norm>> {
    vec![
        Box::new(layer(len, dtype)),
        Box::new(rms(len, dtype)),
        Box::new(modulated(len, dtype)),
        Box::new(behind(len, dtype)),
        Box::new(behind(len, dtype).residual_in_place(true).next_norm(true)),
        Box::new(rotated(len, dtype)),
        Box::new(middle(len, dtype)),
        Box::new(parts(len, dtype)),
        Box::new(statistics(len, dtype)),
        Box::new(given(len, dtype)),
        Box::new(group(len, dtype)),
        Box::new(group_last(len, dtype)),
        Box::new(instance(len, dtype)),
        Box::new(instance(len, dtype).running_stats(RunningStats::PYTORCH)),
        Box::new(training(len, dtype)),
        Box::new(training(len, dtype).running_stats(RunningStats::CUMULATIVE)),
        Box::new(inference(len, dtype)),
        Box::new(BatchMoments::new(&[4, 5, len]).dtype(dtype)),
        Box::new(l1(len, dtype)),
        Box::new(window(len, dtype)),
        Box::new(layer(len, dtype).backward()),
        Box::new(rms(len, dtype).backward()),
        Box::new(modulated(len, dtype).backward()),
        Box::new(behind(len, dtype).backward()),
        Box::new(middle(len, dtype).backward()),
        Box::new(given(len, dtype).backward().coefficients(Coefficients::Written)),
        Box::new(given(len, dtype).backward().coefficients(Coefficients::Given)),
        Box::new(group(len, dtype).backward()),
        Box::new(group_last(len, dtype).backward()),
        Box::new(instance(len, dtype).backward()),
        Box::new(training(len, dtype).backward()),
        Box::new(merged(len, dtype).backward().coefficients(Coefficients::Written)),
        Box::new(merged(len, dtype).backward().coefficients(Coefficients::Given)),
        Box::new(inference(len, dtype).backward()),
        Box::new(l1(len, dtype).backward()),
        Box::new(window(len, dtype).backward()),
    ]
}
