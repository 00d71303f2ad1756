//! The files of `tests/golden`: inputs and what PyTorch, in f64, makes of them.

use std::{collections::HashMap, fs, path::PathBuf};

use safetensors::{Dtype, SafeTensors};
use wgpu_norm::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Norm, Outputs, RmsNorm, RunningStats, Slot, Tensors};

pub struct Golden {
    pub name: String,
    metadata: HashMap<String, String>,
    shape: Vec<usize>,
    floats: HashMap<String, Vec<f32>>,
    pub expected: Outputs<f64>,
    num_batches_tracked: Option<u32>,
}

impl Golden {
    /// Every file of a folder, by name.
    pub fn all(folder: &str) -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{}: no files", folder.display());
        paths.into_iter().map(Self::load).collect()
    }

    fn load(path: PathBuf) -> Self {
        let bytes = fs::read(&path).expect("the file");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let file = SafeTensors::deserialize(&bytes).expect("tensors");
        let mut golden = Self {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            metadata: header.metadata().clone().unwrap_or_default(),
            shape: file.tensor("input").expect("input").shape().to_vec(),
            floats: HashMap::new(),
            expected: Outputs::default(),
            num_batches_tracked: None,
        };
        for (name, view) in file.tensors() {
            let values: Vec<f64> = match view.dtype() {
                Dtype::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(view.data()).into_iter().map(f64::from).collect(),
                Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
                Dtype::I64 => {
                    bytemuck::pod_collect_to_vec::<u8, i64>(view.data()).into_iter().map(|x| x as f64).collect()
                }
                other => panic!("{name}: {other:?}"),
            };
            let expected = &mut golden.expected;
            match name.as_str() {
                "expected_output" => expected.set(Slot::Output, values),
                "expected_mean" => expected.set(Slot::Mean, values),
                "expected_rstd" => expected.set(Slot::Rstd, values),
                "expected_running_mean" => expected.set(Slot::RunningMean, values),
                "expected_running_var" => expected.set(Slot::RunningVar, values),
                "expected_num_batches_tracked" => expected.set_num_batches_tracked(values[0] as u32),
                "num_batches_tracked" => golden.num_batches_tracked = Some(values[0] as u32),
                _ => {
                    golden.floats.insert(name, values.into_iter().map(|x| x as f32).collect());
                }
            }
        }
        golden
    }

    fn number(&self, key: &str) -> f32 {
        self.metadata[key].parse().expect(key)
    }

    fn has(&self, tensor: &str) -> bool {
        self.floats.contains_key(tensor)
    }

    /// Calls `check` with the op of the file and its tensors.
    pub fn with_op(&self, check: impl FnOnce(&dyn Norm, &Tensors<'_>)) {
        let mut tensors = Tensors::new(&self.floats["input"]);
        for (name, slot) in [
            ("weight", Slot::Weight),
            ("bias", Slot::Bias),
            ("running_mean", Slot::RunningMean),
            ("running_var", Slot::RunningVar),
        ] {
            if let Some(values) = self.floats.get(name) {
                tensors = tensors.set(slot, values);
            }
        }
        let (eps, weight, bias) = (self.number("eps"), self.has("weight"), self.has("bias"));
        let stats = self.expected.get(Slot::Mean).is_some();
        let axes = self.metadata.get("normalized_shape").map_or(1, |shape| shape.split(',').count());
        let first = self.shape.len() - axes;
        // The MiniLM files name no op.
        match self.metadata.get("op").map_or("layer-norm", String::as_str) {
            "layer-norm" => {
                let op = LayerNorm::new(&self.shape, first..).eps(eps).weight(weight).bias(bias).save_stats(stats);
                return check(&op, &tensors);
            }
            "rms-norm" => return check(&RmsNorm::new(&self.shape, first..).eps(eps).weight(weight), &tensors),
            "group-norm" => {
                let op = GroupNorm::new(&self.shape, self.metadata["groups"].parse().expect("groups"));
                return check(&op.eps(eps).weight(weight).bias(bias).save_stats(stats), &tensors);
            }
            "instance-norm" => {
                return check(&InstanceNorm::new(&self.shape).eps(eps).weight(weight).bias(bias), &tensors);
            }
            op => assert_eq!(op, "batch-norm", "{}", self.name),
        }
        let training = self.metadata["training"] == "true";
        let mut op = if training { BatchNorm::training(&self.shape) } else { BatchNorm::inference(&self.shape) }
            .eps(eps)
            .weight(weight)
            .bias(bias)
            .save_stats(stats);
        if training && self.has("running_mean") {
            let momentum = (self.metadata["momentum"] != "none").then(|| self.number("momentum"));
            op.running_stats = Some(match (self.metadata["running_stats"].as_str(), momentum) {
                ("pytorch", momentum) => RunningStats::PyTorch { momentum },
                ("onnx", Some(momentum)) => RunningStats::Onnx { momentum },
                ("keras", Some(momentum)) => RunningStats::Keras { momentum },
                other => panic!("{other:?}"),
            });
        }
        if op.running_stats == Some(RunningStats::CUMULATIVE) {
            tensors = tensors.num_batches_tracked(self.num_batches_tracked.expect("a count"));
        }
        check(&op, &tensors);
    }

    /// What the op writes: PyTorch counts batches for any momentum, the op only where the count matters.
    pub fn expected(&self, tensors: &Tensors<'_>) -> Outputs<f64> {
        let mut expected = Outputs::default();
        for slot in self.expected.slots() {
            expected.set(slot, self.expected.get(slot).unwrap_or_default().to_vec());
        }
        if let (Some(count), Some(_)) = (self.expected.num_batches_tracked(), tensors.batches()) {
            expected.set_num_batches_tracked(count);
        }
        expected
    }
}
