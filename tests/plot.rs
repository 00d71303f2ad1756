//! The example `plot` as a user runs it. No adapter.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::json;

fn plot(arguments: &[&str], folder: &tempfile::TempDir) -> Output {
    let test = env::current_exe().expect("this test");
    let folder_of_examples = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("examples");
    let program: PathBuf = folder_of_examples.join(format!("plot{}", env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not built: run all of `cargo test`, which builds it", program.display());
    Command::new(program).args(arguments).current_dir(folder.path()).output().expect("it starts")
}

fn row(engine: &str, op: &str, shape: &str, ms: f64) -> serde_json::Value {
    json!({
        "adapter": "an adapter", "engine": engine, "op": op, "direction": "forward", "dtype": "f32", "outputs": 1,
        "shape": shape, "ms": ms, "percent_of_copy": (engine == "wgpu-norm").then_some(50.0),
    })
}

#[test]
fn rows_of_the_bench_become_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let fused = |shape, with: &str, outputs: u32| {
        let mut row = row("wgpu-norm", "rms_norm", shape, 7.0);
        (row["with"], row["outputs"]) = (with.into(), outputs.into());
        row
    };
    let rows = [
        row("wgpu-norm", "layer_norm", "1024x1024", 4.0),
        row("wgpu-norm", "layer_norm", "4096x256", 5.0),
        row("wgpu-norm", "layer_norm", "128x1024", 6.0),
        fused("1024x1024", "gate", 1),
        fused("128x1024", "residual, residual_output", 2),
        row("burn", "layer_norm", "1024x1024", 12.0),
        json!({"adapter": "an adapter", "engine": "host", "op": "bind", "ms": 0.1}),
    ];
    fs::write(folder.path().join("measured.json"), serde_json::to_vec(&rows).expect("JSON")).expect("written");
    let output = plot(&["measured.json", "--out", "plots"], &folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = |name: &str| fs::read_to_string(folder.path().join("plots").join(name)).expect(name);
    let lengths = picture("measured-rows.svg");
    for text in ["an adapter", "% of copy bandwidth", "rows of 1024 elements", "wgpu-norm layer_norm", "copy"] {
        assert!(lengths.contains(text), "{text}");
    }
    // One point of burn makes no line, and fused norms are no points of the plain one.
    assert!(!lengths.contains("burn") && !lengths.contains("rms_norm"));
    let engines = picture("measured-engines.svg");
    for text in ["burn", "wgpu-norm", "layer norm 1024x1024", "rms norm 128x1024, residual", "% of copy bandwidth"] {
        assert!(engines.contains(text), "{text}");
    }
}

#[test]
fn rows_that_cannot_be_drawn_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("torn.json", "[{");
    write("empty.json", "[]");
    write("one.json", &json!([row("wgpu-norm", "layer_norm", "1024x1024", 4.0)]).to_string());
    write("file", "");
    let several = [row("wgpu-norm", "layer_norm", "1024x1024", 4.0), row("wgpu-norm", "layer_norm", "64x1024", 4.0)];
    write("several.json", &json!(several).to_string());
    let cases: [(&[&str], i32, &str); 6] = [
        (&[], 2, "required"),
        (&["missing.json"], 1, "plot: missing.json: "),
        (&["torn.json"], 1, "plot: torn.json: EOF"),
        (&["empty.json"], 1, "plot: empty.json: no row of an op in f32"),
        (&["one.json", "--out", "plots"], 1, "plot: one.json: no rows of several lengths"),
        (&["several.json", "--out", "file"], 1, "plot: several.json: "),
    ];
    for (arguments, code, message) in cases {
        let output = plot(arguments, &folder);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}
