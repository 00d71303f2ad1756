//! Test cases as the onnx package has them: a folder with `model.onnx`, of one node, and `test_data_set_0`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rten_onnx::onnx::{NodeProto, TensorProto};
use wgpu_norm::{
    DType,
    host::Gpu,
    testing::{bound, max_error},
};

use super::{model::Model, node::Problem, reader, tensor::Tensor};

/// A case with the values of all inputs, and the expected outputs.
pub struct Case {
    model: Model,
    expected: Vec<(String, Result<Tensor, String>)>,
}

/// An output: what the adapter computed, and what is expected.
pub struct Checked {
    pub name: String,
    pub actual: Vec<f32>,
    pub expected: Tensor,
}

/// All folders of cases in a folder, in order.
pub fn find_cases(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let refuse = |e| format!("{}: {e}", folder.display());
        for entry in fs::read_dir(&folder).map_err(refuse)? {
            let path = entry.map_err(refuse)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("model.onnx") && folder.join("test_data_set_0").is_dir() {
                found.push(folder.clone());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A tensor, or why this crate has none like it; an error where the file can't be read.
fn read_tensor(path: &Path) -> Result<Result<Tensor, String>, String> {
    let refuse = |e: String| format!("{}: {e}", path.display());
    let bytes = fs::read(path).map_err(|e| refuse(e.to_string()))?;
    let proto: TensorProto = reader::decode(&bytes).map_err(|e| refuse(e.to_string()))?;
    Ok(Tensor::from_proto(&proto))
}

impl Case {
    /// Reads a case; `None` where its model is not one node that normalizes.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        let mut model = Model::read(&folder.join("model.onnx"))?;
        if model.nodes() != 1 || model.norms().count() != 1 {
            return Ok(None);
        }
        let data = folder.join("test_data_set_0");
        for (i, name) in model.inputs.clone().iter().enumerate() {
            model.set(name, read_tensor(&data.join(format!("input_{i}.pb")))?);
        }
        let outputs = model.outputs.iter().enumerate();
        let expected = outputs.map(|(i, name)| Ok((name.clone(), read_tensor(&data.join(format!("output_{i}.pb")))?)));
        Ok(Some(Self { expected: expected.collect::<Result<_, String>>()?, model }))
    }

    pub fn node(&self) -> &NodeProto {
        self.model.norms().next().expect("a case has one node")
    }

    /// Computes the node on the adapter.
    pub fn run(&self, gpu: &Gpu) -> Result<Vec<Checked>, Problem> {
        let node = self.node();
        let lowered = self.model.lower(node)?;
        let outputs = lowered.run(gpu)?.outputs;
        let check = |(name, expected): &(String, Result<Tensor, String>)| {
            let fail = |e: &str| Problem::Failed(format!("output {name}: {e}"));
            let expected = expected.clone().map_err(|e| fail(&e))?;
            let written = lowered.outputs.iter().find(|&&(output, _)| &node.output[output] == name);
            let actual =
                written.and_then(|&(_, slot)| outputs.get(slot)).ok_or_else(|| fail("the op does not write it"))?;
            Ok(Checked { name: name.clone(), actual: actual.to_vec(), expected })
        };
        self.expected.iter().map(check).collect()
    }
}

impl Checked {
    /// The largest error in parts of what is allowed: the bound of this crate, as if the expected values were exact.
    /// Half precision adds half an ulp for each of two roundings: this crate's, and that of the expected values.
    pub fn worst(&self) -> Result<f64, String> {
        let Self { name, actual, expected } = self;
        let half_ulp = if expected.dtype == DType::F32 { 0.0 } else { expected.dtype.half_ulp() };
        let dtype = expected.dtype;
        let expected: Vec<f64> = expected.values.iter().map(|&value| f64::from(value)).collect();
        // Refuses other lengths, NaNs and infinities.
        max_error(name, dtype, actual, &expected)?;
        let bound = bound(&expected);
        let elements = actual.iter().zip(&expected).filter(|(_, expected)| expected.is_finite());
        let errors = elements.map(|(&a, &e)| (f64::from(a) - e).abs() / (bound + 2.0 * half_ulp * e.abs()));
        Ok(errors.fold(0.0, f64::max))
    }

    /// The same, as an error where it is more than 1.
    pub fn check(&self) -> Result<f64, Problem> {
        match self.worst() {
            Ok(worst) if worst <= 1.0 => Ok(worst),
            Ok(worst) => Err(Problem::Failed(format!("output {} is off by {worst:.1} times the bound", self.name))),
            Err(e) => Err(Problem::Failed(format!("output {e}"))),
        }
    }
}
