//! Nodes that normalize channels: batch, instance, group and local response norm.

use wgpu_norm::{
    Activation, BatchNorm, GroupNorm, InstanceNorm, Layout, LocalResponseNorm, Norm, RunningStats, Slot, Window,
};

use super::{
    node::{Inputs, Lowered, Node, Problem, affine_dtype},
    residual::{self, Residual},
    tensor::Tensor,
};

/// The number of channels of `[N, C, ..]`, or of `[N, .., C]`.
fn channels(x: &Tensor, layout: Layout) -> Result<usize, Problem> {
    let axis = if layout == Layout::ChannelsLast { x.shape.len().saturating_sub(1) } else { 1 };
    match x.shape.get(axis) {
        Some(&channels) if axis > 0 => Ok(channels),
        _ => Err(Problem::refused(format!("its input has the shape {:?}, expected two axes or more", x.shape))),
    }
}

/// The input, and a value of weight and bias for each channel.
fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Inputs {
    let tensors = [(Slot::Input, x), (Slot::Weight, weight), (Slot::Bias, bias)];
    tensors.map(|(slot, tensor)| (slot, tensor.values.clone())).into()
}

pub fn batch_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let x = node.input(0, "X")?;
    if node.opset < 9 {
        node.only("spatial", 1, 1, "a statistic for each channel")?;
    }
    if node.opset < 7 {
        node.only("is_test", 0, 1, "training has other outputs before opset 14")?;
        node.ignore("consumed_inputs");
    }
    let training = node.opset >= 14 && node.integer("training_mode", 0)? != 0;
    let momentum = node.float("momentum", 0.9)?;
    let of_channels = [channels(x, Layout::ChannelsFirst)?];
    let vector = |i, name| node.input_of(i, name, &of_channels);
    let (scale, bias) = (vector(1, "scale")?, vector(2, "B")?);
    let (mean, var) = (vector(3, "input_mean")?, vector(4, "input_var")?);
    let mut inputs = affine(x, scale, bias);
    let tracks = training && (node.wants(1) || node.wants(2));
    let op = if training { BatchNorm::training(&x.shape) } else { BatchNorm::inference(&x.shape) };
    let op = op.eps(node.float("epsilon", 1e-5)?).dtype(x.dtype).affine_dtype(affine_dtype(scale, Some(bias))?);
    let op = if tracks { op.running_stats(RunningStats::Onnx { momentum }) } else { op };
    if tracks || !training {
        inputs.extend([(Slot::RunningMean, mean.values.clone()), (Slot::RunningVar, var.values.clone())]);
    }
    let outputs = [(0, Slot::Output), (1, Slot::RunningMean), (2, Slot::RunningVar)];
    let outputs = node.wanted(if training { &outputs } else { &outputs[..1] });
    Ok(Lowered { op: Box::new(op), inputs, outputs })
}

pub fn instance_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let x = node.input(0, "input")?;
    let channels = channels(x, Layout::ChannelsFirst)?;
    let (scale, bias) = (node.input_of(1, "scale", &[channels])?, node.input_of(2, "B", &[channels])?);
    if node.opset < 6 {
        node.ignore("consumed_inputs");
    }
    let (eps, affine_dtype) = (node.float("epsilon", 1e-5)?, affine_dtype(scale, Some(bias))?);
    let op: Box<dyn Norm> = if x.shape[2..].iter().product::<usize>() == 1 {
        // ONNX gives the bias where a channel has one element, which InstanceNorm refuses.
        Box::new(GroupNorm::new(&x.shape, channels).eps(eps).dtype(x.dtype).affine_dtype(affine_dtype))
    } else {
        let op = InstanceNorm::new(&x.shape).weight(true).bias(true);
        Box::new(op.eps(eps).dtype(x.dtype).affine_dtype(affine_dtype))
    };
    Ok(Lowered { op, inputs: affine(x, scale, bias), outputs: vec![(0, Slot::Output)] })
}

pub fn group_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    node.only("stash_type", 1, 1, "statistics are f32")?;
    let x = node.input(0, "X")?;
    let (groups, channels) = (node.count("num_groups")?, channels(x, Layout::ChannelsFirst)?);
    if channels % groups != 0 {
        return Err(Problem::attribute("num_groups", groups, &format!("a divisor of the {channels} channels")));
    }
    // Before opset 21 the channels of a group share a scale.
    let values = if node.opset < 21 { groups } else { channels };
    let (scale, bias) = (node.input_of(1, "scale", &[values])?, node.input_of(2, "bias", &[values])?);
    let each_channel = |tensor: &Tensor| Tensor {
        values: tensor.values.iter().flat_map(|&value| std::iter::repeat_n(value, channels / values)).collect(),
        ..tensor.clone()
    };
    let op = GroupNorm::new(&x.shape, groups)
        .eps(node.float("epsilon", 1e-5)?)
        .dtype(x.dtype)
        .affine_dtype(affine_dtype(scale, Some(bias))?);
    let inputs = affine(x, &each_channel(scale), &each_channel(bias));
    Ok(Lowered { op: Box::new(op), inputs, outputs: vec![(0, Slot::Output)] })
}

/// ONNX Runtime's `GroupNorm`.
pub fn runtime_group_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let (op, inputs) = runtime_op(node)?;
    Ok(Lowered { op: Box::new(op), inputs, outputs: vec![(0, Slot::Output)] })
}

/// ONNX Runtime's `SkipGroupNorm`.
pub fn skip_group_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let (mut op, mut inputs) = runtime_op(node)?;
    let (x, mut skip) = (node.input(0, "X")?, node.input(3, "skip")?.clone());
    let last = op.layout == Layout::ChannelsLast;
    let (channels, spatial) = (channels(x, op.layout)?, x.shape.len() - 2);
    if let [samples, of_sample] = skip.shape[..] {
        // A value for each channel of a sample.
        skip.shape = vec![samples];
        skip.shape.extend(vec![1; spatial]);
        skip.shape.insert(if last { spatial + 1 } else { 1 }, of_sample);
    }
    let mut bias = residual::bias(node, 4, channels)?.cloned();
    if let Some(bias) = bias.as_mut().filter(|_| !last) {
        bias.shape.extend(vec![1; spatial]);
    }
    Residual::of_channels(x, &skip, bias)?.add_to(&mut op.options, &mut inputs);
    op.options.residual_output = node.wants(1);
    let outputs = node.wanted(&[(0, Slot::Output), (1, Slot::ResidualOutput)]);
    Ok(Lowered { op: Box::new(op), inputs, outputs })
}

/// What both nodes of ONNX Runtime have: group norm, by default with the channels last.
fn runtime_op(node: &Node<'_>) -> Result<(GroupNorm, Inputs), Problem> {
    let x = node.input(0, "X")?;
    let layout = match node.integer("channels_last", 1)? {
        0 => Layout::ChannelsFirst,
        _ => Layout::ChannelsLast,
    };
    let activation = match node.integer("activation", 0)? {
        0 => Activation::None,
        1 => Activation::Silu,
        other => return Err(Problem::attribute("activation", other, "0 or 1")),
    };
    let channels = channels(x, layout)?;
    let (gamma, beta) = (node.input_of(1, "gamma", &[channels])?, node.input_of(2, "beta", &[channels])?);
    let op = GroupNorm::new(&x.shape, node.count("groups")?)
        .eps(node.float("epsilon", 1e-5)?)
        .layout(layout)
        .activation(activation)
        .dtype(x.dtype)
        .affine_dtype(affine_dtype(gamma, Some(beta))?);
    Ok((op, affine(x, gamma, beta)))
}

pub fn local_response_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let x = node.input(0, "X")?;
    let op = LocalResponseNorm::new(&x.shape, node.count("size")?)
        .window(Window::Onnx)
        .alpha(node.float("alpha", 1e-4)?)
        .beta(node.float("beta", 0.75)?)
        .k(node.float("bias", 1.0)?)
        .dtype(x.dtype);
    let inputs = vec![(Slot::Input, x.values.clone())];
    Ok(Lowered { op: Box::new(op), inputs, outputs: vec![(0, Slot::Output)] })
}
