//! What `wgpu-norm report` and its parts print.

mod common;

use std::{fs, process::Command};

use common::{Folder, program};

#[test]
fn a_report_has_every_part_in_a_file_or_on_standard_output() {
    let folder = Folder::new();
    // The bench has debug assertions here, and takes minutes: its own test runs it.
    let run = folder.run_all(&["report", "report.txt", "--no-bench", "--note", "a machine, on battery"]).ok();
    assert_eq!(run.stdout, "report.txt: 3 of 3 parts are right\n");
    let text = fs::read_to_string(folder.path("report.txt")).expect("a report");
    let head = format!("wgpu-norm {} on {}, ", env!("CARGO_PKG_VERSION"), std::env::consts::OS);
    assert!(text.starts_with(&head), "{text}");
    let mut rest = text.as_str();
    for part in [
        "\na machine, on battery\n",
        "\n== adapters\n$ wgpu-norm --list-adapters\n",
        "\n== the one that was taken, and its kernels\n$ wgpu-norm --report\n",
        "\nlayer norm ",
        "\n== conformance\n$ wgpu-norm conformance\n",
        "\nlayer_norm_backward ",
        " runs, 0 wrong\n",
        "\n3 of 3 parts are right\n",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in order in\n{text}"));
        rest = &rest[at + part.len() - 1..];
    }
    assert!(!text.contains("bench") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_report_without_an_adapter_says_so() {
    let folder = Folder::new();
    let mut command = Command::new(program());
    let run = folder.finish(command.args(["report", "-", "--no-bench"]).env("WGPU_ADAPTER_NAME", "no-such-adapter"));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(run.stderr, "wrong: the one that was taken, and its kernels, conformance\n");
    assert_eq!(run.stdout.matches("FAILED (exit status: 2)\n").count(), 2, "{run:?}");
    assert!(run.stdout.contains("no-such-adapter") && run.stdout.ends_with("\n1 of 3 parts are right\n"), "{run:?}");
    folder.fails(2, "report none/report.txt", &["none/report.txt: "]);
    folder.fails(2, "report a b", &["'b'"]);
}

/// The loader of Vulkan finds no driver.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_a_driver_is_told_what_to_install() {
    let folder = Folder::new();
    for arguments in [&["adapters"][..], &["--list-adapters"], &["--report"], &["conformance"], &["bench", "--quick"]] {
        let mut command = Command::new(program());
        let command = command.args(arguments).env("WGPU_BACKEND", "vulkan").env("VK_ICD_FILENAMES", "/none.json");
        folder.finish(command).failed(2, &["no adapter: ", "apt-get install mesa-vulkan-drivers libvulkan1"]);
    }
}

#[test]
fn the_bench_times_a_list_of_cases() {
    let folder = Folder::new();
    fs::write(folder.path("cases.json"), r#"[{"op": "rms_norm", "shape": [8, 64], "residual": true}]"#).expect("cases");
    let run = folder.run("bench --cases cases.json --rounds 1 --json rows.json").ok();
    assert!(run.stdout.contains("copy: % of copy bandwidth, higher is better\n"), "{run:?}");
    let lines: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("rms_norm ")).collect();
    assert!(matches!(*lines, [line] if line.ends_with(", with residual, residual_output")), "{run:?}");
    let rows: serde_json::Value = serde_json::from_slice(&folder.files()["rows.json"]).expect("a list");
    let row = &rows.as_array().expect("rows")[1];
    assert_eq!((&row["engine"], &row["shape"]), (&"wgpu-norm".into(), &"8x64".into()), "{rows}");
    assert!(row["percent_of_copy"].as_f64().is_some_and(|percent| percent > 0.0), "{rows}");

    fs::remove_file(folder.path("rows.json")).expect("rows");
    fs::write(folder.path("wrong.json"), r#"[{"op": "group_norm", "shape": [8, 64]}]"#).expect("cases");
    folder.fails(2, "bench --cases wrong.json", &["wrong.json: case 1: group_norm needs groups"]);
    folder.fails(2, "bench --cases none.json", &["none.json: "]);
    folder.fails(2, "bench --tuning cases.json", &["cases.json: "]);
    folder.fails(2, "bench --json none/rows.json", &["none/rows.json: "]);
    folder.fails(2, "bench --host --quick", &["--host", "--quick"]);
    folder.fails(2, "bench --adapter no-such-adapter", &["--adapter", "no-such-adapter"]);
    folder.run("bench --quick --filter no_such_op").failed(1, &["nothing was timed"]);
}
