//! The example `onnx_nodes`: nodes of ONNX models on the adapter, what it refuses, and the program as a user runs it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use ndarray::ArrayD;
use ndarray_npy::write_npy;
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};
use tempfile::TempDir;
use wgpu_norm::{DType, LayerNorm, Slot, Tensors, host::Gpu};

#[path = "../examples/onnx_nodes/nodes/mod.rs"]
#[allow(dead_code, reason = "the program runs models, this test runs cases")]
mod nodes;
use nodes::{
    cases::{Case, Checked, find_cases},
    lower,
    node::{Problem, Values},
    reader,
    tensor::Tensor,
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/onnx")
}

/// Every expected output with one value changed, one missing, or one that is no number, is seen.
fn tampering_is_seen(case: &str, output: &Checked) {
    let count = output.expected.values.len();
    let largest = output.expected.values.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    // 10 times what two roundings to f16 may be off by.
    let step = largest * if output.expected.dtype == DType::F32 { 1e-4 } else { 1e-2 };
    let tampered = |values: Vec<f32>| Checked {
        name: output.name.clone(),
        actual: output.actual.clone(),
        expected: Tensor { values, ..output.expected.clone() },
    };
    for index in [0, count / 2, count - 1] {
        for wrong in [output.expected.values[index] + step, f32::NAN] {
            let mut values = output.expected.values.clone();
            values[index] = wrong;
            assert!(tampered(values).check().is_err(), "{case}, {}[{index}]: {wrong} passes", output.name);
        }
    }
    let short = output.expected.values[1..].to_vec();
    assert!(tampered(short).check().is_err(), "{case}, {}: a short one passes", output.name);
}

#[test]
fn nodes_of_onnx_and_onnx_runtime_have_the_expected_outputs() {
    let gpu = Gpu::new().expect("an adapter");
    let (mut passed, mut refused) = (0, Vec::new());
    for folder in find_cases(&golden()).expect("cases") {
        let name = folder.strip_prefix(golden()).expect("a case").display().to_string();
        let case = Case::read(&folder).unwrap_or_else(|e| panic!("{e}")).expect("one norm");
        match case.run(&gpu) {
            Ok(outputs) => {
                for output in &outputs {
                    output.check().unwrap_or_else(|e| panic!("{name}: {e}"));
                    tampering_is_seen(&name, output);
                }
                passed += 1;
            }
            Err(Problem::Refused(_)) => refused.push(name),
            Err(e) => panic!("{name}: {e}"),
        }
    }
    let expected = ["bn_train_one_value", "ln_f64", "mvn_apart"];
    assert_eq!(refused, expected.map(|name| format!("onnxruntime/{name}")));
    assert_eq!(passed, 118);
}

/// The outputs of a skip layer norm, as docs/onnx.md shows it.
fn documented(gpu: &Gpu, [input, skip, gamma, beta]: [&[f32]; 4]) -> wgpu_norm::Result<(Vec<f32>, Vec<f32>)> {
    let op = LayerNorm::new(&[2, 5, 33], 2..).eps(0.1).residual(true).residual_output(true);
    let tensors = Tensors::new(input).residual(skip).weight(gamma).bias(beta);
    let outputs = gpu.run(&op, &tensors)?;
    let (output, sum) = (outputs.output(), outputs.residual_output());
    Ok((output.to_vec(), sum.to_vec()))
}

#[test]
fn the_code_of_the_page_computes_a_case() {
    let folder = golden().join("onnxruntime/skip_ln_sum_f32/test_data_set_0");
    let values = |name: &str| {
        let proto: TensorProto = reader::decode(&fs::read(folder.join(name)).expect("a file")).expect("a tensor");
        Tensor::from_proto(&proto).expect("floats")
    };
    let inputs = [0, 1, 2, 3].map(|i| values(&format!("input_{i}.pb")).values);
    let gpu = Gpu::new().expect("an adapter");
    let (output, sum) = documented(&gpu, [&inputs[0], &inputs[1], &inputs[2], &inputs[3]]).expect("outputs");
    for (i, actual) in [output, sum].into_iter().enumerate() {
        let checked = Checked { name: i.to_string(), actual, expected: values(&format!("output_{i}.pb")) };
        checked.check().unwrap_or_else(|e| panic!("{e}"));
    }
}

/// An attribute of a node.
enum Value {
    Int(i64),
    Float(f32),
    Ints(&'static [i64]),
}
use Value::{Float, Int, Ints};

fn node(domain: &str, op_type: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Value)]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let attribute = |(name, value): &(&str, Value)| {
        let mut attribute = AttributeProto { name: Some((*name).to_owned()), ..Default::default() };
        match value {
            Int(i) => (attribute.i, attribute.r#type) = (Some(*i), Some(AttributeType::INT)),
            Float(f) => (attribute.f, attribute.r#type) = (Some(*f), Some(AttributeType::FLOAT)),
            Ints(ints) => (attribute.ints, attribute.r#type) = (ints.to_vec(), Some(AttributeType::INTS)),
        }
        attribute
    };
    NodeProto {
        domain: Some(domain.to_owned()),
        op_type: Some(op_type.to_owned()),
        name: Some("the_norm".to_owned()),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes.iter().map(attribute).collect(),
    }
}

/// A tensor of each shape that the nodes below read, by name.
fn values() -> Values {
    let tensor = |shape: &[usize], dtype| Tensor {
        shape: shape.to_vec(),
        dtype,
        values: (0..shape.iter().product()).map(|i: usize| 0.5 * i as f32 - 1.0).collect(),
    };
    let f32s = |shape: &[usize]| Ok(tensor(shape, DType::F32));
    let c = || f32s(&[4]);
    let mut values: Values = [("x", f32s(&[2, 4, 3])), ("c", c()), ("w", f32s(&[3])), ("two", f32s(&[2]))]
        .into_iter()
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .collect();
    values.insert("w16".into(), Ok(tensor(&[3], DType::F16)));
    values.insert("x1".into(), f32s(&[4]));
    values.insert("wide".into(), f32s(&[1, 2, 4, 3]));
    values.insert("integers".into(), Err("its type is INT64, expected FLOAT, FLOAT16 or BFLOAT16".into()));
    values
}

#[test]
fn a_refusal_names_the_attribute_or_the_input() {
    const MICROSOFT: &str = "com.microsoft";
    let y: &[&str] = &["y"];
    let bn: &[&str] = &["x", "c", "c", "c", "c"];
    let ln = |attribute, value| node("", "LayerNormalization", &["x", "w"], y, &[(attribute, value)]);
    let cases = [
        (17, ln("stash_type", Int(10)), "its attribute stash_type is 10, expected 1"),
        (17, ln("axis", Int(3)), "its attribute axis is 3, expected one of 3 axes"),
        (17, ln("axis", Int(-4)), "its attribute axis is -4"),
        (17, ln("axis", Float(1.0)), "its attribute axis is not an integer"),
        (17, ln("epsilon", Int(1)), "its attribute epsilon is not a float"),
        (17, ln("epsilon", Float(-1.0)), "eps is -1"),
        (17, ln("momentum", Float(0.5)), "its attribute momentum is not known"),
        (17, node("", "LayerNormalization", &["x"], y, &[]), "it has no input Scale"),
        (17, node("", "LayerNormalization", &["x", "c"], y, &[]), "does not broadcast to [3]"),
        (17, node("", "LayerNormalization", &["x", "wide"], y, &[]), "expected at most 3 axes"),
        (17, node("", "LayerNormalization", &["x", "w", "w16"], y, &[]), "its scale is f32 and its bias f16"),
        (17, node("", "LayerNormalization", &["integers", "w"], y, &[]), "its input integers: its type is INT64"),
        (23, node("", "RMSNormalization", &["x", "w"], y, &[("stash_type", Int(16))]), "stash_type is 16"),
        (22, node("", "LpNormalization", &["x"], y, &[("p", Int(3))]), "its attribute p is 3, expected 1 or 2"),
        (13, node("", "MeanVarianceNormalization", &["x"], y, &[("axes", Ints(&[0, 2, 3]))]), "axes is 3"),
        (13, node("", "MeanVarianceNormalization", &["x"], y, &[("axes", Ints(&[]))]), "axes is [], expected axes"),
        (13, node("", "LRN", &["x"], y, &[]), "its attribute size is 0, expected a number above 0"),
        (13, node("", "LRN", &["x"], y, &[("size", Int(3)), ("beta", Float(0.0))]), "beta is 0"),
        (6, node("", "BatchNormalization", bn, y, &[("is_test", Int(0))]), "is_test is 0, expected 1: training"),
        (7, node("", "BatchNormalization", bn, y, &[("spatial", Int(0))]), "spatial is 0, expected 1: a statistic"),
        (9, node("", "BatchNormalization", bn, y, &[("spatial", Int(1))]), "its attribute spatial is not known"),
        (9, node("", "BatchNormalization", bn, &["y", "m"], &[]), "its output 1, m, is not supported"),
        (15, node("", "BatchNormalization", &["x", "w", "c", "c", "c"], y, &[]), "its input scale has the shape [3]"),
        (15, node("", "BatchNormalization", &["x1", "c", "c", "c", "c"], y, &[]), "expected two axes or more"),
        (
            22,
            node("", "InstanceNormalization", &["x", "c", "w"], y, &[]),
            "its input B has the shape [3], expected [4]",
        ),
        (
            21,
            node("", "GroupNormalization", &["x", "c", "c"], y, &[("num_groups", Int(3))]),
            "num_groups is 3, expected",
        ),
        (21, node("", "GroupNormalization", &["x", "two", "two"], y, &[("num_groups", Int(2))]), "[2], expected [4]"),
        (18, node("", "GroupNormalization", &["x", "c", "c"], y, &[("num_groups", Int(2))]), "[4], expected [2]"),
        (1, node(MICROSOFT, "GroupNorm", &["x", "w", "w"], y, &[("groups", Int(2))]), "groups is 2"),
        (1, node(MICROSOFT, "GroupNorm", &["x", "w", "w"], y, &[("activation", Int(2))]), "activation is 2"),
        (1, node(MICROSOFT, "SkipLayerNormalization", &["x", "c", "w"], y, &[]), "its skip: its shape is [4]"),
        (1, node(MICROSOFT, "SkipLayerNormalization", &["x", "x", "c"], y, &[]), "its input gamma has the shape [4]"),
        (1, node(MICROSOFT, "QuickGelu", &["x"], y, &[]), "it does not normalize"),
        (1, node("my.domain", "LayerNormalization", &["x", "w"], y, &[]), "it does not normalize"),
    ];
    let values = values();
    for (opset, node, words) in cases {
        let op = node.op_type.clone().expect("a type");
        // What the ops themselves refuse, they refuse before a device is asked.
        let refused = lower(&node, opset, &values).and_then(|lowered| Ok(lowered.op.tensors().map(drop)?));
        let problem = refused.expect_err(words);
        assert!(matches!(problem, Problem::Refused(_)), "{op}: {problem:?}");
        assert!(problem.to_string().contains(words), "{op}: no {words:?} in {problem}");
    }
    let missing = lower(&node("", "LpNormalization", &["h"], y, &[]), 22, &values).map(drop);
    assert_eq!(missing, Err(Problem::NoValue("h".into())));
}

#[test]
fn a_scale_has_the_axes_in_which_it_varies() {
    let mut values = values();
    for (scale, weights) in [
        (&[3][..], &[3][..]),
        (&[1], &[3]),
        (&[1, 1, 1], &[3]),
        (&[4, 1], &[4, 3]),
        (&[1, 4, 3], &[4, 3]),
        (&[2, 1, 3], &[2, 3]),
        (&[2, 4, 1], &[2, 4, 3]),
    ] {
        let count = scale.iter().product();
        values.insert("s".into(), Ok(Tensor { shape: scale.to_vec(), dtype: DType::F32, values: vec![1.5; count] }));
        let node = node("", "LayerNormalization", &["x", "s"], &["y"], &[]);
        let specs = lower(&node, 17, &values).expect("a norm").op.tensors().expect("tensors");
        let weight = specs.iter().find(|spec| spec.slot == Slot::Weight).expect("a weight");
        assert_eq!(weight.shape, weights, "{scale:?}");
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    // A graph that is longer than the file, a field to skip that is, and a number that does not end.
    let graph = [0x3a, 0xff, 0xff, 0xff, 0x7f, 0x0a];
    let skipped = [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x12, 0x00];
    let endless = [0xff; 12];
    for bytes in [&graph[..], &skipped, &endless] {
        assert!(reader::decode::<ModelProto>(bytes).is_err(), "{bytes:x?}");
    }
}

/// The folder of a test with a model in it: two layer norms, a product between them, and a norm of f64.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        let model = ModelProto {
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
            graph: Some(GraphProto {
                node: vec![
                    node("", "LayerNormalization", &["x", "w"], &["first"], &[("epsilon", Float(1e-5))]),
                    node("", "MatMul", &["first", "m"], &["product"], &[]),
                    node("", "LayerNormalization", &["product", "w"], &["second"], &[]),
                    node("", "LpNormalization", &["second"], &["third"], &[]),
                    node("", "LayerNormalization", &["x", "w64"], &["fourth"], &[]),
                ],
                initializer: vec![
                    TensorProto { float_data: vec![1.0, -2.0, 0.5], ..initializer("w", DataType::FLOAT) },
                    TensorProto { double_data: vec![1.0; 3], ..initializer("w64", DataType::DOUBLE) },
                ],
                input: vec![ValueInfoProto { name: Some("x".into()), r#type: None }],
                ..Default::default()
            }),
            ..Default::default()
        };
        fs::write(folder.path("model.onnx"), model.write_buf().expect("a model")).expect("written");
        folder.save("x.npy", &[2, 3]);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn save(&self, name: &str, shape: &[usize]) {
        let values = (0..shape.iter().product()).map(|i: usize| (i * i) as f32 - 3.0).collect();
        write_npy(self.path(name), &ArrayD::from_shape_vec(shape, values).expect("an array")).expect("written");
    }

    /// Exit code, stdout and stderr of the program.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let test = env::current_exe().expect("this test");
        let folder = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("examples");
        let program = folder.join(format!("onnx_nodes{}", env::consts::EXE_SUFFIX));
        assert!(program.is_file(), "{} is not built: run all of `cargo test`, which builds it", program.display());
        let output =
            Command::new(program).args(arguments.split_whitespace()).current_dir(self.0.path()).output().expect("run");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
    }
}

fn initializer(name: &str, data_type: DataType) -> TensorProto {
    TensorProto { name: Some(name.into()), dims: vec![3], data_type: Some(data_type), ..Default::default() }
}

#[test]
fn a_model_runs_what_has_inputs() {
    let folder = Folder::new();
    let (code, stdout, stderr) = folder.run("model.onnx --input x=x.npy");
    assert_eq!(code, 0, "{stdout}{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("LayerNormalization the_norm: layer_norm [2, 3], "), "{stdout}");
    assert!(lines[1].starts_with("no input: LayerNormalization the_norm: its input product has no value"), "{stdout}");
    assert!(lines[2].starts_with("no input: LpNormalization the_norm: its input second has no value"), "{stdout}");
    assert!(
        lines[3].starts_with("refused: LayerNormalization the_norm: its input w64: its type is DOUBLE"),
        "{stdout}"
    );
    assert_eq!(lines[4..], ["1 passed, 0 failed, 1 refused, 2 without inputs"]);
    // The third norm reads what the second wrote.
    let (code, stdout, _) = folder.run("model.onnx --input x=x.npy --input product=x.npy");
    assert_eq!((code, stdout.lines().last()), (0, Some("3 passed, 0 failed, 1 refused")), "{stdout}");
}

#[test]
fn a_wrong_call_is_an_error() {
    let folder = Folder::new();
    fs::write(folder.path("text.onnx"), "This is no model.").expect("written");
    fs::write(folder.path("empty.onnx"), "").expect("written");
    fs::create_dir(folder.path("folder")).expect("a folder");
    folder.save("wide.npy", &[2, 4]);
    for (arguments, words) in [
        ("", "<PATH>"),
        ("nothing.onnx", "nothing.onnx: "),
        ("text.onnx", "text.onnx: it is no ONNX model"),
        ("empty.onnx", "empty.onnx: it is no ONNX model: it has no graph"),
        ("folder", "folder: no test case in it"),
        ("folder --input x=x.npy", "--input x: test cases have their inputs"),
        ("model.onnx --tolerance 1", "unexpected argument '--tolerance'"),
        ("model.onnx --input x", "expected NAME=X.npy"),
        ("model.onnx --input y=x.npy", "--input y: no node that normalizes reads it"),
        ("model.onnx --input x=y.npy", "--input x: y.npy: "),
        ("model.onnx --input x=model.onnx", "expected a .npy file of f32"),
        ("model.onnx --adapter nothing", "no name contains \"nothing\""),
    ] {
        let (code, stdout, stderr) = folder.run(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments}: {stderr}");
        assert!(stderr.contains(words), "{arguments}: no {words:?} in {stderr}");
    }
    // No node runs without a value of x, and wide.npy does not fit the weight.
    let (code, stdout, stderr) = folder.run("model.onnx --input product=wide.npy");
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(stdout.contains("its input x has no value, give it by --input x=FILE.npy"), "{stdout}");
    assert!(stderr.contains("no node ran"), "{stderr}");
}
