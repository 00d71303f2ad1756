//! The example `normalize` as a user runs it: a process with files, exit codes and one line for what went wrong.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ndarray::{Array, ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{read_npy, write_npy};
use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorView},
};
use tempfile::TempDir;
use wgpu_norm::{
    DType, LayerNorm, Norm, Tensors,
    testing::{REAL_DATA, bound, compare, largest, max_error},
};

/// The folder of a test; the program runs in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names and contents of all files.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.0.path()).expect("the folder").map(|entry| entry.expect("an entry"));
        entries
            .filter(|entry| entry.path().is_file())
            .map(|entry| (entry.file_name().into_string().expect("UTF-8"), fs::read(entry.path()).expect("a file")))
            .collect()
    }

    fn save(&self, name: &str, tensors: &[(&str, Stored)]) {
        let views = tensors.iter().map(|(name, Stored { dtype, shape, bytes })| {
            (*name, TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor"))
        });
        fs::write(self.path(name), safetensors::serialize(views, None).expect("tensors")).expect("written");
    }

    fn load(&self, name: &str) -> BTreeMap<String, Loaded> {
        load(&self.path(name)).0
    }

    fn run(&self, arguments: &str) -> Run {
        self.run_all(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    fn run_all(&self, arguments: &[&str]) -> Run {
        self.finish(Command::new(program()).args(arguments))
    }

    fn finish(&self, command: &mut Command) -> Run {
        command.current_dir(self.0.path()).env_remove("RUST_LOG");
        let Output { status, stdout, stderr } = command.output().expect("a process");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs what must be refused: with this exit code, a line with all of these words, and no file changed.
    fn fails(&self, code: i32, arguments: &str, words: &[&str]) {
        let before = self.files();
        let run = self.run(arguments);
        run.failed(code, words);
        assert_eq!(run.stdout, "", "{arguments}");
        assert!(self.files() == before, "{arguments}: files changed");
    }
}

/// What a run of the program gave.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn ok(self) -> Self {
        assert!(self.code == Some(0) && self.stderr.is_empty(), "{self:?}");
        self
    }

    fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
    }

    fn line(&self, start: &str) -> &str {
        let line = self.stdout.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start:?} in {self:?}"))
    }

    /// The error of the output that `--check` tells, relative to the largest.
    fn checked(&self) -> f64 {
        let line = self.line("check: ");
        assert!(line.ends_with(": ok"), "{line}");
        let relative = line.split_once(" of the largest").and_then(|(before, _)| before.rsplit(' ').next());
        relative.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no relative error in {line:?}"))
    }
}

fn program() -> PathBuf {
    let test = env::current_exe().expect("this test");
    let folder = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("examples");
    let program = folder.join(format!("normalize{}", env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not built: run all of `cargo test`, which builds it", program.display());
    program
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A tensor to be put into a file.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn f32s(shape: &[usize], values: &[f32]) -> Stored {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    Stored { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
}

fn i64s(shape: &[usize], value: i64) -> Stored {
    Stored { dtype: Dtype::I64, shape: shape.to_vec(), bytes: value.to_le_bytes().to_vec() }
}

/// A tensor from a file.
#[derive(Debug, PartialEq)]
struct Loaded {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Loaded {
    fn f32(&self) -> Vec<f32> {
        assert_eq!(self.dtype, Dtype::F32);
        self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect()
    }

    fn f64(&self) -> Vec<f64> {
        match self.dtype {
            Dtype::F32 => self.f32().into_iter().map(f64::from).collect(),
            Dtype::F64 => {
                self.bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
            }
            dtype => panic!("{dtype} is no float"),
        }
    }

    fn count(&self) -> i64 {
        assert_eq!(self.dtype, Dtype::I64);
        i64::from_le_bytes(self.bytes.as_slice().try_into().expect("a scalar"))
    }
}

fn load(path: &Path) -> (BTreeMap<String, Loaded>, Metadata) {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let tensors = tensors.iter().map(|(name, tensor)| {
        let (dtype, shape, bytes) = (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec());
        (name.to_owned(), Loaded { dtype, shape, bytes })
    });
    (tensors.collect(), metadata)
}

/// Numbers that are not all alike.
fn some(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 37 % 101) as f32 / 16.0 - 3.0).collect()
}

fn names(tensors: &BTreeMap<String, Loaded>) -> Vec<&str> {
    tensors.keys().map(String::as_str).collect()
}

#[test]
fn real_activations_stay_within_the_bound_for_real_data() {
    let folder = Folder::new();
    for name in ["embeddings", "layer2-attention", "layer5-output"] {
        let path = repository(&format!("tests/golden/minilm/{name}.safetensors"));
        let input = path.to_str().expect("UTF-8");
        let arguments = ["layer-norm", "--input", input, "--output", "out.safetensors", "--eps", "1e-12", "--check"];
        let run = folder.run_all(&arguments).ok();
        assert!(run.checked() <= REAL_DATA, "{run:?}");
        assert!(run.line("layer_norm [64, 384] on ").contains("GB/s"), "{run:?}");
        assert_eq!(run.stdout.lines().count(), 2, "{run:?}");

        let outputs = folder.load("out.safetensors");
        assert_eq!(names(&outputs), ["mean", "output", "rstd"]);
        let expected = load(&path).0["expected_output"].f64();
        let error = max_error("output", DType::F32, &outputs["output"].f32(), &expected).expect("comparable");
        assert!(error <= REAL_DATA * largest(&expected), "{name}: {error:e}");
    }
}

#[test]
fn the_example_data_is_normalized() {
    let folder = Folder::new();
    let minilm = fs::read(repository("tests/golden/minilm/layer5-output.safetensors")).expect("golden");
    assert!(fs::read(repository("examples/data/minilm-layer5-output.safetensors")).expect("data") == minilm);

    let path = repository("examples/data/digits-batch-norm.safetensors");
    let input = path.to_str().expect("UTF-8");
    for device in ["gpu", "reference"] {
        let arguments = ["batch-norm", "--input", input, "--output", "out.safetensors", "--training", "--check"];
        let run = folder.run_all(&[&arguments[..], &["--device", device]].concat()).ok();
        assert!(run.checked() <= REAL_DATA, "{run:?}");
        let outputs = folder.load("out.safetensors");
        assert_eq!(names(&outputs), ["mean", "num_batches_tracked", "output", "rstd", "running_mean", "running_var"]);
        assert_eq!(outputs["num_batches_tracked"].count(), 1);
    }
}

/// Every golden file that needs no options but the program's, with those that its metadata tells.
#[test]
fn golden_files_come_out_as_pytorch_computes_them() {
    let folder = Folder::new();
    let mut conventions = BTreeMap::<String, usize>::new();
    let mut read = 0;
    for entry in fs::read_dir(repository("tests/golden/pytorch")).expect("golden files") {
        let path = entry.expect("an entry").path();
        let (tensors, metadata) = load(&path);
        let name = path.display();
        let keys = metadata.metadata().clone().unwrap_or_default();
        let key = |key: &str| keys.get(key).map_or("", String::as_str);
        let others = ["direction", "activation", "layout", "axes", "per_sample", "zero_centered", "order"];
        let tracked_instances = key("op") == "instance-norm" && tensors.contains_key("running_mean");
        if others.iter().any(|&key| keys.contains_key(key)) || tensors.contains_key("residual") || tracked_instances {
            continue;
        }
        read += 1;
        let mut arguments = vec![
            key("op"),
            "--eps",
            key("eps"),
            "--output",
            "out.safetensors",
            "--input",
            path.to_str().expect("UTF-8"),
        ];
        for (option, name) in [("--normalized-shape", "normalized_shape"), ("--groups", "groups")] {
            if keys.contains_key(name) {
                arguments.extend([option, key(name)]);
            }
        }
        let tracked = tensors.contains_key("expected_running_mean");
        let momentum = format!("--momentum={}", key("momentum"));
        if key("training") == "true" {
            arguments.push("--training");
            if tracked {
                arguments.extend([momentum.as_str(), "--running-stats", key("running_stats")]);
            }
        }
        folder.run_all(&arguments).ok();
        let outputs = folder.load("out.safetensors");
        for (expected_name, expected) in &tensors {
            let Some(name_of_it) = expected_name.strip_prefix("expected_") else { continue };
            let output = outputs.get(name_of_it).unwrap_or_else(|| panic!("{name}: no {name_of_it}"));
            assert_eq!(output.shape, expected.shape, "{name}: {name_of_it}");
            if name_of_it == "num_batches_tracked" {
                assert_eq!(output.count(), expected.count(), "{name}");
            } else {
                compare(name_of_it, &output.f32(), &expected.f64()).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
        let expected = tensors.keys().filter(|name| name.starts_with("expected_")).count();
        // PyTorch does not tell these statistics.
        let untold = match key("op") {
            "rms-norm" => 1,
            "instance-norm" => 2,
            _ => 0,
        };
        assert_eq!(outputs.len(), expected + untold, "{name}: {:?}", names(&outputs));
        if tracked {
            *conventions.entry(format!("{} {}", key("running_stats"), key("momentum") == "none")).or_default() += 1;
        }
    }
    assert_eq!(read, 89);
    assert_eq!(
        conventions.keys().collect::<Vec<_>>(),
        ["keras false", "onnx false", "pytorch false", "pytorch true"],
        "files of every convention"
    );
}

#[test]
fn default_momenta_are_those_of_the_conventions() {
    let folder = Folder::new();
    let input = some(24);
    folder.save(
        "in.safetensors",
        &[
            ("input", f32s(&[8, 3], &input)),
            ("running_mean", f32s(&[3], &[1.0, 2.0, 3.0])),
            ("running_var", f32s(&[3], &[0.5, 1.0, 2.0])),
        ],
    );
    for (convention, momentum) in [("pytorch", "0.1"), ("onnx", "0.9"), ("keras", "0.99")] {
        let arguments = "batch-norm --input in.safetensors --training --check --running-stats";
        folder.run(&format!("{arguments} {convention} --output default.safetensors")).ok();
        folder.run(&format!("{arguments} {convention} --momentum {momentum} --output given.safetensors")).ok();
        let default = folder.load("default.safetensors");
        assert_eq!(default, folder.load("given.safetensors"), "{convention}");
        assert!(!default.contains_key("num_batches_tracked"), "{convention}");
    }
}

#[test]
fn the_batch_count_keeps_its_shape_and_an_empty_batch_does_not_count() {
    let folder = Folder::new();
    for (rows, shape, before, momentum, after) in [
        (4, &[1][..], 6, "none", Some(7)),
        (4, &[], 6, "0.5", Some(7)),
        (4, &[1], i64::from(u32::MAX) - 1, "0.5", Some(i64::from(u32::MAX))),
        (0, &[1], 6, "none", Some(6)),
        (0, &[], 6, "0.5", Some(6)),
    ] {
        folder.save(
            "in.safetensors",
            &[
                ("input", f32s(&[rows, 2, 3], &some(rows * 6))),
                ("running_mean", f32s(&[2], &[0.25, 0.5])),
                ("running_var", f32s(&[2], &[1.5, 2.5])),
                ("num_batches_tracked", i64s(shape, before)),
            ],
        );
        let arguments = "batch-norm --input in.safetensors --output out.safetensors --training --check";
        folder.run(&format!("{arguments} --momentum {momentum}")).ok();
        let outputs = folder.load("out.safetensors");
        assert_eq!(outputs["output"].shape, [rows, 2, 3]);
        let count = &outputs["num_batches_tracked"];
        assert_eq!((count.shape.as_slice(), Some(count.count())), (shape, after));
        if rows == 0 {
            assert_eq!(outputs["running_mean"].f32(), [0.25, 0.5]);
            assert_eq!(outputs["running_var"].f32(), [1.5, 2.5]);
            assert!(!outputs.contains_key("mean"));
        }
    }
}

#[test]
fn a_missing_batch_count_starts_at_zero_if_there_is_something_to_track() {
    let folder = Folder::new();
    folder.save(
        "in.safetensors",
        &[
            ("input", f32s(&[4, 2], &some(8))),
            ("running_mean", f32s(&[2], &[9.0; 2])),
            ("running_var", f32s(&[2], &[9.0; 2])),
        ],
    );
    let arguments = "batch-norm --input in.safetensors --output out.safetensors --training --check --momentum";
    folder.run(&format!("{arguments} none")).ok();
    let outputs = folder.load("out.safetensors");
    let count = &outputs["num_batches_tracked"];
    assert_eq!((count.shape.len(), count.count()), (0, 1));
    // The average of one batch is the batch.
    compare("running_mean", &outputs["running_mean"].f32(), &outputs["mean"].f64()).unwrap();

    folder.run(&format!("{arguments} 0.5")).ok();
    assert!(!folder.load("out.safetensors").contains_key("num_batches_tracked"));

    // Without running statistics there is nothing to count for.
    folder.save("in.safetensors", &[("input", f32s(&[4, 2], &some(8))), ("num_batches_tracked", i64s(&[], 3))]);
    folder.run(&format!("{arguments} none")).ok();
    assert_eq!(names(&folder.load("out.safetensors")), ["mean", "output", "rstd"]);
}

#[test]
fn an_empty_batch_gives_an_empty_output() {
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[0, 4], &[])), ("weight", f32s(&[4], &[2.0; 4]))]);
    let run = folder.run("layer-norm --input in.safetensors --output out.safetensors --check").ok();
    assert!(run.line("layer_norm [0, 4] on ").ends_with("nothing to do"), "{run:?}");
    let outputs = folder.load("out.safetensors");
    assert_eq!((&outputs["output"].shape[..], &outputs["mean"].shape[..]), (&[0, 4][..], &[0][..]));

    write_npy(folder.path("in.npy"), &ArrayD::<f32>::zeros(vec![0, 4])).expect("in.npy");
    folder.run("batch-norm --input in.npy --output out.npy --training --check").ok();
    assert_eq!(read_npy::<_, ArrayD<f32>>(folder.path("out.npy")).expect("out.npy").shape(), [0, 4]);
}

#[test]
fn npy_files_go_in_and_out_in_either_order() {
    let folder = Folder::new();
    let (input, weight, bias) = (some(60), some(20), some(20));
    let op = LayerNorm::new(&[3, 4, 5], 1..);
    let truth = op.reference(&Tensors::new(&input).weight(&weight).bias(&bias)).expect("reference").output().to_vec();
    let array = |shape: &[usize], values: &[f32]| ArrayD::from_shape_vec(shape, values.to_vec()).expect("an array");
    // The same elements, with the first axis the fastest in memory.
    let fortran = |shape: &[usize], values: &[f32]| {
        let standard = array(shape, values);
        let mut array = Array::zeros(IxDyn(shape).f());
        array.assign(&standard);
        array
    };
    write_npy(folder.path("bias.npy"), &array(&[4, 5], &bias)).expect("bias.npy");
    for (order, input, weight) in [
        ("C", array(&[3, 4, 5], &input), array(&[4, 5], &weight)),
        ("Fortran", fortran(&[3, 4, 5], &input), fortran(&[4, 5], &weight)),
    ] {
        write_npy(folder.path("in.npy"), &input).expect("in.npy");
        write_npy(folder.path("weight.npy"), &weight).expect("weight.npy");
        let is_fortran = String::from_utf8_lossy(&folder.files()["in.npy"]).contains("'fortran_order': True");
        assert_eq!(is_fortran, order == "Fortran");
        let arguments = "layer-norm --input in.npy --weight weight.npy --bias bias.npy --normalized-shape 4,5 --check";
        folder.run(&format!("{arguments} --output out.npy")).ok();
        let output: ArrayD<f32> = read_npy(folder.path("out.npy")).expect("out.npy");
        assert_eq!(output.shape(), [3, 4, 5]);
        compare("output", output.as_slice().expect("in C order"), &truth).unwrap_or_else(|e| panic!("{order}: {e}"));

        folder.run(&format!("{arguments} --output out.safetensors")).ok();
        assert_eq!(folder.load("out.safetensors")["output"].f32(), output.into_raw_vec_and_offset().0);
    }
}

#[test]
fn weight_and_bias_are_used_when_they_are_there() {
    let folder = Folder::new();
    let (input, weight, bias) = (some(12), some(4), some(7)[3..].to_vec());
    for (has_weight, has_bias) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut tensors = vec![("input", f32s(&[3, 4], &input)), ("other", i64s(&[1], 5))];
        let mut inputs = Tensors::new(&input);
        if has_weight {
            tensors.push(("weight", f32s(&[4], &weight)));
            inputs = inputs.weight(&weight);
        }
        if has_bias {
            tensors.push(("bias", f32s(&[4], &bias)));
            inputs = inputs.bias(&bias);
        }
        folder.save("in.safetensors", &tensors);
        folder.run("layer-norm --input in.safetensors --output out.safetensors").ok();
        let truth = LayerNorm::new(&[3, 4], 1..).weight(has_weight).bias(has_bias).reference(&inputs).expect("truth");
        compare("output", &folder.load("out.safetensors")["output"].f32(), truth.output()).unwrap();
    }
}

#[test]
fn the_reference_device_gives_the_rounded_reference() {
    let folder = Folder::new();
    let input = some(24);
    folder.save("in.safetensors", &[("input", f32s(&[4, 6], &input))]);
    let run = folder
        .run("layer-norm --input in.safetensors --output out.safetensors --device reference --eps 0.5 --check")
        .ok();
    assert!(run.line("layer_norm [4, 6] on the CPU reference: ").contains(" ms wall"), "{run:?}");
    assert!(run.checked() <= bound(&[]), "{run:?}");
    let op = LayerNorm::new(&[4, 6], 1..).weight(false).bias(false).eps(0.5);
    let truth = op.reference(&Tensors::new(&input)).expect("reference").output().to_vec();
    let rounded: Vec<f32> = truth.iter().map(|&x| x as f32).collect();
    assert_eq!(folder.load("out.safetensors")["output"].f32(), rounded);
}

#[test]
fn the_output_may_replace_the_input() {
    let folder = Folder::new();
    folder.save("x.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let before = folder.files();
    fs::hard_link(folder.path("x.safetensors"), folder.path("link.safetensors")).expect("a second name");
    folder.run("layer-norm --input x.safetensors --output new.safetensors").ok();
    folder.run("layer-norm --input x.safetensors --output x.safetensors").ok();
    let files = folder.files();
    assert!(files["x.safetensors"] == files["new.safetensors"]);
    assert!(files["link.safetensors"] == before["x.safetensors"], "the old file was replaced, not written to");
    assert_eq!(files.len(), 3, "no temporary file is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::write(folder.path("plain"), "").expect("a file");
        let mode = |name| fs::metadata(folder.path(name)).expect("a file").permissions().mode();
        assert_eq!(mode("new.safetensors"), mode("plain"), "permissions of a normal new file");
    }
}

#[test]
fn help_version_and_adapters_are_printed() {
    let folder = Folder::new();
    for arguments in ["--help", "layer-norm --help", "--version"] {
        assert!(folder.run(arguments).ok().stdout.contains("normalize"), "{arguments}");
    }
    let adapters = folder.run("--list-adapters").ok();
    let name = adapters.stdout.lines().next().and_then(|line| line.split(',').next()).expect("an adapter");
    folder.save("in.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let arguments = ["layer-norm", "--input", "in.safetensors", "--output", "out.safetensors", "--adapter"];
    let run = folder.run_all(&[&arguments[..], &[&name.to_uppercase()]].concat()).ok();
    assert!(run.stdout.contains(name), "{run:?}");
    assert!(folder.run_all(&["--report", "--adapter", name]).ok().stdout.contains(name));
}

#[test]
fn a_wrong_command_line_is_refused_in_one_line() {
    let folder = Folder::new();
    folder.save(
        "x.safetensors",
        &[
            ("input", f32s(&[4, 6], &some(24))),
            ("running_mean", f32s(&[6], &[0.0; 6])),
            ("running_var", f32s(&[6], &[1.0; 6])),
        ],
    );
    fs::copy(folder.path("x.safetensors"), folder.path("x.txt")).expect("a copy");
    write_npy(folder.path("x.npy"), &ArrayD::<f32>::zeros(vec![4, 6])).expect("x.npy");
    folder.fails(2, "", &["layer-norm"]);
    folder.fails(2, "weight-norm", &["weight-norm"]);
    folder.fails(2, "layer-norm", &["--input", "--output"]);
    folder.fails(2, "layer-norm --input x.txt --output out.npy", &["--input", "x.txt", ".safetensors"]);
    folder.fails(2, "layer-norm --input x.safetensors --output out.bin", &["--output", "out.bin", ".npy"]);
    for (options, words) in [
        ("--eps -1", &["--eps", "-1", "not negative"][..]),
        ("--eps nan", &["--eps", "NaN", "finite"]),
        ("--eps inf", &["--eps", "inf", "finite"]),
        ("--eps -inf", &["--eps", "-inf", "finite"]),
        ("--eps small", &["--eps", "small"]),
        ("--eps", &["--eps"]),
        ("--training", &["--training"]),
        ("--momentum 0.1", &["--momentum"]),
        ("--running-stats onnx", &["--running-stats"]),
        ("--normalized-shape 5", &["--normalized-shape", "[5]", "[4, 6]"]),
        ("--normalized-shape 6,4", &["--normalized-shape", "[6, 4]", "[4, 6]"]),
        ("--normalized-shape 1,4,6", &["--normalized-shape", "[1, 4, 6]", "[4, 6]"]),
        ("--normalized-shape six", &["--normalized-shape", "six"]),
        ("--normalized-shape=", &["--normalized-shape"]),
        ("--weight x.npy", &["--weight", ".npy"]),
        ("--device tpu", &["--device", "gpu, reference"]),
        ("--adapter no-such-adapter", &["--adapter", "no-such-adapter"]),
        ("--device reference --adapter x", &["--adapter", "--device gpu"]),
    ] {
        folder.fails(2, &format!("layer-norm --input x.safetensors --output out.safetensors {options}"), words);
    }
    for (options, words) in [
        ("--normalized-shape 6", &["--normalized-shape"][..]),
        ("--momentum 0.1", &["--momentum", "--training"]),
        ("--running-stats keras", &["--running-stats", "--training"]),
        ("--training --momentum none --running-stats onnx", &["--momentum", "none", "number"]),
        ("--training --momentum none --running-stats keras", &["--momentum", "none", "number"]),
        ("--training --momentum nan", &["--momentum", "finite"]),
        ("--training --momentum all", &["--momentum", "all"]),
        ("--training --running-stats caffe", &["--running-stats", "caffe", "pytorch, onnx, keras"]),
    ] {
        folder.fails(2, &format!("batch-norm --input x.safetensors --output out.safetensors {options}"), words);
    }
    folder.fails(
        2,
        "layer-norm --input x.npy --output out.npy --zero-centered",
        &["--zero-centered", "x.npy", "weight"],
    );
    let groups = "group-norm --input x.safetensors --output out.safetensors";
    folder.fails(2, groups, &["--groups"]);
    for wrong in ["0", "4", "-1", "two"] {
        folder.fails(2, &format!("{groups} --groups={wrong}"), &["--groups", wrong]);
    }
    folder.fails(
        2,
        "instance-norm --input x.safetensors --output out.safetensors",
        &["x.safetensors", "input", "[4, 6]"],
    );
    folder.fails(2, "instance-norm --input x.safetensors --output out.safetensors --groups 2", &["--groups"]);
    folder.fails(2, "rms-norm --input x.safetensors --output out.safetensors --groups 2", &["--groups"]);
    folder.fails(2, "rms-norm --input x.npy --output out.npy --bias x.npy", &["--bias"]);
    folder.fails(2, "layer-norm --input x.npy --output out.npy --weight x.safetensors", &["--weight", "x.safetensors"]);
    folder.fails(2, "layer-norm --input x.npy --output out.npy --bias none.npy", &["none.npy"]);
    folder.fails(2, "layer-norm --input none.safetensors --output out.npy", &["none.safetensors"]);
}

#[test]
fn a_wrong_tensor_is_refused_with_its_file_and_name() {
    let folder = Folder::new();
    let input = || ("input", f32s(&[4, 6], &some(24)));
    let vector = |n: usize| f32s(&[n], &vec![1.0; n]);
    let of = |dtype, bytes: usize| Stored { dtype, shape: vec![4, 6], bytes: vec![0; 24 * bytes] };
    let running = || [("running_mean", vector(6)), ("running_var", vector(6))];
    let with_running = |tensor| running().into_iter().chain([input(), tensor]).collect::<Vec<_>>();
    for (arguments, tensors, words) in [
        ("layer-norm", vec![("weight", vector(6))], &["input", "missing"][..]),
        ("layer-norm", vec![("input", of(Dtype::F16, 2))], &["input", "F16", "F32"]),
        ("layer-norm", vec![("input", of(Dtype::F64, 8))], &["input", "F64", "F32"]),
        ("layer-norm", vec![input(), ("weight", vector(5))], &["weight", "[5]", "[6]"]),
        ("layer-norm", vec![input(), ("bias", f32s(&[6, 1], &[0.0; 6]))], &["bias", "[6, 1]", "[6]"]),
        ("layer-norm", vec![input(), ("bias", of(Dtype::I32, 4))], &["bias", "I32", "F32"]),
        ("layer-norm", vec![("input", f32s(&[4, 0], &[]))], &["input", "[4, 0]", "empty"]),
        ("layer-norm", vec![("input", f32s(&[], &[1.0]))], &["input", "[]"]),
        ("batch-norm", vec![input()], &["running_mean", "missing"]),
        ("batch-norm", vec![input(), ("running_mean", vector(6))], &["running_var", "missing"]),
        ("batch-norm --training", vec![input(), ("running_var", vector(6))], &["running_mean", "missing"]),
        ("batch-norm --training", vec![("input", vector(6))], &["input", "[6]", "[N, C"]),
        ("batch-norm --training", vec![("input", f32s(&[1, 6], &some(6)))], &["input", "[1, 6]", "more than one"]),
        ("batch-norm --training", vec![("input", f32s(&[4, 0], &[]))], &["input", "[4, 0]", "empty"]),
        ("batch-norm", with_running(("weight", vector(4))), &["weight", "[4]", "[6]"]),
        (
            "batch-norm --training",
            with_running(("num_batches_tracked", vector(1))),
            &["num_batches_tracked", "F32", "I64"],
        ),
        ("batch-norm --training", with_running(("num_batches_tracked", i64s(&[], -1))), &["num_batches_tracked", "-1"]),
        (
            "batch-norm --training --momentum none",
            with_running(("num_batches_tracked", i64s(&[], 1 << 32))),
            &["num_batches_tracked", "4294967296"],
        ),
        (
            "batch-norm --training",
            with_running(("num_batches_tracked", i64s(&[1, 1], 0))),
            &["num_batches_tracked", "[1, 1]", "[1]"],
        ),
    ] {
        folder.save("in.safetensors", &tensors);
        let words = [words, &["in.safetensors: "]].concat();
        folder.fails(2, &format!("{arguments} --input in.safetensors --output out.safetensors"), &words);
    }

    write_npy(folder.path("in.npy"), &ArrayD::<f32>::zeros(vec![4, 6])).expect("in.npy");
    write_npy(folder.path("f64.npy"), &ArrayD::<f64>::zeros(vec![4, 6])).expect("f64.npy");
    write_npy(folder.path("five.npy"), &ArrayD::<f32>::zeros(vec![5])).expect("five.npy");
    let arguments = "layer-norm --output out.npy --input";
    folder.fails(2, &format!("{arguments} f64.npy"), &["f64.npy", "input", "f8", "f4"]);
    folder.fails(2, &format!("{arguments} in.npy --bias f64.npy"), &["f64.npy", "bias", "f8", "f4"]);
    folder.fails(2, &format!("{arguments} in.npy --weight five.npy"), &["five.npy", "weight", "[5]", "[6]"]);
    folder.fails(2, "batch-norm --input in.npy --output out.npy", &["in.npy", "running_mean", "missing"]);
}

#[test]
fn damaged_safetensors_files_are_refused() {
    let folder = Folder::new();
    folder.save("whole.safetensors", &[("input", f32s(&[4, 6], &some(24))), ("weight", f32s(&[6], &some(6)))]);
    let whole = folder.files()["whole.safetensors"].clone();
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let tensor = |shape: &str, bytes: usize| {
        header(&format!(r#"{{"input":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{bytes}]}}}}"#))
    };
    let mut cases: Vec<Vec<u8>> =
        [0, 1, 7, 8, 9, 100, whole.len() / 2, whole.len() - 1].map(|n| whole[..n].to_vec()).into();
    cases.extend([
        [whole.as_slice(), &[0]].concat(),
        [&u64::MAX.to_le_bytes(), &whole[8..]].concat(),
        [&99_999_999_u64.to_le_bytes(), &whole[8..]].concat(),
        vec![0xff; 1000],
        header("[1, 2]"),
        header(&"[".repeat(10_000)),
        header("{\"a\\n\\u001b[31m\": {\"dtype\": \"\\nF32\"}}"),
        tensor("[18446744073709551615, 2]", 0),
        tensor("[9223372036854775808, 0, 4]", 0),
        tensor("[4611686018427387904, 4]", 0),
        tensor("[-1]", 4),
        tensor("[1]", 4),
        // Within what the format allows, beyond what a product of some of its axes is.
        tensor("[0, 1, 9223372036854775807, 2]", 0),
    ]);
    for bytes in cases {
        fs::write(folder.path("in.safetensors"), &bytes).expect("written");
        for op in ["layer-norm", "batch-norm --training"] {
            folder.fails(2, &format!("{op} --input in.safetensors --output out.safetensors"), &["in.safetensors: "]);
        }
    }
}

#[test]
fn damaged_npy_files_are_refused() {
    let folder = Folder::new();
    write_npy(folder.path("whole.npy"), &ArrayD::<f32>::zeros(vec![4, 6])).expect("whole.npy");
    let whole = folder.files()["whole.npy"].clone();
    let header = |text: &str| {
        let length = u16::try_from(text.len() + 1).expect("short").to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), b"\n"].concat()
    };
    let array =
        |descr: &str, shape: &str| header(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"));
    let mut cases: Vec<Vec<u8>> = [0, 1, 6, 9, 12, 60, 128, whole.len() - 1].map(|n| whole[..n].to_vec()).into();
    cases.extend([
        [whole.as_slice(), &[0]].concat(),
        vec![0xff; 1000],
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}\n".to_vec(),
        b"\x93NUMPY\x09\x00\x03\x00{}\n".to_vec(),
        header(""),
        header("{}"),
        header(&"(".repeat(60_000)),
        // Each bracket would double the time of the parser.
        header(&"[".repeat(100)),
        array("'>f4'", "(0, 4)"),
        array("'|O'", "(1,)"),
        array("[('a', '<f4')]", "(0, 4)"),
        array("'<f4'", "(18446744073709551615, 2)"),
        array("'<f4'", "(99999999999999999999999999999,)"),
        array("'<f4'", "(1099511627776, 2)"),
        array("'<f4'", "(9223372036854775807, 2, 0)"),
        array("'<f4'", "(0, 1, 9223372036854775807, 2)"),
        array("'<f4'", "(-1,)"),
        array("'<f4'", "3"),
    ]);
    for bytes in cases {
        fs::write(folder.path("in.npy"), &bytes).expect("written");
        for op in ["layer-norm", "batch-norm --training"] {
            folder.fails(2, &format!("{op} --input in.npy --output out.npy"), &["in.npy: "]);
        }
    }
}

#[test]
fn a_failed_check_writes_nothing() {
    let folder = Folder::new();
    // The square of 1e30 is beyond f32, so f32 arithmetic can't tell the variance of this row.
    let row: Vec<f32> = (0..8).map(|i| if i % 2 == 0 { 1e30 } else { -1e30 }).collect();
    folder.save("in.safetensors", &[("input", f32s(&[1, 8], &row))]);
    fs::write(folder.path("out.safetensors"), "old").expect("old content");
    let before = folder.files();
    let run = folder.run("layer-norm --input in.safetensors --output out.safetensors --check");
    run.failed(1, &["--check", "out.safetensors"]);
    assert!(run.line("check: ").ends_with(": FAILED"), "{run:?}");
    assert!(folder.files() == before);
}

#[test]
fn an_output_that_can_not_be_a_file_is_refused() {
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let missing = ["--output", "none/out.safetensors", "no folder"];
    folder.fails(2, "layer-norm --input in.safetensors --output none/out.safetensors", &missing);
    fs::create_dir(folder.path("out.npy")).expect("a folder in the way");
    folder.fails(2, "layer-norm --input in.safetensors --output out.npy", &["--output", "out.npy", "folder"]);
    folder.fails(2, "--list-adapters --report", &["--list-adapters", "--report"]);
    folder.fails(2, "--list-adapters --adapter x", &["--list-adapters", "--adapter"]);
}

/// The file size limit stands for a full disk: the write itself fails.
#[cfg(unix)]
#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[64, 96], &some(64 * 96)))]);
    fs::write(folder.path("old.npy"), "old").expect("old content");
    let before = folder.files();
    for output in ["old.npy", "new.npy", "new.safetensors"] {
        let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" layer-norm --device reference --input in.safetensors --output \"$1\"";
        let run = folder.finish(Command::new("sh").arg("-c").arg(limited).arg(program()).arg(output));
        run.failed(1, &[output]);
        assert!(folder.files() == before, "{output}");
    }
}

/// A full device behind stdout.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_can_not_be_printed_is_a_failure() {
    let folder = Folder::new();
    let run = folder.finish(Command::new("sh").args(["-c", "exec \"$0\" --list-adapters > /dev/full"]).arg(program()));
    run.failed(1, &["standard output"]);
}
