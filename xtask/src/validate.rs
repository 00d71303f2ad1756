//! Every shader through the compilers of others: Tint, which is Chromium's and alone refuses a barrier in divergent
//! control flow; spirv-val for what naga makes of it for Vulkan, and DXC, which is Microsoft's, for DX12; if asked for,
//! FXC, which was that before, too. Or through those of GPU drivers.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::{adapter, cargo, drivers, dx12, root, run, shown};

/// What is installed, relative to the root of the repository.
const FOLDER: &str = "target/validate";
/// Shaders that one process compiles.
const AT_ONCE: usize = 300;
/// The package of Python's index whose sources bring DXC for Linux.
const DXC_PACKAGE: &str = "compushady-0.17.5";
const DXC_LIBRARY: &str = "libdxcompiler_x86_64.so.3.7";

pub fn validate(args: &[OsString]) -> Result<i32, String> {
    let older = match args {
        [] => false,
        [option] if option == "--fxc" => true,
        [option] if option == "--drivers" => return drivers::validate(drivers::USUAL),
        [option, names] if option == "--drivers" => return drivers::validate(&names.to_string_lossy()),
        _ => return Err("validate takes --fxc, or --drivers and their names, and nothing else".into()),
    };
    let folder = root().join(FOLDER);
    let shaders = folder.join("shaders");
    if shaders.is_dir() {
        fs::remove_dir_all(&shaders).map_err(|e| format!("cannot remove {}: {e}", shaders.display()))?;
    }
    fs::create_dir_all(&shaders).map_err(|e| format!("cannot make {}: {e}", shaders.display()))?;
    if cargo(&["run", "--quiet", "--example", "shaders", "--", &shaders.display().to_string(), "--translate"])? != 0 {
        return Err("the shaders could not be written".into());
    }
    tint(&folder, &with_extension(&shaders, "wgsl")?)?;
    spirv_val(&with_extension(&shaders, "spv")?)?;
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        dxc(&folder, &with_extension(&shaders, "hlsl")?)?;
    } else {
        println!("DXC did not run: it is here for Linux on x86-64 alone");
    }
    if older {
        fxc(&shaders)?;
    }
    Ok(0)
}

fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|of| of == extension));
    files.sort();
    Ok(files)
}

/// Writes a file that comes with this program.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    fs::write(folder.join(name), text).map_err(|e| format!("cannot write {name}: {e}"))
}

/// Installs the package that Tint comes with, and FXC for Windows; returns its folder.
pub fn tint_package() -> Result<PathBuf, String> {
    adapter::ensure_node()?;
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    write(&folder, "package.json", include_str!("../validate/package.json"))?;
    run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
    Ok(folder.join("node_modules/webgpu"))
}

fn tint(folder: &Path, files: &[PathBuf]) -> Result<(), String> {
    tint_package()?;
    write(folder, "tint.mjs", include_str!("../validate/tint.mjs"))?;
    in_parts(files, || {
        let mut command = Command::new("node");
        command.arg("tint.mjs").current_dir(folder);
        command
    })?;
    println!("Tint takes all of {} shaders", files.len());
    Ok(())
}

fn spirv_val(files: &[PathBuf]) -> Result<(), String> {
    if adapter::found(&["spirv-val"]).is_none() {
        adapter::apt_install("spirv-tools")?;
    }
    let check = |file: &PathBuf| {
        let output = Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(file).output();
        let output = output.map_err(|e| format!("cannot start spirv-val: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}", file.display(), String::from_utf8_lossy(&output.stderr)))
    };
    // It takes one file at a time.
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().try_for_each(check))).collect();
        parts.into_iter().try_for_each(|part| part.join().unwrap())
    })?;
    println!("spirv-val takes all of {} shaders", files.len());
    Ok(())
}

fn dxc(folder: &Path, files: &[PathBuf]) -> Result<(), String> {
    let program = folder.join("dxc");
    let library = folder.join(DXC_LIBRARY);
    if !library.is_file() {
        if adapter::found(&["pip3"]).is_none() {
            adapter::apt_install("python3-pip python3-setuptools")?;
        }
        let package = DXC_PACKAGE.replace('-', "==");
        run(Command::new("pip3")
            .args(["download", "--quiet", "--no-deps", "--dest", ".", &package])
            .current_dir(folder))?;
        let files =
            [DXC_LIBRARY, "dxcapi.h", "WinAdapter.h"].map(|name| format!("{DXC_PACKAGE}/compushady/backends/{name}"));
        let archive = format!("{DXC_PACKAGE}.tar.gz");
        run(Command::new("tar").args(["-xzf", &archive, "--strip-components=3"]).args(&files).current_dir(folder))?;
    }
    if adapter::found(&["g++"]).is_none() {
        adapter::apt_install("g++")?;
    }
    write(folder, "dxc.cpp", include_str!("../validate/dxc.cpp"))?;
    // The headers use what Microsoft's compilers add to C++.
    let flags = ["-O1", "-w", "-fms-extensions", "-I.", "dxc.cpp", "-o", "dxc", "-ldl"];
    run(Command::new("g++").args(flags).current_dir(folder))?;
    in_parts(files, || {
        let mut command = Command::new(&program);
        command.arg(&library);
        command
    })?;
    println!("DXC takes all of {} shaders, as shader models 6.0, 6.2 and 6.6 in turn", files.len());
    Ok(())
}

/// Shader model 5.1 has no subgroup operations, so no shader that does: FXC never meets one.
fn fxc(shaders: &Path) -> Result<(), String> {
    let folder = dx12::folder()?;
    dx12::compile(&folder, "fxc.c", include_str!("../validate/fxc.c"), &["-o", "fxc.exe"])?;
    let mut without = Vec::new();
    for file in with_extension(shaders, "hlsl")? {
        let text = fs::read_to_string(&file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        if !text.contains("Wave") {
            without.push(file);
        }
    }
    // Two that start at once would both make what Wine keeps its files in.
    run(&mut dx12::wine(&["wine", "wineboot", "--init"], &folder))?;
    let program = folder.join("fxc.exe");
    in_parts(&without, || dx12::wine(&["wine", &program.display().to_string()], &folder))?;
    println!("FXC takes all of {} shaders without subgroups, as shader model 5.1", without.len());
    Ok(())
}

/// Runs a command on some of the files at a time, one on each core; all end before one that failed is reported.
fn in_parts(files: &[PathBuf], command: impl Fn() -> Command + Sync) -> Result<(), String> {
    let parts = Mutex::new(files.chunks(AT_ONCE));
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some(part) = parts.lock().unwrap().next() else { break };
            let mut command = command();
            let line = shown(&command);
            println!("$ {line} {} and {} more", part[0].display(), part.len() - 1);
            match command.args(part).status() {
                Ok(status) if status.success() => {}
                Ok(status) => failed.lock().unwrap().push(format!("`{line}` failed ({status})")),
                Err(e) => failed.lock().unwrap().push(format!("cannot start `{line}`: {e}")),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}
