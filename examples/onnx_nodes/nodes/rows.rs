//! Nodes that normalize over axes: layer, RMS and Lp norm.

use std::ops::Range;

use wgpu_norm::{BatchNorm, LayerNorm, LpNormalize, Norm, Order, RmsNorm, Slot};

use super::{
    node::{Lowered, Node, Problem, affine_dtype, check_shape, from_start},
    residual::{self, Residual},
    tensor::Tensor,
};

/// How weight and bias lie over the axes of the input.
struct Affine {
    /// Whether each sample has its own.
    per_sample: bool,
    /// Their other axes, which end with the normalized ones.
    axes: Range<usize>,
    /// Their shape.
    shape: Vec<usize>,
}

impl Affine {
    /// ONNX broadcasts a scale to the whole input. Here it has the axes in which it varies, and all behind them.
    fn new(shape: &[usize], first: usize, tensors: &[&Tensor]) -> Result<Self, Problem> {
        let rank = shape.len();
        let mut varies = vec![false; rank];
        for tensor in tensors {
            let dims = tensor.aligned(rank).map_err(|e| Problem::refused(format!("its scale or bias: {e}")))?;
            varies.iter_mut().zip(dims).for_each(|(varies, dim)| *varies |= dim != 1);
        }
        // Axes of samples alone: the ones between them and the normalized axes need not be written out.
        let per_sample = first > 1 && varies[0] && !varies[1..first].contains(&true);
        let from = usize::from(per_sample);
        let start = (from..first).find(|&axis| varies[axis]).unwrap_or(first);
        let samples = if per_sample { &shape[..1] } else { &[] };
        Ok(Self { per_sample, axes: start..rank, shape: [samples, &shape[start..]].concat() })
    }

    fn values(&self, tensor: &Tensor) -> Result<Vec<f32>, Problem> {
        let refuse = |e| Problem::refused(format!("its scale or bias: {e}"));
        let mut tensor = tensor.clone();
        if self.per_sample {
            // Without the axes of 1 between the samples and the normalized ones.
            let len = self.shape.len() - 1;
            let dims = tensor.aligned(self.axes.end).map_err(refuse)?;
            tensor.shape = [&dims[..1], &dims[dims.len() - len..]].concat();
        } else {
            let axes_of_one = tensor.shape.len().saturating_sub(self.shape.len());
            tensor.shape.drain(..axes_of_one);
        }
        tensor.broadcast(&self.shape).map_err(refuse)
    }
}

/// The types of statistics are f32 here.
fn stash_type(node: &Node<'_>) -> Result<(), Problem> {
    node.only("stash_type", 1, 1, "statistics are f32")
}

pub fn layer_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    stash_type(node)?;
    let (x, scale, bias) = (node.input(0, "X")?, node.input(1, "Scale")?, node.optional(2)?);
    let first = node.axis(x.shape.len())?;
    let tensors: Vec<&Tensor> = [Some(scale), bias].into_iter().flatten().collect();
    let affine = Affine::new(&x.shape, first, &tensors)?;
    let mut inputs = vec![(Slot::Input, x.values.clone()), (Slot::Weight, affine.values(scale)?)];
    if let Some(bias) = bias {
        inputs.push((Slot::Bias, affine.values(bias)?));
    }
    let outputs = node.wanted(&[(0, Slot::Output), (1, Slot::Mean), (2, Slot::Rstd)]);
    let op = LayerNorm::new(&x.shape, first..)
        .eps(node.float("epsilon", 1e-5)?)
        .bias(bias.is_some())
        .affine_axes(affine.axes)
        .per_sample(affine.per_sample)
        .save_stats(node.wants(1) || node.wants(2))
        .dtype(x.dtype)
        .affine_dtype(affine_dtype(scale, bias)?);
    Ok(Lowered { op: Box::new(op), inputs, outputs })
}

pub fn rms_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    stash_type(node)?;
    let (x, scale) = (node.input(0, "X")?, node.input(1, "scale")?);
    let first = node.axis(x.shape.len())?;
    let affine = Affine::new(&x.shape, first, &[scale])?;
    let inputs = vec![(Slot::Input, x.values.clone()), (Slot::Weight, affine.values(scale)?)];
    let outputs = node.wanted(&[(0, Slot::Output), (1, Slot::Rstd)]);
    let op = RmsNorm::new(&x.shape, first..)
        .eps(node.float("epsilon", 1e-5)?)
        .affine_axes(affine.axes)
        .per_sample(affine.per_sample)
        .save_stats(node.wants(1))
        .dtype(x.dtype)
        .affine_dtype(scale.dtype);
    Ok(Lowered { op: Box::new(op), inputs, outputs })
}

pub fn skip_layer_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let x = node.input(0, "input")?;
    let (width, residual) = width_and_residual(node, x, 4)?;
    let gamma = node.input_of(2, "gamma", &[width])?;
    let beta = node.optional(3)?;
    let mut inputs = vec![(Slot::Input, x.values.clone()), (Slot::Weight, gamma.values.clone())];
    if let Some(beta) = beta {
        check_shape("beta", beta, &[width])?;
        inputs.push((Slot::Bias, beta.values.clone()));
    }
    let mut op = LayerNorm::new(&x.shape, x.shape.len() - 1..)
        .eps(node.float("epsilon", 1e-12)?)
        .bias(beta.is_some())
        .save_stats(node.wants(1) || node.wants(2))
        .residual_output(node.wants(3))
        .dtype(x.dtype)
        .affine_dtype(affine_dtype(gamma, beta)?);
    residual.add_to(&mut op.options, &mut inputs);
    let outputs = [(0, Slot::Output), (1, Slot::Mean), (2, Slot::Rstd), (3, Slot::ResidualOutput)];
    Ok(Lowered { op: Box::new(op), inputs, outputs: node.wanted(&outputs) })
}

pub fn skip_rms_norm(node: &Node<'_>) -> Result<Lowered, Problem> {
    let x = node.input(0, "input")?;
    let (width, residual) = width_and_residual(node, x, 3)?;
    let gamma = node.input_of(2, "gamma", &[width])?;
    let mut inputs = vec![(Slot::Input, x.values.clone()), (Slot::Weight, gamma.values.clone())];
    let mut op = RmsNorm::new(&x.shape, x.shape.len() - 1..)
        .eps(node.float("epsilon", 1e-12)?)
        .save_stats(node.wants(2))
        .residual_output(node.wants(3))
        .dtype(x.dtype)
        .affine_dtype(gamma.dtype);
    residual.add_to(&mut op.options, &mut inputs);
    let outputs = [(0, Slot::Output), (2, Slot::Rstd), (3, Slot::ResidualOutput)];
    Ok(Lowered { op: Box::new(op), inputs, outputs: node.wanted(&outputs) })
}

/// The last axis of a transformer's `[.., tokens, width]`, and what is added to its input.
fn width_and_residual(node: &Node<'_>, x: &Tensor, bias: usize) -> Result<(usize, Residual), Problem> {
    let &[_, .., width] = &x.shape[..] else {
        return Err(Problem::refused(format!("its input has the shape {:?}, expected two axes or more", x.shape)));
    };
    let bias = residual::bias(node, bias, width)?;
    // The op has one type for both.
    affine_dtype(node.input(2, "gamma")?, bias)?;
    Ok((width, Residual::of_rows(x, node.input(1, "skip")?, bias)?))
}

pub fn lp_normalize(node: &Node<'_>) -> Result<Lowered, Problem> {
    let x = node.input(0, "input")?;
    let axis = node.axis(x.shape.len())?;
    let order = match node.integer("p", 2)? {
        1 => Order::L1,
        2 => Order::L2,
        p => return Err(Problem::attribute("p", p, "1 or 2")),
    };
    // ONNX has no eps, but says that a row of zeros stays zero.
    let op = LpNormalize::new(&x.shape, axis..=axis).order(order).eps(f32::MIN_POSITIVE).dtype(x.dtype);
    let inputs = vec![(Slot::Input, x.values.clone())];
    Ok(Lowered { op: Box::new(op), inputs, outputs: vec![(0, Slot::Output)] })
}

pub fn mean_variance(node: &Node<'_>) -> Result<Lowered, Problem> {
    // ONNX adds 1e-9 outside of the root: docs/math.md says how close this is.
    const EPS: f32 = 1e-18;
    let x = node.input(0, "X")?;
    let rank = x.shape.len();
    let listed = node.integers("axes", &[0, 2, 3]);
    let mut axes = listed.iter().map(|&axis| from_start("axes", axis, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let op: Box<dyn Norm> = match axes[..] {
        [first, ..] if adjacent => {
            let op = LayerNorm::new(&x.shape, first..first + axes.len());
            Box::new(op.weight(false).bias(false).eps(EPS).dtype(x.dtype))
        }
        _ if axes.iter().copied().eq((0..rank).filter(|&axis| axis != 1)) => {
            Box::new(BatchNorm::training(&x.shape).weight(false).bias(false).eps(EPS).dtype(x.dtype))
        }
        _ => return Err(Problem::attribute("axes", listed, "axes next to each other, or all but 1")),
    };
    Ok(Lowered { op, inputs: vec![(Slot::Input, x.values.clone())], outputs: vec![(0, Slot::Output)] })
}
