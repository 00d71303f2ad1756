//! `wgpu-norm` as a user runs it: a process with files, an exit code, and one line for an error.

mod common;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use common::{Folder, Loaded, Stored, f32s, floats, i64s, load, program, repository, some};

use ndarray::{Array, ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{read_npy, write_npy};
use safetensors::Dtype;
use wgpu_norm::{
    Activation, BatchNorm, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm, LpNormalize, Norm,
    Order, RmsNorm, Slot, Tensors, Window,
    testing::{REAL_DATA, bound, compare, largest, max_error},
};

/// Runs the program with `--check`, and compares all tensors of its file with the reference.
fn agrees(folder: &Folder, arguments: &str, op: &dyn Norm, tensors: &Tensors<'_>) -> BTreeMap<String, Loaded> {
    let arguments = format!("{arguments} --input in.safetensors --output out.safetensors --check");
    let run = folder.run(&arguments).ok();
    run.checked();
    let (truth, outputs) = (op.reference(tensors).expect("a reference"), folder.load("out.safetensors"));
    let expected: Vec<_> = truth.slots().map(Slot::name).collect();
    let missing: Vec<_> = expected.iter().filter(|&&name| !outputs.contains_key(name)).collect();
    assert!(
        missing.is_empty() && expected.len() == outputs.len(),
        "{arguments}: {:?}, expected {expected:?}",
        names(&outputs)
    );
    for spec in op.tensors().expect("a right op") {
        if let Some(expected) = truth.get(spec.slot) {
            let output = &outputs[spec.slot.name()];
            assert_eq!(output.shape, spec.shape, "{arguments}: {}", spec.slot);
            output.is(&format!("{arguments}: {}", spec.slot), spec.dtype, expected);
        }
    }
    outputs
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
        assert_eq!(run.line("not used: "), "not used: expected_output");
        assert_eq!(run.stdout.lines().count(), 3, "{run:?}");

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

/// All golden files whose options the program takes by the names of their metadata.
#[test]
fn golden_files_agree_with_pytorch() {
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
            let Some(result) = expected_name.strip_prefix("expected_") else { continue };
            let output = outputs.get(result).unwrap_or_else(|| panic!("{name}: no {result}"));
            assert_eq!(output.shape, expected.shape, "{name}: {result}");
            if result == "num_batches_tracked" {
                assert_eq!(output.count(), expected.count(), "{name}");
            } else {
                compare(result, &output.f32(), &expected.f64()).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
        let expected = tensors.keys().filter(|name| name.starts_with("expected_")).count();
        // PyTorch does not return these statistics.
        let missing = match key("op") {
            "rms-norm" => 1,
            "instance-norm" => 2,
            _ => 0,
        };
        assert_eq!(outputs.len(), expected + missing, "{name}: {:?}", names(&outputs));
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

    // Without running statistics the program does not count.
    folder.save("in.safetensors", &[("input", f32s(&[4, 2], &some(8))), ("num_batches_tracked", i64s(&[], 3))]);
    folder.run(&format!("{arguments} none")).ok();
    assert_eq!(names(&folder.load("out.safetensors")), ["mean", "output", "rstd"]);
}

#[test]
fn an_empty_batch_gives_an_empty_output() {
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[0, 4], &[])), ("weight", f32s(&[4], &[2.0; 4]))]);
    let run = folder.run("layer-norm --input in.safetensors --output out.safetensors --check").ok();
    assert!(run.line("layer_norm [0, 4] without bias on ").ends_with("nothing to do"), "{run:?}");
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
    // The first axis is contiguous.
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
fn missing_and_unused_tensors_are_named() {
    let folder = Folder::new();
    let count = "num_batches_tracked";
    for (arguments, shape, names, without, unused) in [
        ("layer-norm", &[3, 4][..], "gamma beta", " without weight, bias", "beta, gamma"),
        ("layer-norm", &[3, 4], "bias weight", "", ""),
        ("layer-norm --backward", &[3, 4], "weight grad_output residual", " without bias", "residual"),
        ("rms-norm", &[3, 4], "weight bias", "", "bias"),
        ("l2-norm", &[3, 4], "weight bias", "", "bias, weight"),
        ("local-response-norm --size 2", &[3, 4], "weight", "", "weight"),
        ("group-norm --groups 2", &[3, 4], "weight bias grad_output", "", "grad_output"),
        ("instance-norm", &[2, 4, 3], "running_mean running_var", " without weight, bias", "running_mean, running_var"),
        ("batch-norm", &[3, 4], "weight bias running_mean running_var num_batches_tracked", "", count),
        ("batch-norm --training", &[3, 4], "weight bias running_mean running_var num_batches_tracked", "", ""),
        ("batch-norm --training", &[3, 4], "weight bias running_mean running_var", " without num_batches_tracked", ""),
        ("batch-norm", &[3, 4], "weight bias running_mean running_var running_low", "", "running_low"),
        (
            "batch-norm --training --running-stats onnx",
            &[3, 4],
            "weight bias running_mean running_var running_low",
            "",
            "",
        ),
        (
            "batch-norm --training --momentum none",
            &[3, 4],
            "running_mean running_var",
            " without weight, bias, num_batches_tracked",
            "",
        ),
        (
            "batch-norm --training --running-stats keras",
            &[3, 4],
            "weight bias running_mean running_var num_batches_tracked",
            "",
            count,
        ),
        (
            "batch-norm --training",
            &[3, 4],
            "weight bias num_batches_tracked",
            " without running_mean, running_var",
            count,
        ),
        ("batch-norm --training --backward", &[3, 4], "weight bias grad_output num_batches_tracked", "", count),
    ] {
        let tensor = |name| match name {
            "num_batches_tracked" => i64s(&[], 3),
            "running_var" => f32s(&[4], &[0.5; 4]),
            "running_low" => f32s(&[2, 4], &[0.0; 8]),
            "input" | "grad_output" | "residual" => f32s(shape, &some(shape.iter().product())),
            _ => f32s(&[4], &some(4)),
        };
        let tensors: Vec<_> = names.split(' ').chain(["input"]).map(|name| (name, tensor(name))).collect();
        folder.save("in.safetensors", &tensors);
        let run = folder.run(&format!("{arguments} --input in.safetensors --output out.safetensors")).ok();
        assert!(run.stdout.contains(&format!(" {shape:?}{without} on ")), "{arguments} {names}: {run:?}");
        let expected = (!unused.is_empty()).then(|| format!("not used: {unused}"));
        let outputs = folder.load("out.safetensors");
        let low = names.contains("running_low") && unused.is_empty();
        assert_eq!(outputs.get("running_low").map(|low| low.shape.clone()), low.then(|| vec![2, 4]), "{arguments}");
        assert_eq!(run.stdout.lines().nth(1), expected.as_deref(), "{arguments} {names}");
    }

    write_npy(folder.path("in.npy"), &ArrayD::<f32>::ones(vec![3, 4])).expect("in.npy");
    write_npy(folder.path("weight.npy"), &ArrayD::<f32>::ones(vec![4])).expect("weight.npy");
    let run = folder.run("layer-norm --input in.npy --weight weight.npy --output out.npy").ok();
    assert!(run.stdout.starts_with("layer_norm [3, 4] without bias on "), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
}

#[test]
fn the_reference_device_gives_the_rounded_reference() {
    let folder = Folder::new();
    let input = some(24);
    folder.save("in.safetensors", &[("input", f32s(&[4, 6], &input))]);
    let run = folder
        .run("layer-norm --input in.safetensors --output out.safetensors --device reference --eps 0.5 --check")
        .ok();
    assert!(run.line("layer_norm [4, 6] without weight, bias on the CPU reference: ").contains(" ms wall"), "{run:?}");
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

#[cfg(unix)]
#[test]
fn the_output_keeps_links_owner_and_permissions() {
    use std::os::unix::{
        fs::{MetadataExt, PermissionsExt, chown, symlink},
        net::UnixListener,
    };
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let run = |output: &str| folder.run(&format!("layer-norm --input in.safetensors --output {output}"));
    run("new.safetensors").ok();
    let result = folder.files()["new.safetensors"].clone();
    fs::create_dir(folder.path("far")).expect("a folder");
    // A link to a link to a file in another folder, and a link to a file that does not exist yet.
    symlink("far/middle.safetensors", folder.path("first.safetensors")).expect("a link");
    symlink("../far/old.safetensors", folder.path("far/middle.safetensors")).expect("a link");
    symlink(folder.path("far/made.safetensors"), folder.path("dangling.safetensors")).expect("a link");
    for (link, file, mode) in [
        ("first.safetensors", "far/old.safetensors", 0o600),
        ("first.safetensors", "far/old.safetensors", 0o664),
        ("dangling.safetensors", "far/made.safetensors", 0o640),
    ] {
        if link == "first.safetensors" {
            fs::write(folder.path(file), "old").expect("a file");
        } else {
            run(link).ok();
        }
        fs::set_permissions(folder.path(file), fs::Permissions::from_mode(mode)).expect("permissions");
        // Root gives the file to another user.
        let own = fs::metadata(folder.path(file)).expect("a file").uid();
        let owner = if own == 0 { 12345 } else { own };
        chown(folder.path(file), Some(owner), None).expect("an owner");
        run(link).ok();
        assert!(fs::symlink_metadata(folder.path(link)).expect("a link").is_symlink(), "{link}");
        assert!(fs::read(folder.path(file)).expect("a file") == result, "{link}");
        let found = fs::metadata(folder.path(file)).expect("a file");
        assert_eq!((found.permissions().mode() & 0o7777, found.uid()), (mode, owner), "{file}");
    }
    let names = fs::read_dir(folder.path("far")).expect("the folder").count();
    assert_eq!(names, 3, "a temporary file is left");

    symlink("circle.npy", folder.path("circle.npy")).expect("a link");
    // In the folder of the test, where a program that replaces it does no harm.
    let _socket = UnixListener::bind(folder.path("socket")).expect("a socket");
    symlink("socket", folder.path("special.npy")).expect("a link");
    symlink("none/out.npy", folder.path("nowhere.npy")).expect("a link");
    symlink("far", folder.path("folder.npy")).expect("a link");
    for (output, problem) in [
        ("circle.npy", "circle.npy: "),
        ("special.npy", "socket: is no regular file"),
        ("nowhere.npy", "none/out.npy: there is no folder none"),
        ("folder.npy", "far: is a folder"),
    ] {
        folder.fails(2, &format!("layer-norm --input in.safetensors --output {output}"), &["--output: ", problem]);
    }
}

#[test]
fn help_version_and_adapters_are_printed() {
    let folder = Folder::new();
    for arguments in ["--help", "layer-norm --help", "--version"] {
        assert!(folder.run(arguments).ok().stdout.contains("wgpu-norm"), "{arguments}");
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
        ("--eps nan", &["--eps: nan", "finite"]),
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
        ("--normalized-shape six", &["--normalized-shape: [six], expected the trailing axes of [4, 6]"]),
        ("--normalized-shape -1", &["--normalized-shape: [-1], expected the trailing axes of [4, 6]"]),
        ("--normalized-shape -4,6", &["--normalized-shape: [-4, 6], expected the trailing axes of [4, 6]"]),
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
    for wrong in ["0", "4", "-1", "-1e3", "two", "1.5", "99999999999999999999"] {
        let message = format!("--groups: {wrong}, expected a divisor of the 6 channels");
        folder.fails(2, &format!("{groups} --groups {wrong}"), &[&message]);
        folder.fails(2, &format!("{groups} --groups={wrong}"), &[&message]);
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
fn a_number_that_f32_does_not_hold_is_refused_as_it_was_typed() {
    let folder = Folder::new();
    folder.save("x.safetensors", &[("input", f32s(&[4, 6, 2], &some(48)))]);
    let refused = |arguments: &str, option: &str, number: &str, expected: &str| {
        let arguments = format!("{arguments} --input x.safetensors --output out.safetensors {option}={number}");
        folder.fails(2, &arguments, &[&format!("{option}: {number}, expected {expected}")]);
    };
    let held = "0 or a number that f32 holds";
    for (op, option) in [
        ("layer-norm", "--eps"),
        ("l2-norm", "--eps"),
        ("batch-norm --training", "--momentum"),
        ("local-response-norm --size 3", "--alpha"),
        ("local-response-norm --size 3", "--beta"),
        ("local-response-norm --size 3", "--k"),
    ] {
        for number in ["1e-60", "1E-60", "0.00001e-40", "-1e-60", "1e-400", "1e-40", "1e40", "-1e39", "1e400"] {
            refused(op, option, number, held);
        }
        for word in ["nan", "-inf", "infinity", "1,5", "1e", "e0", "0x10"] {
            refused(op, option, word, "a finite number");
        }
    }
    refused("batch-norm --training", "--momentum", "nan", "a finite number; or none");
    for negative in ["-1e-3", "-1e30", "-2.50"] {
        refused("layer-norm", "--eps", negative, "a finite number that is not negative");
    }
    for number in ["0", "-0.0", "0e9", ".0", "1.2e-38", "3.4e38", "+1e-5"] {
        folder.run(&format!("layer-norm --input x.safetensors --output out.safetensors --eps={number}")).ok();
    }
}

#[test]
fn defaults_are_those_of_the_library() {
    let folder = Folder::new();
    let scaled = |by: f32| some(120).into_iter().map(|x| x * by).collect::<Vec<_>>();
    let save = |values: &[f32]| folder.save("in.safetensors", &[("input", f32s(&[2, 3, 4, 5], values))]);
    // Small numbers, for which eps decides, and large ones, for which the squares in the window do.
    let (shape, small, tiny, large) = ([2, 3, 4, 5], scaled(1e-3), scaled(1e-13), scaled(100.0));
    save(&small);
    let tensors = Tensors::new(&small);
    let op = LayerNorm::new(&shape, 3..).weight(false).bias(false).save_stats(true);
    agrees(&folder, "layer-norm", &op, &tensors);
    let op = RmsNorm::new(&shape, 3..).weight(false).save_stats(true);
    agrees(&folder, "rms-norm", &op, &tensors);
    let op = GroupNorm::new(&shape, 3).weight(false).bias(false).save_stats(true);
    agrees(&folder, "group-norm --groups 3", &op, &tensors);
    agrees(&folder, "instance-norm", &InstanceNorm::new(&shape).save_stats(true), &tensors);
    let op = BatchNorm::training(&shape).weight(false).bias(false).save_stats(true);
    agrees(&folder, "batch-norm --training", &op, &tensors);
    save(&tiny);
    agrees(&folder, "l2-norm", &LpNormalize::new(&shape, 3..).save_stats(true), &Tensors::new(&tiny));
    save(&large);
    agrees(&folder, "local-response-norm --size 2", &LocalResponseNorm::new(&shape, 2), &Tensors::new(&large));
}

#[test]
fn words_may_have_upper_and_lower_case() {
    let folder = Folder::new();
    let [mean, var] = ["running_mean", "running_var"].map(|name| (name, f32s(&[6], &[0.5; 6])));
    folder.save("X.SAFETENSORS", &[("input", f32s(&[4, 6], &some(24))), mean, var]);
    write_npy(folder.path("X.NPY"), &ArrayD::<f32>::ones(vec![4, 6])).expect("X.NPY");
    for (arguments, as_usual) in [
        ("Layer-Norm --activation GELU --dtype BF16", "layer-norm --activation gelu --dtype bf16"),
        ("L2-NORM --order L1 --device Reference", "l2-norm --order l1 --device reference"),
        ("batch-norm --training --momentum None", "batch-norm --training --momentum none"),
        ("batch-norm --training --running-stats ONNX", "batch-norm --training --running-stats onnx"),
        ("group-norm --groups 2 --layout NHWC", "group-norm --groups 2 --layout nhwc"),
        ("local-response-norm --size 2 --window Onnx", "local-response-norm --size 2 --window onnx"),
    ] {
        folder.run(&format!("{arguments} --input X.SAFETENSORS --output any.SafeTensors")).ok();
        folder.run(&format!("{as_usual} --input X.SAFETENSORS --output usual.safetensors")).ok();
        assert_eq!(folder.load("any.SafeTensors"), folder.load("usual.safetensors"), "{arguments}");
    }
    folder.run("layer-norm --input X.NPY --weight X.NPY --normalized-shape 4,6 --output Y.NPY").ok();
    assert_eq!(read_npy::<_, ArrayD<f32>>(folder.path("Y.NPY")).expect("Y.NPY").shape(), [4, 6]);
}

#[test]
fn a_word_that_is_nearly_right_gets_a_hint() {
    let folder = Folder::new();
    folder.save("x.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    for (arguments, meant) in [
        ("layernorm", "layer-norm"),
        ("LayerNorm", "layer-norm"),
        ("layer_norm", "layer-norm"),
        ("rmsnorm", "rms-norm"),
        ("batch-norms", "batch-norm"),
        ("l2-norm --activations relu", "--activation"),
        ("l2-norm --activation gelu-tanh", "gelu_tanh"),
        ("batch-norm --training --running-stats torch", "pytorch"),
    ] {
        let arguments = format!("{arguments} --input x.safetensors --output out.safetensors");
        folder.fails(2, &arguments, &[&format!("did you mean {meant}?")]);
    }
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
        ("layer-norm", vec![("weight", vector(6))], &["input: missing; the file has weight"][..]),
        ("layer-norm", vec![("input", of(Dtype::F64, 8))], &["input", "F64", "F32 or F16 or BF16"]),
        ("layer-norm", vec![input(), ("weight", vector(5))], &["weight", "[5]", "[6]"]),
        ("layer-norm", vec![input(), ("bias", f32s(&[6, 1], &[0.0; 6]))], &["bias", "[6, 1]", "[6]"]),
        ("layer-norm", vec![input(), ("bias", of(Dtype::I32, 4))], &["bias", "I32", "F32"]),
        ("layer-norm", vec![("input", f32s(&[4, 0], &[]))], &["input", "[4, 0]", "empty"]),
        ("layer-norm", vec![("input", f32s(&[], &[1.0]))], &["input", "[]"]),
        ("batch-norm", vec![input()], &["running_mean: missing, inference reads it; the file has input"]),
        ("batch-norm", vec![input(), ("running_mean", vector(6))], &["running_var", "missing"]),
        ("batch-norm --training", vec![input(), ("running_var", vector(6))], &["running_mean", "missing"]),
        (
            "batch-norm",
            vec![input(), ("running_mean", floats(DType::F16, &[6], &[0.0; 6])), ("running_var", vector(6))],
            &["running_mean", "F16", "expected F32"],
        ),
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
fn an_error_of_a_missing_tensor_names_those_of_the_file() {
    let folder = Folder::new();
    let from = |op: &str, file: &str| format!("{op} --input {file} --output out.safetensors");
    let vector = || f32s(&[6], &some(6));
    folder.save("model.safetensors", &[("model.norm.weight", vector()), ("Input", f32s(&[4, 6], &some(24)))]);
    let names = ["input: missing; the file has Input, model.norm.weight"];
    folder.fails(2, &from("layer-norm", "model.safetensors"), &names);
    folder.save("none.safetensors", &[]);
    folder.fails(2, &from("batch-norm", "none.safetensors"), &["input: missing; the file has no tensor"]);
    folder.save("odd.safetensors", &[("a\n\u{1b}[31m", vector())]);
    folder.fails(2, &from("l2-norm", "odd.safetensors"), &[r"the file has a\n\u{1b}[31m"]);
    let many: Vec<_> = (100..400).map(|layer| format!("layers.{layer}")).collect();
    folder.save("many.safetensors", &many.iter().map(|name| (name.as_str(), vector())).collect::<Vec<_>>());
    let words = ["the file has layers.100, layers.101, ", ", layers.111 and 288 more"];
    folder.fails(2, &from("rms-norm", "many.safetensors"), &words);
}

#[test]
fn too_many_elements_are_refused_by_the_limit_of_the_crate() {
    let folder = Folder::new();
    let shape = [0, 1 << 40, 1 << 20];
    folder.save("in.safetensors", &[("input", f32s(&shape, &[]))]);
    write_npy(folder.path("in.npy"), &ArrayD::<f32>::zeros(shape.to_vec())).expect("in.npy");
    for input in ["in.safetensors", "in.npy"] {
        let message = "input: elements of input: 1152921504606846976 needed, this crate allows 2147483648";
        for op in ["layer-norm", "batch-norm --training", "local-response-norm --size 3"] {
            folder.fails(2, &format!("{op} --input {input} --output out.npy"), &[&format!("{input}: {message}")]);
        }
    }
}

#[test]
fn the_axes_may_be_any_neighbours() {
    let folder = Folder::new();
    let shape = [2, 3, 4, 5];
    let (input, weight, bias) = (some(120), some(12), some(15)[3..].to_vec());
    let file = [("input", f32s(&shape, &input)), ("weight", f32s(&[3, 4], &weight)), ("bias", f32s(&[3, 4], &bias))];
    folder.save("in.safetensors", &file);
    let tensors = Tensors::new(&input).weight(&weight);
    for axis in ["1,2", "-3,-2", "2,1", "1,-2"] {
        let op = LayerNorm::new(&shape, 1..3).save_stats(true);
        agrees(&folder, &format!("layer-norm --axis {axis}"), &op, &tensors.clone().bias(&bias));
        let op = RmsNorm::new(&shape, 1..3).save_stats(true);
        agrees(&folder, &format!("rms-norm --axis {axis}"), &op, &tensors);
    }
    let l2 = |axes| LpNormalize::new(&shape, axes).save_stats(true);
    agrees(&folder, "l2-norm --axis=0", &l2(0..1), &Tensors::new(&input));
    agrees(&folder, "l2-norm --axis 0,1,2,3", &l2(0..4), &Tensors::new(&input));
    let last = agrees(&folder, "l2-norm", &l2(3..4), &Tensors::new(&input));
    assert_eq!(last, agrees(&folder, "l2-norm --axis -1", &l2(3..4), &Tensors::new(&input)));
}

#[test]
fn l2_norm_divides_by_either_norm() {
    let folder = Folder::new();
    let input = [3.0, 4.0, 0.0, 0.0, -6.0, 8.0];
    folder.save("in.safetensors", &[("input", f32s(&[3, 2], &input)), ("weight", f32s(&[7], &[9.0; 7]))]);
    for (options, expected) in [
        ("", [0.6, 0.8, 0.0, 0.0, -0.6, 0.8]),
        ("--order l2", [0.6, 0.8, 0.0, 0.0, -0.6, 0.8]),
        ("--order l1", [3.0 / 7.0, 4.0 / 7.0, 0.0, 0.0, -6.0 / 14.0, 8.0 / 14.0]),
        ("--eps 8", [3.0 / 8.0, 0.5, 0.0, 0.0, -0.6, 0.8]),
    ] {
        let arguments = format!("l2-norm --input in.safetensors --output out.safetensors --check {options}");
        folder.run(&arguments).ok().checked();
        let outputs = folder.load("out.safetensors");
        assert_eq!(names(&outputs), ["output", "rstd"]);
        outputs["output"].is(options, DType::F32, &expected);
    }
    let op = LpNormalize::new(&[3, 2], 1..).order(Order::L1).eps(8.0).save_stats(true);
    agrees(&folder, "l2-norm --order l1 --eps 8", &op, &Tensors::new(&input));
}

#[test]
fn local_response_norm_takes_a_window() {
    let folder = Folder::new();
    let input = some(60);
    folder.save("in.safetensors", &[("input", f32s(&[2, 5, 6], &input)), ("grad_output", f32s(&[2, 5, 6], &input))]);
    let op = |size| LocalResponseNorm::new(&[2, 5, 6], size);
    agrees(&folder, "local-response-norm --size 3", &op(3), &Tensors::new(&input));
    let onnx = op(4).window(Window::Onnx).alpha(0.5).beta(1.5).k(2.0);
    let options = "local-response-norm --size 4 --window onnx --alpha 0.5 --beta 1.5 --k 2";
    let right = agrees(&folder, options, &onnx, &Tensors::new(&input));
    let left =
        agrees(&folder, &options.replace("onnx", "pytorch"), &onnx.window(Window::PyTorch), &Tensors::new(&input));
    assert_ne!(left, right);
    let last = op(3).layout(Layout::ChannelsLast).alpha(0.5);
    agrees(&folder, "local-response-norm --size 3 --alpha 0.5 --layout nhwc", &last, &Tensors::new(&input));
    let tensors = Tensors::new(&input).grad_output(&input);
    agrees(&folder, "local-response-norm --size 3 --alpha 0.5 --layout nhwc --backward", &last.backward(), &tensors);
    for (options, problem) in [
        ("--size 0", "--size: 0, expected one channel or more"),
        ("--size -1", "--size: -1, expected one channel or more"),
        ("--size three", "--size: three, expected one channel or more"),
        ("--size 3 --alpha nan", "--alpha: nan"),
        ("--size 3 --beta -0.75", "--beta: -0.75, expected a finite number above zero"),
        ("--size 3 --activation relu", "--activation: local response norm has none"),
        ("", "--size"),
    ] {
        let arguments = format!("local-response-norm --input in.safetensors --output out.safetensors {options}");
        folder.fails(2, &arguments, &[problem]);
    }
}

/// `[N, C, spatial]` as `[N, spatial, C]`.
fn channels_last(shape: [usize; 3], values: &[f32]) -> Vec<f32> {
    let [samples, channels, spatial] = shape;
    let index = |n, c, s| (n * channels + c) * spatial + s;
    let indices = (0..samples).flat_map(|n| (0..spatial).flat_map(move |s| (0..channels).map(move |c| (n, c, s))));
    indices.map(|(n, c, s)| values[index(n, c, s)]).collect()
}

#[test]
fn channels_may_be_last() {
    let folder = Folder::new();
    let shape = [2, 4, 15];
    let (first, vector) = (some(120), |n: usize| f32s(&[4], &some(n + 4)[n..]));
    let last = channels_last(shape, &first);
    let affine = || [("weight", vector(1)), ("bias", vector(2)), ("running_mean", vector(3))];
    let save = |name, shape: &[usize], values: &[f32]| {
        let tensors =
            affine().into_iter().chain([("running_var", f32s(&[4], &[0.5; 4])), ("input", f32s(shape, values))]);
        folder.save(name, &tensors.collect::<Vec<_>>());
    };
    save("first.safetensors", &[2, 4, 3, 5], &first);
    save("last.safetensors", &[2, 3, 5, 4], &last);
    for op in ["batch-norm", "batch-norm --training", "group-norm --groups 2", "instance-norm"] {
        let run = |layout| {
            let arguments = format!("{op} --input {layout}.safetensors --output {layout}-out.safetensors --check");
            folder
                .run(&format!("{arguments} {}", if layout == "last" { "--layout nhwc" } else { "--layout nchw" }))
                .ok();
            folder.load(&format!("{layout}-out.safetensors"))
        };
        let (first, last) = (run("first"), run("last"));
        assert_eq!(names(&first), names(&last), "{op}");
        for (name, tensor) in &first {
            let tensor = if name == "output" { channels_last(shape, &tensor.f32()) } else { tensor.f32() };
            let tensor: Vec<f64> = tensor.into_iter().map(f64::from).collect();
            last[name].is(&format!("{op}: {name}"), DType::F32, &tensor);
        }
        assert_eq!(last["output"].shape, [2, 3, 5, 4]);
    }
}

#[test]
fn half_precision_is_read_and_written_as_such() {
    let folder = Folder::new();
    let (shape, input, weight, bias) = ([6, 9], some(54), some(9), some(12)[3..].to_vec());
    let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
    for stored_as in DType::FLOATS {
        folder.save(
            "in.safetensors",
            &[
                ("input", floats(stored_as, &shape, &input)),
                ("weight", floats(stored_as, &[9], &weight)),
                ("bias", floats(stored_as, &[9], &bias)),
            ],
        );
        let op = LayerNorm::new(&shape, 1..).dtype(stored_as).save_stats(true);
        agrees(&folder, "layer-norm", &op, &tensors);
        for dtype in DType::FLOATS {
            let op = op.clone().output_dtype(dtype);
            agrees(&folder, &format!("layer-norm --dtype {dtype}"), &op, &tensors);
        }
        folder.run("layer-norm --input in.safetensors --output out.npy --dtype f32 --check").ok();
        let output: ArrayD<f32> = read_npy(folder.path("out.npy")).expect("out.npy");
        let truth = op.reference(&tensors).expect("a reference");
        compare("output", output.as_slice().expect("in C order"), truth.output()).unwrap();

        // One rounding, from f64.
        let arguments = "layer-norm --input in.safetensors --output out.safetensors --device reference";
        folder.run(arguments).ok();
        let rounded: Vec<f32> = truth.output().iter().map(|&x| stored_as.round_f64(x) as f32).collect();
        assert_eq!(stored_as.decode(&folder.load("out.safetensors")["output"].bytes), rounded);
    }

    // Weight and bias of two types become f32, without a loss. The files have these bits.
    let half = |dtype, bits: [u16; 2]| Stored { dtype, shape: vec![2], bytes: bits.map(u16::to_le_bytes).concat() };
    folder.save(
        "in.safetensors",
        &[
            ("input", f32s(&[1, 2], &[-1.0, 1.0])),
            ("weight", half(Dtype::F16, [0x3c00, 0x4000])),
            ("bias", half(Dtype::BF16, [0x3f80, 0x4040])),
        ],
    );
    folder.run("layer-norm --input in.safetensors --output out.safetensors --eps 0 --check").ok();
    folder.load("out.safetensors")["output"].is("output", DType::F32, &[0.0, 5.0]);
    folder.run("layer-norm --input in.safetensors --output out.safetensors --eps 0 --dtype bf16").ok();
    assert_eq!(folder.load("out.safetensors")["output"].bytes, [0, 0, 0xa0, 0x40]);
}

#[test]
fn gradients_of_weight_and_bias_of_two_types_are_f32() {
    let folder = Folder::new();
    let (shape, input) = ([4, 6], some(24));
    let save = |bias: DType| {
        folder.save(
            "in.safetensors",
            &[
                ("input", f32s(&shape, &input)),
                ("grad_output", floats(DType::F16, &shape, &input)),
                ("weight", floats(DType::F16, &[6], &some(6))),
                ("bias", floats(bias, &[6], &some(6))),
            ],
        );
    };
    let op = LayerNorm::new(&shape, 1..).output_dtype(DType::F16);
    let (weight, tensors) = (some(6), Tensors::new(&input).grad_output(&input));
    save(DType::BF16);
    agrees(&folder, "layer-norm --backward", &op.backward(), &tensors.clone().weight(&weight));
    save(DType::F16);
    let op = op.affine_dtype(DType::F16);
    agrees(&folder, "layer-norm --backward", &op.backward(), &tensors.weight(&weight));
}

#[test]
fn results_beyond_f16_are_infinite_everywhere() {
    let folder = Folder::new();
    let weight = ("weight", f32s(&[2], &[1e6, 1.0]));
    folder.save("in.safetensors", &[("input", f32s(&[2, 2], &[1.0, -1.0, -1.0, 1.0])), weight]);
    for device in ["gpu", "reference"] {
        let arguments = "layer-norm --input in.safetensors --output out.safetensors --eps 0 --dtype f16 --check";
        folder.run(&format!("{arguments} --device {device}")).ok();
        let bits = [0x7c00_u16, 0xbc00, 0xfc00, 0x3c00];
        assert_eq!(folder.load("out.safetensors")["output"].bytes, bits.map(u16::to_le_bytes).concat(), "{device}");
    }
}

#[test]
fn a_residual_is_added() {
    let folder = Folder::new();
    let (shape, input) = ([2, 4, 3, 5], some(120));
    let residual = some(123)[3..].to_vec();
    let file = || [("input", f32s(&shape, &input)), ("residual", f32s(&shape, &residual))];
    folder.save("in.safetensors", &file());
    let tensors = Tensors::new(&input).residual(&residual);
    let op = LayerNorm::new(&shape, 3..).weight(false).bias(false).save_stats(true);
    let outputs = agrees(&folder, "layer-norm --residual", &op.clone().residual(true).residual_output(true), &tensors);
    let sum: Vec<f64> = input.iter().zip(&residual).map(|(x, r)| f64::from(*x) + f64::from(*r)).collect();
    outputs["residual_output"].is("the sum", DType::F32, &sum);
    agrees(&folder, "layer-norm", &op, &Tensors::new(&input));
    let op = RmsNorm::new(&shape, 3..).weight(false).save_stats(true);
    agrees(&folder, "rms-norm --residual", &op.residual(true).residual_output(true), &tensors);
    let op = GroupNorm::new(&shape, 2).weight(false).bias(false).save_stats(true);
    agrees(&folder, "group-norm --groups 2 --residual", &op.residual(true).residual_output(true), &tensors);
    let op = InstanceNorm::new(&shape).save_stats(true).residual(true).residual_output(true);
    agrees(&folder, "instance-norm --residual", &op, &tensors);
    let op = BatchNorm::training(&shape).weight(false).bias(false).save_stats(true).residual(true);
    agrees(&folder, "batch-norm --training --residual --activation relu", &op.activation(Activation::Relu), &tensors);

    folder.run("layer-norm --residual --input in.safetensors --output out.npy --check").ok();
    assert_eq!(read_npy::<_, ArrayD<f32>>(folder.path("out.npy")).expect("out.npy").shape(), shape);

    // The bound of the mean follows from the sum, which is larger than the input.
    let thirds = [1.0 / 3.0; 4];
    let large = ("residual", f32s(&[1, 4], &[3e5, -3e5, 1e5, -1e5]));
    folder.save("in.safetensors", &[("input", f32s(&[1, 4], &thirds)), large]);
    folder.run("layer-norm --residual --input in.safetensors --output out.safetensors --check").ok().checked();

    // The sum has the type of the residual, and the output that of the input.
    let [input_file, _] = file();
    folder.save("in.safetensors", &[input_file, ("residual", floats(DType::F16, &shape, &residual))]);
    let op = InstanceNorm::new(&shape).save_stats(true).residual(true).residual_output(true);
    let op = op.residual_dtype(DType::F16).residual_output_dtype(DType::F16);
    agrees(&folder, "instance-norm --residual", &op, &tensors);
}

#[test]
fn an_activation_is_applied_last() {
    let folder = Folder::new();
    let (shape, input, weight) = ([4, 6], some(24), some(6));
    folder.save("in.safetensors", &[("input", f32s(&shape, &input)), ("weight", f32s(&[6], &weight))]);
    for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::None) {
        let name = activation.name();
        let op = LayerNorm::new(&shape, 1..).bias(false).save_stats(true).activation(activation);
        agrees(&folder, &format!("layer-norm --activation {name}"), &op, &Tensors::new(&input).weight(&weight));
        let op = LpNormalize::new(&shape, 1..).save_stats(true).activation(activation);
        agrees(&folder, &format!("l2-norm --activation {name}"), &op, &Tensors::new(&input));
    }
    folder.save("in.safetensors", &[("input", f32s(&[1, 2], &[-3.0, 4.0]))]);
    folder.run("l2-norm --activation relu --input in.safetensors --output out.safetensors").ok();
    folder.load("out.safetensors")["output"].is("output", DType::F32, &[0.0, 0.8]);
}

#[test]
fn each_sample_may_have_its_own_weight() {
    let folder = Folder::new();
    let (shape, input, weight, bias) = ([3, 4, 5], some(60), some(15), some(18)[3..].to_vec());
    folder.save(
        "in.safetensors",
        &[("input", f32s(&shape, &input)), ("weight", f32s(&[3, 5], &weight)), ("bias", f32s(&[3, 5], &bias))],
    );
    let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
    let op = LayerNorm::new(&shape, 2..).per_sample(true).zero_centered(true).save_stats(true);
    agrees(&folder, "layer-norm --per-sample --zero-centered", &op, &tensors);
    let op = GroupNorm::new(&shape, 5).layout(wgpu_norm::Layout::ChannelsLast).per_sample(true).save_stats(true);
    agrees(&folder, "group-norm --groups 5 --layout nhwc --per-sample", &op, &tensors);
}

#[test]
fn gradients_are_those_of_the_reference() {
    let folder = Folder::new();
    let shape = [3, 4, 2, 5];
    let grad_output = some(127)[7..].to_vec();
    let (input, residual) = (some(120), some(125)[5..].to_vec());
    let vector = |n: usize, len: usize| some(n + len)[n..].to_vec();
    for stored_as in DType::FLOATS {
        let save = |channels: usize| {
            let tensors = [
                ("input", &shape[..], &input),
                ("residual", &shape, &residual),
                ("grad_output", &shape, &grad_output),
                ("weight", &[channels], &vector(1, channels)),
                ("bias", &[channels], &vector(2, channels)),
            ];
            let tensors = tensors.map(|(name, shape, values)| (name, floats(stored_as, shape, values)));
            let running = [
                ("running_mean", f32s(&[channels], &vector(3, channels))),
                ("running_var", f32s(&[channels], &vec![0.5; channels])),
                ("num_batches_tracked", i64s(&[], 3)),
            ];
            folder.save("in.safetensors", &tensors.into_iter().chain(running).collect::<Vec<_>>());
        };
        let (five, four) = ((vector(1, 5), vector(2, 5)), (vector(1, 4), vector(2, 4)));
        let base = Tensors::default().set(Slot::GradOutput, &grad_output);
        let with_input = base.clone().set(Slot::Input, &input);

        save(5);
        let op = LayerNorm::new(&shape, 3..).dtype(stored_as);
        let tensors = with_input.clone().weight(&five.0);
        let outputs = agrees(&folder, "layer-norm --backward", &op.backward(), &tensors);
        assert_eq!(names(&outputs), ["grad_bias", "grad_input", "grad_weight"]);
        let op = op.residual(true).activation(Activation::Gelu);
        let arguments = "layer-norm --backward --residual --activation gelu";
        agrees(&folder, arguments, &op.backward(), &tensors.clone().residual(&residual).bias(&five.1));
        let op = RmsNorm::new(&shape, 3..).dtype(stored_as);
        agrees(&folder, "rms-norm --backward", &op.backward(), &tensors);
        let op = LpNormalize::new(&shape, 1..2).order(Order::L1).dtype(stored_as);
        agrees(&folder, "l2-norm --axis 1 --order l1 --backward", &op.backward(), &with_input);

        save(4);
        let tensors = with_input.clone().weight(&four.0);
        let op = GroupNorm::new(&shape, 2).dtype(stored_as);
        agrees(&folder, "group-norm --groups 2 --backward", &op.backward(), &tensors);
        let op = InstanceNorm::new(&shape).weight(true).bias(true).dtype(stored_as);
        agrees(&folder, "instance-norm --backward", &op.backward(), &tensors);
        let op = BatchNorm::training(&shape).dtype(stored_as);
        agrees(&folder, "batch-norm --training --backward", &op.backward(), &tensors);
        let op = op.residual(true).activation(Activation::Relu);
        let arguments = "batch-norm --training --backward --residual --activation relu";
        let outputs = agrees(&folder, arguments, &op.backward(), &tensors.clone().residual(&residual).bias(&four.1));
        assert_eq!(names(&outputs), ["grad_bias", "grad_input", "grad_residual", "grad_weight"]);
        let op = BatchNorm::inference(&shape).dtype(stored_as);
        let (mean, var) = (vector(3, 4), [0.5; 4]);
        agrees(&folder, "batch-norm --backward", &op.backward(), &tensors.clone().running(&mean, &var));
    }
}

#[test]
fn a_gradient_alone_may_be_a_npy_file() {
    let folder = Folder::new();
    let (shape, input, grad) = ([4, 6], some(24), some(29)[5..].to_vec());
    let save = |dtype| {
        folder.save("in.safetensors", &[("input", floats(dtype, &shape, &input)), ("grad_output", f32s(&shape, &grad))])
    };
    save(DType::F32);
    folder.run("l2-norm --backward --input in.safetensors --output out.npy --check").ok();
    let output: ArrayD<f32> = read_npy(folder.path("out.npy")).expect("out.npy");
    let truth = LpNormalize::new(&shape, 1..).backward().reference(&Tensors::new(&input).grad_output(&grad));
    compare("grad_input", output.as_slice().expect("in C order"), truth.expect("a reference").grad_input()).unwrap();
    save(DType::BF16);
    let words = ["--output", "out.npy", ".safetensors", "grad_input", "bf16"];
    folder.fails(2, "l2-norm --backward --input in.safetensors --output out.npy", &words);
}

#[test]
fn a_wrong_gradient_fails_the_check() {
    let folder = Folder::new();
    // Squares beyond f32, and a gradient that does not vanish when it is divided by 1e30.
    let row: Vec<f32> = (0..8).map(|i| if i % 2 == 0 { 1e30 } else { -1e30 }).collect();
    let grad: Vec<f32> = (0..8).map(|i| if i == 0 { 1e35 } else { 0.0 }).collect();
    folder.save("in.safetensors", &[("input", f32s(&[1, 8], &row)), ("grad_output", f32s(&[1, 8], &grad))]);
    let run = folder.run("layer-norm --backward --input in.safetensors --output out.safetensors --check");
    run.failed(1, &["--check", "out.safetensors"]);
    let line = run.line("check: ");
    assert!(line.contains("grad_input") && line.ends_with(": FAILED"), "{run:?}");
}

#[test]
fn the_bytes_are_those_of_every_tensor() {
    let folder = Folder::new();
    let is = |arguments: &str, bytes: usize| {
        let run = folder.run(&format!("{arguments} --input in.safetensors --output out.safetensors")).ok();
        assert!(run.stdout.contains(&format!(", {bytes} bytes, ")), "{bytes}: {run:?}");
    };
    let values = some(6 * 8);
    for (stored_as, arguments, tensors) in [
        (DType::F32, "l2-norm", 2),
        (DType::F16, "l2-norm", 2),
        (DType::F32, "l2-norm --backward", 3),
        (DType::F16, "rms-norm --residual", 4),
        (DType::F16, "rms-norm --residual --backward", 4),
    ] {
        let file = ["input", "residual", "grad_output"].map(|name| (name, floats(stored_as, &[6, 8], &values)));
        folder.save("in.safetensors", &file);
        let rstd = if arguments.contains("--backward") { 0 } else { 6 * 4 };
        is(arguments, tensors * 48 * usize::try_from(stored_as.size()).expect("bytes") + rstd);
    }
    let half = ("grad_output", floats(DType::F16, &[6, 8], &values));
    folder.save("in.safetensors", &[("input", f32s(&[6, 8], &values)), half]);
    is("l2-norm --dtype bf16", 48 * (4 + 2) + 6 * 4);
    is("l2-norm --backward", 48 * (4 + 2 + 4));
    // Mean and rstd are written, running statistics are read and written.
    let running = ["running_mean", "running_var"].map(|name| (name, f32s(&[8], &values[..8])));
    let [mean, var] = running;
    folder.save("in.safetensors", &[("input", f32s(&[6, 8], &values)), mean, var]);
    is("batch-norm --training", (48 * 2 + 8 * 2 + 8 * 4) * 4);
}

#[test]
fn options_without_a_meaning_are_refused() {
    let folder = Folder::new();
    let input = || ("input", f32s(&[4, 6, 2], &some(48)));
    folder.save("in.safetensors", &[input(), ("weight", f32s(&[3, 2], &some(6)))]);
    folder.save("half.safetensors", &[("input", floats(DType::F16, &[4, 6, 2], &some(48)))]);
    let wrong = |name| (name, f32s(&[4, 12], &some(48)));
    folder
        .save("wrong.safetensors", &[input(), wrong("residual"), wrong("grad_output"), ("bias", f32s(&[5], &some(5)))]);
    write_npy(folder.path("in.npy"), &ArrayD::<f32>::zeros(vec![4, 6])).expect("in.npy");
    let to = "--output out.safetensors --input in.safetensors";
    for op in ["layer-norm", "rms-norm", "l2-norm"] {
        for (axis, words) in [
            ("3", &["[3]", "[4, 6, 2]", "-3 to 2"][..]),
            ("-4", &["[-4]", "-3 to 2"]),
            ("0,2", &["[0, 2]", "next to each other"]),
            ("-1,0", &["[-1, 0]", "next to each other"]),
            ("1,1", &["[1, 1]", "once"]),
            ("1,-2", &["[1, -2]", "once"]),
            ("99999999999999999999", &["99999999999999999999"]),
            ("last", &["last"]),
            ("=", &["--axis"]),
        ] {
            folder.fails(2, &format!("{op} {to} --axis={axis}"), &[words, &["--axis"]].concat());
        }
        folder.fails(2, &format!("{op} {to} --layout nhwc"), &["--layout"]);
    }
    folder.fails(2, &format!("layer-norm {to} --axis 2 --normalized-shape 2"), &["--axis", "--normalized-shape"]);
    folder.fails(2, &format!("batch-norm {to} --axis 2"), &["--axis"]);
    folder.fails(2, &format!("instance-norm {to} --layout chwn"), &["--layout", "chwn", "nchw, nhwc"]);
    folder.fails(2, &format!("group-norm {to} --groups 4"), &["--groups", "4", "6 channels"]);
    folder.fails(2, &format!("group-norm {to} --groups 3 --layout nhwc"), &["--groups", "3", "2 channels"]);
    folder.fails(2, &format!("layer-norm {to} --activation mish"), &["--activation", "mish", "gelu_tanh"]);
    folder.fails(2, &format!("l2-norm {to} --activation none"), &["--activation", "none", "relu"]);
    folder.fails(2, &format!("l2-norm {to} --order l3"), &["--order", "l3", "l2, l1"]);
    folder.fails(2, &format!("l2-norm {to} --eps -1"), &["--eps", "-1", "not negative"]);
    for option in ["--weight x.npy", "--bias x.npy", "--zero-centered", "--residual", "--per-sample"] {
        folder.fails(2, &format!("l2-norm {to} {option}"), &[option.split(' ').next().expect("an option")]);
    }
    folder.fails(2, &format!("batch-norm {to} --per-sample"), &["--per-sample"]);
    folder.save("biased.safetensors", &[input(), ("bias", f32s(&[2], &some(2)))]);
    for (op, file, problem) in [
        ("layer-norm", "in.npy", "in.npy has neither weight nor bias"),
        ("instance-norm", "half.safetensors", "half.safetensors has neither weight nor bias"),
        ("rms-norm", "biased.safetensors", "biased.safetensors has no weight"),
        ("layer-norm --axis 0", "biased.safetensors", "not where the first axis is normalized over"),
        ("layer-norm --axis 0", "in.safetensors", "not where the first axis is normalized over"),
    ] {
        let arguments = format!("{op} --per-sample --input {file} --output out.safetensors");
        folder.fails(2, &arguments, &[&format!("--per-sample: {problem}")]);
    }
    let problem = "--zero-centered: biased.safetensors has no weight";
    folder.fails(2, "rms-norm --zero-centered --input biased.safetensors --output out.safetensors", &[problem]);

    folder.fails(2, &format!("layer-norm {to} --dtype f64"), &["--dtype", "f64", "f32, f16, bf16"]);
    for dtype in ["f16", "bf16"] {
        let arguments = format!("l2-norm --input in.npy --output out.npy --dtype {dtype}");
        folder.fails(2, &arguments, &["--dtype", dtype, "out.npy", "f32"]);
    }
    folder.fails(2, "l2-norm --input half.safetensors --output out.npy", &["--dtype", "f16", "out.npy", "f32"]);
    folder.fails(2, &format!("l2-norm {to} --dtype f16 --backward"), &["--dtype", "--backward"]);

    folder.fails(2, &format!("layer-norm {to} --residual"), &["in.safetensors", "residual", "missing", "--residual"]);
    folder.fails(2, "layer-norm --input in.npy --output out.npy --residual", &["in.npy", "residual", "missing"]);
    folder.fails(
        2,
        &format!("layer-norm {to} --backward"),
        &["in.safetensors", "grad_output", "missing", "--backward"],
    );
    folder.fails(2, "l2-norm --input in.npy --output out.npy --backward", &["in.npy", "grad_output", "missing"]);
    let from_wrong = "--output out.safetensors --input wrong.safetensors";
    let words = ["wrong.safetensors", "[4, 12]", "[4, 6, 2]"];
    folder.fails(2, &format!("rms-norm {from_wrong} --residual"), &[words, ["residual"; 3]].concat());
    folder.fails(2, &format!("l2-norm {from_wrong} --backward"), &[words, ["grad_output"; 3]].concat());
    // The backward pass does not read the bias, but its gradient has the bias's shape.
    folder.fails(2, &format!("layer-norm {from_wrong} --backward"), &["wrong.safetensors", "bias", "[5]", "[2]"]);
    for option in ["--momentum 0.5", "--running-stats keras"] {
        let words = [option.split(' ').next().expect("an option"), "--backward"];
        folder.fails(2, &format!("batch-norm {to} --training --backward {option}"), &words);
    }
    folder.save(
        "whole.safetensors",
        &[input(), ("grad_output", f32s(&[4, 6, 2], &some(48))), ("weight", f32s(&[6, 2], &some(12)))],
    );
    folder.fails(
        2,
        "layer-norm --axis 1,2 --input whole.safetensors --output out.npy --backward",
        &["--output", "out.npy", ".safetensors", "grad_input and grad_weight"],
    );
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
        // The format allows this shape. The product of three of its axes overflows.
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
fn a_name_twice_in_a_header_is_refused() {
    let folder = Folder::new();
    let save = |entries: &[String]| {
        let header = format!("{{{}}}", entries.join(", "));
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &1.5_f32.to_le_bytes().repeat(2)];
        fs::write(folder.path("in.safetensors"), bytes.concat()).expect("written");
    };
    let entry = |name: &str, shape: &str, end: usize| {
        format!(r#""{name}" : {{"dtype": "F32", "shape": {shape}, "data_offsets": [0, {end}]}}"#)
    };
    let metadata = r#""__metadata__": {"a:{[": "\"}:\\", "b": "input"}"#.to_owned();
    let input = || entry("input", "[1, 2]", 8);
    let run = "l2-norm --input in.safetensors --output out.safetensors";
    for (names, entries) in [
        ("input", vec![input(), input()]),
        ("input", vec![entry("input", "[2]", 8), metadata.clone(), input()]),
        ("weight", vec![entry("weight", "[0]", 0), input(), entry("weight", "[0, 1]", 0)]),
        ("a name", vec![input(), entry(r"\u0069nput", "[2]", 8)]),
    ] {
        save(&entries);
        folder.fails(2, run, &[&format!("in.safetensors: its header has {names} twice")]);
    }
    for entries in [
        vec![input()],
        vec![metadata, input(), entry(r#"in\"put\\"#, "[0]", 0), entry("dtype", "[0]", 0), entry("Input", "[0]", 0)],
    ] {
        save(&entries);
        folder.run(run).ok();
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
        // Each bracket would double the parser's time.
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
fn a_file_of_another_kind_is_refused_by_its_beginning() {
    let folder = Folder::new();
    write_npy(folder.path("whole.npy"), &ArrayD::<f32>::zeros(vec![4, 6])).expect("whole.npy");
    folder.save("whole.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let [npy, tensors] = ["whole.npy", "whole.safetensors"].map(|name| folder.files()[name].clone());
    let html = b"<!DOCTYPE html>\n<html><body>404</body></html>\n".to_vec();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n".to_vec();
    let version = |major: u8, minor: u8| [b"\x93NUMPY", &[major, minor, 3, 0][..], b"{}\n"].concat();
    let versions = "expected 1.0, 2.0 or 3.0";
    let cases = [
        ("x.npy", html.clone(), r#"begins with "<!DOCTYPE": no .npy file"#),
        ("x.npy", pointer.clone(), r#"begins with "version": no .npy file but a git-lfs pointer to one"#),
        ("x.npy", b"hello, world".to_vec(), r#"begins with "hello,": no .npy file"#),
        ("x.npy", b"1".to_vec(), r#"begins with "1": no .npy file"#),
        ("x.npy", [b"X", &tensors[1..]].concat(), r#"begins with "X": no .npy file"#),
        ("x.npy", vec![0; 20], r#"begins with "\x00\x00"#),
        ("x.npy", version(9, 0), &format!("version 9.0, {versions}")),
        ("x.npy", version(1, 1), &format!("version 1.1, {versions}")),
        ("x.npy", version(9, 0)[..8].to_vec(), &format!("version 9.0, {versions}")),
        ("x.npy", vec![], "0 bytes, shorter than its header"),
        ("x.npy", npy[..5].to_vec(), "5 bytes, shorter than its header"),
        ("x.npy", npy[..9].to_vec(), "9 bytes, shorter than its header"),
        ("x.npy", npy[..60].to_vec(), "60 bytes, shorter than its header"),
        ("x.safetensors", html, r#"begins with "<!DOCTYPE": no .safetensors file"#),
        ("x.safetensors", pointer, r#"begins with "version": no .safetensors file but a git-lfs pointer to one"#),
        ("x.safetensors", npy, r#"begins with "\x93NUMPY": no .safetensors file"#),
        ("x.safetensors", b"{\"a\": 1, {".to_vec(), r#"begins with "{\"a\":": no .safetensors file"#),
        ("x.safetensors", vec![], "0 bytes, shorter than its header"),
        ("x.safetensors", tensors[..30].to_vec(), "30 bytes, shorter than its header"),
    ];
    for (name, bytes, problem) in cases {
        fs::write(folder.path(name), &bytes).expect("written");
        folder.fails(2, &format!("layer-norm --input {name} --output out.npy"), &[&format!("{name}: {problem}")]);
    }
}

#[test]
fn a_failed_check_writes_nothing() {
    let folder = Folder::new();
    // The square of 1e30 is beyond f32, and so is the variance of this row.
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
fn a_check_counts_values_that_it_cannot_compare() {
    let folder = Folder::new();
    let check = |arguments: &str, shape: &[usize], values: &[f32]| {
        let weight = ("weight", f32s(&shape[1..], &[1e6, 1.0, 0.5, -1.0]));
        folder.save("in.safetensors", &[("input", f32s(shape, values)), weight]);
        let run = folder.run(&format!("{arguments} --input in.safetensors --output out.safetensors --check")).ok();
        run.line("check: ").to_owned()
    };
    let [nan, number] = [f32::NAN, 1.0];
    let row = [1.0, 3.0, -2.0, 0.5];
    for device in ["gpu", "reference"] {
        let layer_norm = format!("layer-norm --device {device}");
        let line = check(&layer_norm, &[2, 4], &[nan; 8]);
        assert!(line.starts_with("check: output 8 of 8 NaN, as in the reference; mean 2 of 2 NaN, as"), "{line}");
        assert!(!line.contains("off by") && line.ends_with(": ok"), "{line}");
        // One NaN of a row is enough.
        let line = check(&layer_norm, &[2, 4], &[&row[..], &[number, nan, number, number]].concat());
        assert!(line.starts_with("check: output off by "), "{line}");
        assert!(line.contains(", 4 of 8 NaN, as in the reference; mean off by "), "{line}");
        let line = check(&format!("{layer_norm} --dtype f16"), &[1, 4], &row);
        assert!(line.contains(", 1 of 4 infinite, as in the reference; mean off by "), "{line}");
        let line = check(&layer_norm, &[1, 4], &row);
        assert!(!line.contains("NaN") && !line.contains("infinite"), "{line}");
        let line = check(&layer_norm, &[0, 4], &[]);
        assert!(line.starts_with("check: output is empty; mean is empty; rstd is empty: ok"), "{line}");
    }
}

#[test]
fn an_output_that_can_not_be_a_file_is_refused() {
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[4, 6], &some(24)))]);
    let missing = ["--output", "none/out.safetensors", "no folder"];
    folder.fails(2, "layer-norm --input in.safetensors --output none/out.safetensors", &missing);
    fs::create_dir(folder.path("out.npy")).expect("a folder in the way");
    folder.fails(2, "layer-norm --input in.safetensors --output out.npy", &["--output", "out.npy", "folder"]);
    // The program checks the output first: the input is missing.
    let long = format!("{}.npy", "x".repeat(300));
    for output in [&long, "none/out.npy", "in.safetensors/out.npy"] {
        folder.fails(2, &format!("layer-norm --input none.safetensors --output {output}"), &["--output: ", output]);
    }
    folder.fails(2, "--list-adapters --report", &["--list-adapters", "--report"]);
    folder.fails(2, "--list-adapters --adapter x", &["--list-adapters", "--adapter"]);
}

/// A folder that is read-only for root too, without its capabilities.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_without_permission_is_refused_before_the_work() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = Folder::new();
    let closed = folder.path("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).expect("permissions");
    let root = fs::metadata(&closed).expect("a folder").uid() == 0;
    let run = |output: &str| {
        let mut command = Command::new(if root { Path::new("setpriv") } else { program() });
        if root {
            command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(program());
        }
        // The program checks the output first: the input is missing.
        folder.finish(command.args(["layer-norm", "--input", "none.safetensors", "--output", output]))
    };
    run("closed/out.safetensors").failed(2, &["--output: no permission to write in closed"]);
    run("out.safetensors").failed(2, &["none.safetensors"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).expect("permissions");
    run("closed/out.safetensors").failed(2, &["none.safetensors"]);
    assert!(fs::read_dir(&closed).expect("the folder").next().is_none(), "files are left");
}

/// A limit of the file size stands for a full disk: the write fails.
#[cfg(unix)]
#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = Folder::new();
    folder.save("in.safetensors", &[("input", f32s(&[64, 96], &some(64 * 96)))]);
    fs::write(folder.path("old.npy"), "old").expect("old content");
    let before = folder.files();
    for output in ["old.npy", "new.npy", "new.safetensors"] {
        let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
        let arguments = ["layer-norm", "--device", "reference", "--input", "in.safetensors", "--output", output];
        let run = folder.finish(Command::new("sh").args(["-c", limited]).arg(program()).args(arguments));
        run.failed(1, &[&format!("{output}: File too large (os error 27)\n")]);
        assert!(folder.files() == before, "{output}");
    }
}

/// Standard output is a full device.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_can_not_be_printed_is_a_failure() {
    let folder = Folder::new();
    let run = folder.finish(Command::new("sh").args(["-c", "exec \"$0\" --list-adapters > /dev/full"]).arg(program()));
    run.failed(1, &["standard output"]);
}

// A file grows to 4096 bytes, as on a full disk. `trap` makes the write fail, which would otherwise end the process.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_leaves_what_was_there() {
    for name in ["y.safetensors", "y.npy"] {
        let folder = Folder::new();
        write_npy(folder.path("x.npy"), &Array::from_elem(IxDyn(&[64, 64]), 1.0_f32)).expect("written");
        fs::write(folder.path(name), "before").expect("written");
        let before = folder.files();
        let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
        let arguments = ["layer-norm", "--input", "x.npy", "--output", name];
        let run = folder.finish(Command::new("sh").args(["-c", limited]).arg(program()).args(arguments));
        run.failed(1, &[name, "too large"]);
        assert!(folder.files() == before, "{name}: files changed");
    }
}
