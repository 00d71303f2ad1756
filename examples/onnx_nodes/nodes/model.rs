//! A model: its nodes, and the values of the tensors that are known.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
};

use rten_onnx::onnx::{ModelProto, NodeProto, TypeProtoTensor};
use wgpu_norm::DType;

use super::{
    lower,
    node::{Lowered, Problem, Values},
    normalizes, reader, tensor,
    tensor::Tensor,
};

pub struct Model {
    nodes: Vec<NodeProto>,
    opsets: HashMap<String, i64>,
    /// The types and shapes that the graph declares.
    declared: HashMap<String, TypeProtoTensor>,
    /// The graph's inputs without those that have a value in the model.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    values: Values,
}

/// How messages name a node.
pub fn title(node: &NodeProto) -> String {
    let name = node.name.as_ref().filter(|name| !name.is_empty());
    // Nodes need no names, but each has an output.
    let name = name.or_else(|| node.output.iter().find(|name| !name.is_empty()));
    format!("{} {}", node.op_type.as_deref().unwrap_or_default(), name.map_or("", String::as_str))
}

impl Model {
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let refuse = |why: &str| format!("{}: it is no ONNX model: {why}", path.display());
        let model: ModelProto = reader::decode(&bytes).map_err(|e| refuse(&e.to_string()))?;
        let graph = model.graph.ok_or_else(|| refuse("it has no graph"))?;
        let mut values = Values::new();
        for initializer in &graph.initializer {
            values.insert(initializer.name.clone().unwrap_or_default(), Tensor::from_proto(initializer));
        }
        for node in graph.node.iter().filter(|node| node.op_type.as_deref() == Some("Constant")) {
            let value = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("value"));
            if let (Some(tensor), Some(name)) = (value.and_then(|value| value.t.as_ref()), node.output.first()) {
                values.insert(name.clone(), Tensor::from_proto(tensor));
            }
        }
        let infos = || graph.input.iter().chain(&graph.output).chain(&graph.value_info);
        let declared = infos().filter_map(|info| Some((info.name.clone()?, info.r#type.clone()?.tensor_type?)));
        let inputs = graph.input.iter().filter_map(|info| info.name.clone());
        Ok(Self {
            declared: declared.collect(),
            inputs: inputs.filter(|name| !values.contains_key(name)).collect(),
            outputs: graph.output.iter().filter_map(|info| info.name.clone()).collect(),
            opsets: model
                .opset_import
                .into_iter()
                .filter_map(|o| Some((domain(o.domain.as_ref()), o.version?)))
                .collect(),
            nodes: graph.node,
            values,
        })
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes that normalize, in the order of the graph: what a node computes comes before what uses it.
    pub fn norms(&self) -> impl Iterator<Item = &NodeProto> {
        self.nodes.iter().filter(|node| normalizes(node))
    }

    /// Gives a tensor a value.
    pub fn set(&mut self, name: &str, tensor: Result<Tensor, String>) {
        self.values.insert(name.to_owned(), tensor);
    }

    /// Reads the value of a tensor that a node normalizes by, in the type that the model declares for it.
    pub fn read_input(&mut self, name: &str, path: &Path) -> Result<(), String> {
        let names: BTreeSet<&str> = self.norms().flat_map(|node| &node.input).map(String::as_str).collect();
        if !names.contains(name) {
            return Err(format!("no node that normalizes reads it, they read {names:?}"));
        }
        let declared = self.declared.get(name);
        let dtype = match declared {
            Some(declared) => tensor::dtype(declared.elem_type)?,
            None => DType::F32,
        };
        let value = Tensor::from_npy(path, dtype)?;
        if let Some(shape) = declared.and_then(|declared| declared.shape.as_ref()) {
            let dims: Vec<Option<i64>> = shape.dim.iter().map(|dim| dim.dim_value).collect();
            let fits = |(dim, &len): (&Option<i64>, &usize)| dim.is_none_or(|dim| usize::try_from(dim) == Ok(len));
            if dims.len() != value.shape.len() || !dims.iter().zip(&value.shape).all(fits) {
                let dims: Vec<String> = dims.iter().map(|dim| dim.map_or("?".into(), |dim| dim.to_string())).collect();
                let found = &value.shape;
                return Err(format!("{}: shape {found:?}, expected [{}]", path.display(), dims.join(", ")));
            }
        }
        self.set(name, Ok(value));
        Ok(())
    }

    pub fn lower(&self, node: &NodeProto) -> Result<Lowered, Problem> {
        lower(node, self.opsets.get(&domain(node.domain.as_ref())).copied().unwrap_or(1), &self.values)
    }
}

/// The standard's domain has two names.
fn domain(name: Option<&String>) -> String {
    name.filter(|name| *name != "ai.onnx").cloned().unwrap_or_default()
}
