//! What every adapter is tried with, in a browser too.

use wgpu_norm::{
    Activation, BatchMoments, BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm,
    LpNormalize, Norm, Order, RmsNorm, RunningStats,
};

/// One op of each kind of geometry, with options that between them need every part of a shader but the other
/// activations.
pub fn each_op(len: usize, dtype: DType) -> Vec<Box<dyn Norm>> {
    // So many rows that teams have several and sum up their gradients, and few otherwise: blocks of streamed rows
    // compile for long.
    let layer = LayerNorm::new(&[40, len], 1..).dtype(dtype).residual(true).residual_output(true);
    let layer = layer.activation(Activation::Gelu);
    let rms = RmsNorm::new(&[7, len], 1..).dtype(dtype).affine_dtype(DType::F32).zero_centered(true).save_stats(true);
    let middle = LayerNorm::new(&[3, 7, len], 1..2).dtype(dtype);
    let group = GroupNorm::new(&[3, 6, len], 2).dtype(dtype);
    let last = GroupNorm::new(&[3, len, 6], 2).layout(Layout::ChannelsLast).dtype(dtype);
    let instance = InstanceNorm::new(&[3, 5, len]).weight(true).bias(true).dtype(dtype);
    let tracked = instance.clone().running_stats(RunningStats::PYTORCH);
    let training = BatchNorm::training(&[4, 5, len]).dtype(dtype).residual(true).activation(Activation::Relu);
    let cumulative = training.clone().running_stats(RunningStats::CUMULATIVE);
    let inference = BatchNorm::inference(&[4, 5, len]).dtype(dtype);
    let lp = LpNormalize::new(&[7, len], 1..).order(Order::L1).dtype(dtype);
    let window = LocalResponseNorm::new(&[3, 7, len], 4).dtype(dtype);
    let moments = BatchMoments::new(&[4, 5, len]).dtype(dtype);
    let backward: [Box<dyn Norm>; 10] = [
        Box::new(layer.backward()),
        Box::new(rms.backward()),
        Box::new(middle.backward()),
        Box::new(group.backward()),
        Box::new(last.backward()),
        Box::new(instance.backward()),
        Box::new(training.backward()),
        Box::new(inference.backward()),
        Box::new(lp.backward()),
        Box::new(window.backward()),
    ];
    let forward: [Box<dyn Norm>; 13] = [
        Box::new(layer),
        Box::new(rms),
        Box::new(middle),
        Box::new(group),
        Box::new(last),
        Box::new(instance),
        Box::new(tracked),
        Box::new(training),
        Box::new(cumulative),
        Box::new(inference),
        Box::new(moments),
        Box::new(lp),
        Box::new(window),
    ];
    forward.into_iter().chain(backward).collect()
}
