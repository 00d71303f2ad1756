//! wgpu's DX12 backend without Windows: under Wine, whose Direct3D 12 runs on the lavapipe of Mesa 25. Microsoft's
//! older compiler (FXC) takes the shaders, as Wine's has no shader model 6.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{PACKAGE, adapter, cargo, root, run, unpacked, validate, with};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// Where the program and its libraries are, relative to the root of the repository.
const FOLDER: &str = "target/dx12";
/// Those of Debian's packages below that are looked for.
const PROGRAMS: [&str; 3] = ["wine", "xvfb-run", "x86_64-w64-mingw32-gcc"];
const PACKAGES: &str = "wine wine64 xvfb xauth gcc-mingw-w64-x86-64";

/// A process for each: on this tower of emulations one holds 10 GB from the start, and each kernel takes up to 3 more.
const OPS: [&str; 17] = [
    "layer_norm",
    "layer_norm_backward",
    "rms_norm",
    "rms_norm_backward",
    "lp_normalize",
    "lp_normalize_backward",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "batch_norm_inference",
    "batch_norm_inference_backward",
    "batch_norm_training",
    "batch_norm_training_backward",
    "batch_moments",
    "local_response_norm",
    "local_response_norm_backward",
];

/// A folder for programs that run under Wine, with Microsoft's compiler; what runs and compiles them is installed.
pub fn folder() -> Result<PathBuf, String> {
    if PROGRAMS.iter().any(|program| adapter::found(&[program]).is_none()) {
        adapter::apt_install(PACKAGES)?;
    }
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    copy(&validate::tint_package()?.join("dist/win32-x64/d3dcompiler_47.dll"), &folder, "d3dcompiler_47.dll")?;
    Ok(folder)
}

fn copy(from: &Path, folder: &Path, name: &str) -> Result<(), String> {
    fs::copy(from, folder.join(name)).map(drop).map_err(|e| format!("cannot copy {}: {e}", from.display()))
}

/// Compiles a program in C for Windows.
pub fn compile(folder: &Path, name: &str, text: &str, flags: &[&str]) -> Result<(), String> {
    fs::write(folder.join(name), text).map_err(|e| format!("cannot write {name}: {e}"))?;
    run(Command::new(PROGRAMS[2]).args(["-O1", name]).args(flags).current_dir(folder))
}

/// What starts Wine, with an environment for it.
pub fn wine(command: &[&str], folder: &Path) -> Command {
    let mut wine = Command::new(command[0]);
    wine.args(&command[1..])
        .env("WINEPREFIX", folder.join("wine"))
        .env("WINEARCH", "win64")
        .env("WINEDEBUG", "-all")
        // Neither .NET nor a browser; Microsoft's compiler, not Wine's.
        .env("WINEDLLOVERRIDES", "mscoree,mshtml=;d3dcompiler_47=n");
    wine
}

/// Runs `wgpu-norm conformance`, in f32, or with these arguments.
pub fn test(args: &[OsString]) -> Result<i32, String> {
    let driver = unpacked::mesa25()?.variables()?;
    let folder = folder()?;
    run(Command::new("rustup").args(["target", "add", TARGET]))?;
    let build = ["build", "--target", TARGET, "--no-default-features", "--features", "dx12"];
    if cargo(&with(&build, &PACKAGE.map(OsString::from)))? != 0 {
        return Err("`wgpu-norm` could not be built".into());
    }

    copy(&root().join("target").join(TARGET).join("debug/wgpu-norm.exe"), &folder, "wgpu-norm.exe")?;
    let stub = include_str!("../dx12/bcryptprimitives.c");
    compile(&folder, "bcryptprimitives.c", stub, &["-shared", "-o", "bcryptprimitives.dll", "-ladvapi32"])?;

    let conformance = |args: &[OsString]| {
        run(wine(&["xvfb-run", "-a", "wine", "wgpu-norm.exe", "conformance"], &folder)
            .args(args)
            .current_dir(&folder)
            .envs(driver.iter().cloned())
            .env("WGPU_BACKEND", "dx12")
            .env("WGPU_DX12_COMPILER", "fxc"))
    };
    if args.is_empty() {
        for op in OPS {
            conformance(&["--f32", "--op", op].map(OsString::from))?;
        }
    } else {
        conformance(args)?;
    }
    Ok(0)
}
