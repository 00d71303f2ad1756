//! What ONNX Runtime's nodes add to their input: a tensor and a bias.

use wgpu_norm::{DType, Options, Slot};

use super::{
    node::{Inputs, Node, Problem, check_shape},
    tensor::Tensor,
};

pub struct Residual {
    values: Vec<f32>,
    dtype: DType,
    strides: Vec<usize>,
    bias: Option<Vec<f32>>,
}

impl Residual {
    /// `skip`, broadcast to the shape of `x`, and the bias of its last axis.
    pub fn of_rows(x: &Tensor, skip: &Tensor, bias: Option<&Tensor>) -> Result<Self, Problem> {
        // What the input's axes share needs no copy.
        let strides = skip.broadcast_strides(&x.shape).map_err(|e| Problem::refused(format!("its skip: {e}")))?;
        let bias = bias.map(|bias| bias.values.clone());
        Ok(Self { values: skip.values.clone(), dtype: skip.dtype, strides, bias })
    }

    /// `skip + bias`, both broadcast to the shape of `x`.
    pub fn of_channels(x: &Tensor, skip: &Tensor, bias: Option<Tensor>) -> Result<Self, Problem> {
        let refuse = |e| Problem::refused(format!("its skip or bias: {e}"));
        let Some(bias) = bias else {
            return Self::of_rows(x, skip, None);
        };
        // Group norm adds one tensor. Here the sum of the other two is f32, so that nothing is rounded twice.
        let mut values = skip.broadcast(&x.shape).map_err(refuse)?;
        let bias = bias.broadcast(&x.shape).map_err(refuse)?;
        values.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        let dense = Tensor { shape: x.shape.clone(), dtype: DType::F32, values };
        let strides = dense.broadcast_strides(&x.shape).map_err(refuse)?;
        Ok(Self { values: dense.values, dtype: dense.dtype, strides, bias: None })
    }

    pub fn add_to(self, options: &mut Options, inputs: &mut Inputs) {
        options.residual = true;
        options.types.residual = Some(self.dtype);
        options.strides.insert(Slot::Residual, self.strides);
        inputs.push((Slot::Residual, self.values));
        options.input_bias = self.bias.is_some();
        inputs.extend(self.bias.map(|bias| (Slot::InputBias, bias)));
    }
}

/// The optional bias of a node, one value for each channel.
pub fn bias<'a>(node: &Node<'a>, i: usize, channels: usize) -> Result<Option<&'a Tensor>, Problem> {
    let Some(bias) = node.optional(i)? else { return Ok(None) };
    check_shape("bias", bias, &[channels])?;
    Ok(Some(bias))
}
