//! The tests on adapters other than the one that wgpu prefers.

use std::ffi::OsString;
use std::sync::mpsc;
use std::thread;

use crate::unpacked::{self, Variables};
use crate::{adapter, cargo, cargo_command, shown};

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
        "lavapipe4" => Ok(lavapipe("128")),
        "lavapipe16" => Ok(lavapipe("512")),
        _ => Err(format!("no adapter {name:?}: swiftshader, gl, lavapipe4, lavapipe16 or mesa25")),
    }
}

/// Lavapipe with vectors of so many bits: a subgroup has a lane for each 32 of them.
fn lavapipe(bits: &str) -> Variables {
    let variables = [
        ("LP_NATIVE_VECTOR_WIDTH", bits),
        // Mesa's cache does not know that variable.
        ("MESA_SHADER_CACHE_DISABLE", "true"),
        ("WGPU_BACKEND", "vulkan"),
        ("WGPU_ADAPTER_NAME", "llvmpipe"),
    ];
    variables.map(|(name, value)| (name, value.into())).to_vec()
}

fn arguments(more: &[&'static str]) -> Vec<&'static str> {
    ["test"].iter().chain(more).chain(&TESTS).copied().collect()
}

pub fn test(args: &[OsString]) -> Result<i32, String> {
    let mut names: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        names = USUAL.map(String::from).to_vec();
    }
    // A wrong name should not cost a run.
    let rigs: Vec<_> = names.iter().map(|name| Ok((name, variables(name)?))).collect::<Result<_, String>>()?;
    let mut runs = Vec::new();
    for (name, variables) in rigs {
        let mut adapters = adapter::list(&[], &variables)?;
        // The others are installed already, or unpacked.
        let packages = match name.as_str() {
            "gl" => Some("libegl1 libegl-mesa0 libgl1-mesa-dri"),
            "lavapipe4" | "lavapipe16" => Some("mesa-vulkan-drivers libvulkan1"),
            _ => None,
        };
        if let Some(packages) = packages.filter(|_| adapters.is_empty()) {
            adapter::apt_install(packages)?;
            adapters = adapter::list(&[], &variables)?;
        }
        let Some(adapter) = adapters.first() else { return Err(format!("{name}: wgpu finds no adapter")) };
        let mut tests = cargo_command(&arguments(&[]));
        tests.envs(variables).envs(adapter::test_threads(&adapters));
        runs.push((format!("{name}, {adapter}"), tests));
    }
    if cargo(&arguments(&["--no-run"]))? != 0 {
        return Err("the tests could not be built".into());
    }
    // At once, as GL has one thread. The output of each appears as a whole.
    let (send, ended) = mpsc::channel();
    let names: Vec<_> = runs.iter().map(|(name, _)| name.clone()).collect();
    for (name, mut tests) in runs {
        println!("{name}: $ {}", shown(&tests));
        let send = send.clone();
        thread::spawn(move || send.send((name, tests.output())));
    }
    drop(send);
    let mut failed = Vec::new();
    for (name, output) in ended {
        let output = output.map_err(|e| format!("cannot start cargo: {e}"))?;
        println!("\n{name}\n{}", String::from_utf8_lossy(&output.stderr));
        println!("{}", String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        return Err(format!("{}: the tests failed", failed.join("\n")));
    }
    println!("\npassed on\n  {}", names.join("\n  "));
    Ok(0)
}
