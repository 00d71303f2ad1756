//! The files of `tests/golden`: inputs, and the results of PyTorch in f64.

use std::{collections::HashMap, fs, ops::Range, path::PathBuf};

use safetensors::{Dtype, SafeTensors};
use wgpu_norm::{
    Access, Activation, BatchNorm, Gate, GateFunction, GroupNorm, InstanceNorm, LayerNorm, Layout, LpNormalize, Norm,
    Options, Order, Outputs, Pairs, RmsNorm, Rotary, RunningStats, Slot, Tensors,
};

/// Any op, for its options and its backward pass.
pub trait AnyOp: Norm {
    fn options(&mut self) -> &mut Options;
    fn backward_pass(&self) -> Box<dyn Norm>;
}

macro_rules! any_op {
    ($($op:ident)*) => {
        $(impl AnyOp for $op {
            fn options(&mut self) -> &mut Options {
                &mut self.options
            }

            fn backward_pass(&self) -> Box<dyn Norm> {
                Box::new(self.backward())
            }
        })*
    };
}
any_op!(LayerNorm RmsNorm LpNormalize GroupNorm InstanceNorm BatchNorm);

/// The results that a file may have.
const EXPECTED: [Slot; 12] = [
    Slot::Output,
    Slot::Mean,
    Slot::Rstd,
    Slot::RunningMean,
    Slot::RunningVar,
    Slot::ResidualOutput,
    Slot::GradInput,
    Slot::GradResidual,
    Slot::GradWeight,
    Slot::GradBias,
    Slot::GradGate,
    Slot::NextOutput,
];

pub struct Golden {
    pub name: String,
    metadata: HashMap<String, String>,
    shape: Vec<usize>,
    floats: HashMap<String, Vec<f32>>,
    pub expected: Outputs<f64>,
    num_batches_tracked: Option<u32>,
    positions: Vec<u32>,
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
            positions: Vec::new(),
        };
        if let Some(positions) = golden.text("positions") {
            golden.positions = positions.split(',').map(|position| position.parse().expect("positions")).collect();
        }
        for (name, view) in file.tensors() {
            let values: Vec<f64> = match view.dtype() {
                Dtype::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(view.data()).into_iter().map(f64::from).collect(),
                Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
                Dtype::I64 => {
                    bytemuck::pod_collect_to_vec::<u8, i64>(view.data()).into_iter().map(|x| x as f64).collect()
                }
                other => panic!("{name}: {other:?}"),
            };
            match name.strip_prefix("expected_") {
                Some("num_batches_tracked") => golden.expected.set_num_batches_tracked(values[0] as u32),
                Some(expected) => {
                    let slot = EXPECTED.into_iter().find(|slot| slot.name() == expected).expect(expected);
                    golden.expected.set(slot, values);
                }
                None if name == "num_batches_tracked" => golden.num_batches_tracked = Some(values[0] as u32),
                None => {
                    golden.floats.insert(name, values.into_iter().map(|x| x as f32).collect());
                }
            }
        }
        golden
    }

    /// A key of the metadata, if it is there.
    fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    fn number(&self, key: &str) -> f32 {
        self.metadata[key].parse().expect(key)
    }

    fn has(&self, tensor: &str) -> bool {
        self.floats.contains_key(tensor)
    }

    /// Calls `check` with the op of the file and its tensors.
    pub fn with_op(&self, check: impl FnOnce(&dyn Norm, &Tensors<'_>)) {
        let mut op = self.descriptor();
        self.set_options(op.options());
        let op: Box<dyn Norm> = match self.text("direction") {
            None => op,
            Some("backward") => op.backward_pass(),
            other => panic!("{}: {other:?}", self.name),
        };
        // A file has all tensors of the forward pass. The gradients do not need each of them.
        let mut tensors = Tensors::default();
        for spec in op.tensors().unwrap_or_else(|e| panic!("{}: {e}", self.name)) {
            tensors = match spec.slot {
                _ if spec.access == Access::Write => tensors,
                Slot::Positions => tensors.positions(&self.positions),
                Slot::NumBatchesTracked => tensors.num_batches_tracked(self.num_batches_tracked.expect("a count")),
                slot => {
                    let values = self.floats.get(slot.name());
                    tensors.set(slot, values.unwrap_or_else(|| panic!("{}: no {slot}", self.name)))
                }
            };
        }
        check(op.as_ref(), &tensors);
    }

    /// The op without its options.
    fn descriptor(&self) -> Box<dyn AnyOp> {
        let shape = &self.shape;
        // The MiniLM files name no op.
        match self.text("op").unwrap_or("layer-norm") {
            "layer-norm" => Box::new(LayerNorm::new(shape, self.axes()).affine_axes(self.affine_axes())),
            "rms-norm" => Box::new(RmsNorm::new(shape, self.axes()).affine_axes(self.affine_axes())),
            "lp-normalize" => {
                let op = LpNormalize::new(shape, self.axes()).order(match self.text("order") {
                    Some("1") => Order::L1,
                    Some("2") => Order::L2,
                    other => panic!("{}: {other:?}", self.name),
                });
                Box::new(op.affine_axes(self.affine_axes()))
            }
            "group-norm" => {
                let groups = self.metadata["groups"].parse().expect("groups");
                Box::new(GroupNorm::new(shape, groups).layout(self.layout()))
            }
            "instance-norm" => {
                let mut op = InstanceNorm::new(shape).layout(self.layout());
                op.running_stats = self.running_stats();
                Box::new(op)
            }
            "batch-norm" if self.metadata["training"] == "true" => {
                let mut op = BatchNorm::training(shape).layout(self.layout());
                op.running_stats = self.running_stats();
                Box::new(op)
            }
            "batch-norm" => Box::new(BatchNorm::inference(shape).layout(self.layout())),
            op => panic!("{}: {op}", self.name),
        }
    }

    fn set_options(&self, options: &mut Options) {
        let expects = |slot| self.expected.get(slot).is_some();
        options.eps = self.number("eps");
        options.weight = self.has("weight");
        options.zero_centered = self.text("zero_centered") == Some("true");
        options.bias = self.has("bias");
        options.per_sample = self.text("per_sample") == Some("true");
        options.save_stats = expects(Slot::Mean);
        options.residual = self.has("residual");
        // The forward pass writes the sum, and the backward pass reads it.
        options.residual_output = expects(Slot::ResidualOutput) || self.has("residual_output");
        options.residual_after = self.text("residual_after") == Some("true");
        options.input_bias = self.has("input_bias");
        options.next_norm = self.text("next_norm") == Some("true");
        options.gate = self.text("gate").map(|place| {
            let function = match self.metadata["gate_function"].as_str() {
                "identity" => GateFunction::Identity,
                "one_plus" => GateFunction::OnePlus,
                "silu" => GateFunction::Silu,
                "sigmoid" => GateFunction::Sigmoid,
                "tanh" => GateFunction::Tanh,
                other => panic!("{}: {other}", self.name),
            };
            if place == "before" { Gate::before(function) } else { Gate::after(function) }
        });
        options.rotary = self.text("pairs").map(|pairs| {
            assert_eq!(pairs, "i, i + len / 2", "{}", self.name);
            let len = self.shape[self.shape.len() - 1];
            Rotary::new(Pairs::Halves, len, self.floats[Slot::RotaryTable.name()].len() / len)
        });
        if let Some(name) = self.text("activation") {
            options.activation = Activation::ALL.into_iter().find(|f| f.name() == name).expect(name);
        }
    }

    /// The normalized axes, which are neighbours: `axes`, or as many last axes as `normalized_shape` has.
    fn axes(&self) -> Range<usize> {
        let rank = self.shape.len();
        if let Some(axes) = self.range("axes") {
            return axes;
        }
        let count = self.text("normalized_shape").map_or(1, |shape| shape.split(',').count());
        rank - count..rank
    }

    /// The axes of weight and bias.
    fn affine_axes(&self) -> Range<usize> {
        self.range("affine_axes").unwrap_or_else(|| self.axes())
    }

    /// A key that has neighbouring axes.
    fn range(&self, key: &str) -> Option<Range<usize>> {
        let axes: Vec<usize> = self.text(key)?.split(',').map(|axis| axis.parse().expect(key)).collect();
        Some(axes[0]..axes[axes.len() - 1] + 1)
    }

    fn layout(&self) -> Layout {
        match self.text("layout") {
            None => Layout::ChannelsFirst,
            Some("channels-last") => Layout::ChannelsLast,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    fn running_stats(&self) -> Option<RunningStats> {
        if !self.has("running_mean") {
            return None;
        }
        let momentum = (self.metadata["momentum"] != "none").then(|| self.number("momentum"));
        Some(match (self.metadata["running_stats"].as_str(), momentum) {
            ("pytorch", momentum) => RunningStats::PyTorch { momentum },
            ("onnx", Some(momentum)) => RunningStats::Onnx { momentum },
            ("keras", Some(momentum)) => RunningStats::Keras { momentum },
            other => panic!("{other:?}"),
        })
    }

    /// The results of the op: PyTorch counts batches for any momentum, the op for a cumulative average alone.
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
