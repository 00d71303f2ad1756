//! Ops with strides for their tensors.

use wgpu_norm::{
    Activation, BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LpNormalize, Norm, RmsNorm, Slot,
};

/// An op with and without strides, which differ in nothing else.
pub struct Strided {
    pub why: &'static str,
    pub dense: Box<dyn Norm>,
    pub strided: Box<dyn Norm>,
}

/// Both directions of an op, with strides for tensors of either.
macro_rules! strided {
    ($why:literal, $op:expr, $($slot:ident: $strides:expr),*) => {{
        let op = $op;
        let strided = op.clone()$(.strides(Slot::$slot, &$strides))*;
        [
            Strided { why: $why, dense: Box::new(op.backward()), strided: Box::new(strided.backward()) },
            Strided { why: $why, dense: Box::new(op), strided: Box::new(strided) },
        ]
    }};
}

/// Tensors as engines have them, of some storage type.
pub fn strided_ops(dtype: DType) -> Vec<Strided> {
    let heads = || RmsNorm::new(&[5, 3, 16], 2..).dtype(dtype);
    let rows = || LayerNorm::new(&[7, 24], 1..).dtype(dtype);
    let image = || GroupNorm::new(&[3, 6, 4, 5], 2).dtype(dtype);
    let instances = || InstanceNorm::new(&[3, 6, 4, 5]).dtype(dtype).weight(true).bias(true);
    let batch = || BatchNorm::training(&[3, 6, 4, 5]).dtype(dtype);
    let mut ops = Vec::new();
    // Three heads of queries in rows of 7 heads, to a dense tensor and back.
    ops.extend(strided!("heads", heads(), Input: [112, 16, 1]));
    ops.extend(strided!("heads", heads(), Input: [112, 16, 1], Output: [112, 16, 1], GradInput: [112, 16, 1]));
    ops.extend(strided!("heads after tokens", heads(), Output: [16, 80, 1], GradOutput: [16, 80, 1]));
    ops.extend(strided!("rows with gaps", rows().residual(true).residual_output(true),
        Input: [28, 1], Residual: [32, 1], ResidualOutput: [40, 1], Output: [48, 1],
        GradOutput: [28, 1], GradResidualOutput: [24, 1], GradInput: [26, 1]));
    ops.extend(strided!("a sum in place", rows().residual(true).residual_in_place(true),
        Residual: [32, 1], ResidualOutput: [40, 1], GradResidualOutput: [25, 1]));
    ops.extend(strided!("odd gaps", rows().activation(Activation::Gelu), Input: [25, 1], GradInput: [27, 1]));
    ops.extend(strided!("odd rows", LayerNorm::new(&[7, 13], 1..).dtype(dtype), Input: [16, 1], Output: [15, 1]));
    ops.extend(strided!("one row for all", rows().residual(true), Residual: [0, 1], GradOutput: [0, 1]));
    ops.extend(strided!("columns", LayerNorm::new(&[3, 6, 8], 1..2).dtype(dtype),
        Input: [80, 12, 1], Output: [64, 8, 1], GradOutput: [60, 8, 1]));
    ops.extend(strided!("L2", LpNormalize::new(&[7, 24], 1..).dtype(dtype), Input: [28, 1], GradInput: [32, 1]));
    ops.extend(strided!("a slice of channels", image(), Input: [200, 20, 5, 1], GradOutput: [200, 20, 5, 1]));
    ops.extend(
        strided!("a crop", instances(), Input: [180, 30, 5, 1], Output: [240, 40, 5, 1], GradInput: [240, 40, 5, 1]),
    );
    ops.extend(
        strided!("a crop", batch(), Input: [180, 30, 5, 1], Output: [240, 40, 5, 1], GradOutput: [240, 40, 5, 1]),
    );
    ops.extend(strided!("channels last", GroupNorm::new(&[3, 4, 5, 8], 2).dtype(dtype).layout(Layout::ChannelsLast),
        Input: [240, 60, 12, 1], Output: [320, 80, 16, 1], GradInput: [240, 60, 12, 1]));
    ops.extend(
        strided!("channels last", BatchNorm::inference(&[3, 4, 5, 8]).dtype(dtype).layout(Layout::ChannelsLast),
        Input: [240, 60, 12, 1], Output: [320, 80, 16, 1], GradOutput: [240, 60, 12, 1]),
    );
    ops
}
