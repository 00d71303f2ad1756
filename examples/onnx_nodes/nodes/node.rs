//! A node with the values of its inputs, and what its lowering takes from it.

use std::{cell::RefCell, collections::HashMap, fmt};

use rten_onnx::onnx::{AttributeProto, AttributeType, NodeProto};
use wgpu_norm::{
    DType, Error, Norm, Slot, Strategy, Tensors,
    host::{Gpu, Run},
};

use super::tensor::Tensor;

/// The tensors of a graph by their names, or why one can't be read.
pub type Values = HashMap<String, Result<Tensor, String>>;

/// Why a node has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An input has no value.
    NoValue(String),
    /// The node asks for what this crate does not compute, or for what ONNX does not allow.
    Refused(String),
    /// The device or a file failed, or the result is wrong.
    Failed(String),
}

impl Problem {
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }

    pub fn attribute(name: &str, value: impl fmt::Debug, expected: &str) -> Self {
        Self::Refused(format!("its attribute {name} is {value:?}, expected {expected}"))
    }
}

impl From<Error> for Problem {
    fn from(e: Error) -> Self {
        match e {
            Error::InvalidArgument { .. } | Error::Unsupported { .. } | Error::Limit { .. } => Self::refused(e),
            _ => Self::Failed(e.to_string()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValue(input) => write!(f, "its input {input} has no value, give it by --input {input}=FILE.npy"),
            Self::Refused(reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// The tensors that an op reads.
pub type Inputs = Vec<(Slot, Vec<f32>)>;

/// An op, the tensors that it reads, and the slot of each output of the node.
pub struct Lowered {
    pub op: Box<dyn Norm>,
    pub inputs: Inputs,
    pub outputs: Vec<(usize, Slot)>,
}

impl Lowered {
    pub fn tensors(&self) -> Tensors<'_> {
        self.inputs.iter().fold(Tensors::default(), |tensors, (slot, values)| tensors.set(*slot, values))
    }

    /// Computes it on the adapter.
    pub fn run(&self, gpu: &Gpu) -> Result<Run, Problem> {
        Ok(gpu.run_with(&*self.op, &self.tensors(), Strategy::Inferred)?)
    }
}

/// An axis of a tensor; negative ones count from the end.
pub fn from_start(attribute: &str, axis: i64, rank: usize) -> Result<usize, Problem> {
    let from_start = if axis < 0 { axis.checked_add_unsigned(rank as u64) } else { Some(axis) };
    let valid = from_start.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
    valid.ok_or_else(|| Problem::attribute(attribute, axis, &format!("one of {rank} axes")))
}

/// Checks an input whose only shape is this one.
pub fn check_shape(name: &str, tensor: &Tensor, shape: &[usize]) -> Result<(), Problem> {
    if tensor.shape == shape {
        return Ok(());
    }
    Err(Problem::refused(format!("its input {name} has the shape {:?}, expected {shape:?}", tensor.shape)))
}

/// The storage type of weight and bias.
pub fn affine_dtype(weight: &Tensor, bias: Option<&Tensor>) -> Result<DType, Problem> {
    match bias {
        Some(bias) if bias.dtype != weight.dtype => {
            Err(Problem::refused(format!("its scale is {} and its bias {}", weight.dtype, bias.dtype)))
        }
        _ => Ok(weight.dtype),
    }
}

/// A node as its lowering sees it.
pub struct Node<'a> {
    proto: &'a NodeProto,
    /// The version of the node's domain.
    pub opset: i64,
    values: &'a Values,
    /// The attributes that the lowering looked at.
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Node<'a> {
    pub fn new(proto: &'a NodeProto, opset: i64, values: &'a Values) -> Self {
        Self { proto, opset, values, known: RefCell::default() }
    }

    fn attribute(&self, name: &'static str) -> Option<&AttributeProto> {
        self.known.borrow_mut().push(name);
        self.proto.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }

    pub fn float(&self, name: &'static str, default: f32) -> Result<f32, Problem> {
        let Some(attribute) = self.attribute(name) else { return Ok(default) };
        // Writers may leave out a value of 0.
        let zero = (attribute.r#type == Some(AttributeType::FLOAT)).then_some(0.0);
        attribute.f.or(zero).ok_or_else(|| Problem::refused(format!("its attribute {name} is not a float")))
    }

    pub fn integer(&self, name: &'static str, default: i64) -> Result<i64, Problem> {
        let Some(attribute) = self.attribute(name) else { return Ok(default) };
        let zero = (attribute.r#type == Some(AttributeType::INT)).then_some(0);
        attribute.i.or(zero).ok_or_else(|| Problem::refused(format!("its attribute {name} is not an integer")))
    }

    pub fn integers(&self, name: &'static str, default: &[i64]) -> Vec<i64> {
        self.attribute(name).map_or_else(|| default.to_vec(), |attribute| attribute.ints.clone())
    }

    /// An integer above zero that the node must have.
    pub fn count(&self, name: &'static str) -> Result<usize, Problem> {
        let count = self.integer(name, 0)?;
        let positive = usize::try_from(count).ok().filter(|&count| count > 0);
        positive.ok_or_else(|| Problem::attribute(name, count, "a number above 0"))
    }

    /// An attribute of which one value is supported.
    pub fn only(&self, name: &'static str, default: i64, supported: i64, why: &str) -> Result<(), Problem> {
        let value = self.integer(name, default)?;
        if value == supported { Ok(()) } else { Err(Problem::attribute(name, value, &format!("{supported}: {why}"))) }
    }

    /// Reads an attribute that says nothing about the result.
    pub fn ignore(&self, name: &'static str) {
        self.attribute(name);
    }

    /// The attribute `axis`, of a tensor of `rank` axes.
    pub fn axis(&self, rank: usize) -> Result<usize, Problem> {
        from_start("axis", self.integer("axis", -1)?, rank)
    }

    /// An input that the node may leave out.
    pub fn optional(&self, i: usize) -> Result<Option<&'a Tensor>, Problem> {
        let Some(name) = self.proto.input.get(i).filter(|name| !name.is_empty()) else { return Ok(None) };
        match self.values.get(name) {
            Some(Ok(tensor)) => Ok(Some(tensor)),
            Some(Err(problem)) => Err(Problem::refused(format!("its input {name}: {problem}"))),
            None => Err(Problem::NoValue(name.clone())),
        }
    }

    /// An input that the node must have, by the name that ONNX gives it.
    pub fn input(&self, i: usize, name: &str) -> Result<&'a Tensor, Problem> {
        self.optional(i)?.ok_or_else(|| Problem::refused(format!("it has no input {name}")))
    }

    /// An input whose only shape is this one.
    pub fn input_of(&self, i: usize, name: &str, shape: &[usize]) -> Result<&'a Tensor, Problem> {
        let tensor = self.input(i, name)?;
        check_shape(name, tensor, shape)?;
        Ok(tensor)
    }

    /// Whether the graph uses an output.
    pub fn wants(&self, output: usize) -> bool {
        self.proto.output.get(output).is_some_and(|name| !name.is_empty())
    }

    /// Those of these outputs that the graph uses.
    pub fn wanted(&self, outputs: &[(usize, Slot)]) -> Vec<(usize, Slot)> {
        outputs.iter().copied().filter(|&(output, _)| self.wants(output)).collect()
    }

    /// Refuses what the lowering did not look at: nothing that a node asks for is ignored.
    pub fn finish(&self, lowered: Lowered) -> Result<Lowered, Problem> {
        let known = self.known.borrow();
        for attribute in &self.proto.attribute {
            let name = attribute.name.as_deref().unwrap_or_default();
            if !known.contains(&name) {
                return Err(Problem::refused(format!("its attribute {name} is not known")));
            }
        }
        for (i, name) in self.proto.output.iter().enumerate() {
            if self.wants(i) && lowered.outputs.iter().all(|&(output, _)| output != i) {
                return Err(Problem::refused(format!("its output {i}, {name}, is not supported")));
            }
        }
        Ok(lowered)
    }
}
