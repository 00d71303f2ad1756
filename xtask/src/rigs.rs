//! The tests on adapters other than the one that wgpu prefers.

use std::ffi::OsString;

use crate::unpacked::{self, Variables};
use crate::{adapter, cargo_command, joined};

/// What every adapter must pass; some take long to compile, so not all there is.
const TESTS: [&str; 8] =
    ["--test", "adapters", "--test", "pitfalls", "--test", "harness", "--test", "local_response_norm"];

/// Where nothing is named.
const USUAL: [&str; 2] = ["swiftshader", "gl"];

/// What brings a process to an adapter.
struct Rig {
    variables: Variables,
    /// Tests at a time: two contexts at once make wgpu's GL backend panic on a busy machine.
    threads: Option<&'static str>,
}

impl Rig {
    fn new(name: &str) -> Result<Self, String> {
        match name {
            "swiftshader" => Ok(Self { variables: unpacked::installed_swiftshader()?.variables()?, threads: None }),
            "mesa25" => Ok(Self { variables: unpacked::mesa25()?.variables()?, threads: None }),
            "gl" => Ok(Self { variables: vec![("WGPU_BACKEND", "gl".into())], threads: Some("--test-threads=1") }),
            _ => Err(format!("no adapter {name:?}: swiftshader, gl or mesa25")),
        }
    }
}

pub fn test(args: &[OsString]) -> Result<i32, String> {
    let mut names: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        names = USUAL.map(String::from).to_vec();
    }
    let mut passed = Vec::new();
    // A wrong name should not cost a run.
    for (name, rig) in names.iter().map(|name| (name, Rig::new(name))).collect::<Vec<_>>() {
        let rig = rig?;
        let mut adapters = adapter::list(&[], &rig.variables)?;
        if adapters.is_empty() && name == "gl" {
            adapter::apt_install("libegl1 libegl-mesa0 libgl1-mesa-dri")?;
            adapters = adapter::list(&[], &rig.variables)?;
        }
        let Some(adapter) = adapters.first() else { return Err(format!("{name}: wgpu finds no adapter")) };
        println!("\n{name}: {adapter}");
        let args: Vec<_> = ["test"].into_iter().chain(TESTS).chain(["--"]).chain(rig.threads).collect();
        println!("$ cargo {}", joined(&args));
        let status =
            cargo_command(&args).envs(rig.variables).status().map_err(|e| format!("cannot start cargo: {e}"))?;
        if !status.success() {
            return Err(format!("{name}, {adapter}: the tests failed"));
        }
        passed.push(format!("{name}, {adapter}"));
    }
    println!("\npassed on\n  {}", passed.join("\n  "));
    Ok(0)
}
