//! The tests on adapters other than the one that wgpu prefers.

use std::ffi::OsString;

use crate::unpacked::{self, Variables};
use crate::{adapter, cargo_command, joined, status};

/// What every adapter must pass; some take long to compile, so not all there is.
const TESTS: [&str; 6] = ["--test", "adapters", "--test", "pitfalls", "--test", "local_response_norm"];

/// Where nothing is named.
const USUAL: [&str; 2] = ["swiftshader", "gl"];

/// What brings a process to an adapter.
fn variables(name: &str) -> Result<Variables, String> {
    match name {
        "swiftshader" => unpacked::installed_swiftshader()?.variables(),
        "mesa25" => unpacked::mesa25()?.variables(),
        "gl" => Ok(vec![("WGPU_BACKEND", "gl".into())]),
        _ => Err(format!("no adapter {name:?}: swiftshader, gl or mesa25")),
    }
}

pub fn test(args: &[OsString]) -> Result<i32, String> {
    let mut names: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        names = USUAL.map(String::from).to_vec();
    }
    let mut passed = Vec::new();
    // A wrong name should not cost a run.
    let rigs: Vec<_> = names.iter().map(|name| Ok((name, variables(name)?))).collect::<Result<_, String>>()?;
    for (name, variables) in rigs {
        let mut adapters = adapter::list(&[], &variables)?;
        if adapters.is_empty() && name == "gl" {
            adapter::apt_install("libegl1 libegl-mesa0 libgl1-mesa-dri")?;
            adapters = adapter::list(&[], &variables)?;
        }
        let Some(adapter) = adapters.first() else { return Err(format!("{name}: wgpu finds no adapter")) };
        println!("\n{name}: {adapter}");
        let args: Vec<_> = ["test"].into_iter().chain(TESTS).collect();
        println!("$ cargo {}", joined(&args));
        if status(cargo_command(&args).envs(variables).envs(adapter::test_threads(&adapters)))? != 0 {
            return Err(format!("{name}, {adapter}: the tests failed"));
        }
        passed.push(format!("{name}, {adapter}"));
    }
    println!("\npassed on\n  {}", passed.join("\n  "));
    Ok(0)
}
