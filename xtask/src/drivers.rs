//! Every shader through the compilers of GPU drivers, without a GPU. RADV has a device of its own that executes
//! nothing. Other drivers open a stand-in for the kernel's part: one of Mesa's drm-shims, which is preloaded.

use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::unpacked::{self, Driver, Variables};
use crate::{adapter, cargo_command, joined, root, run, shown};

/// What is set up, relative to the root of the repository.
const FOLDER: &str = "target/drivers";
/// The package of this workspace that compiles the shaders, and its program.
const PROGRAM: &str = "wgpu-norm-drivers";

/// Where nothing is named.
pub const USUAL: &str = "radv";
const DRIVERS: [&str; 4] = ["radv", "radv25", "intel", "amd-wgpu"];

/// The shims that are built, relative to the folder of the build.
const SHIMS: [&str; 2] = ["src/libintel_noop_drm_shim.so", "src/amd/drm-shim/libamdgpu_noop_drm_shim.so"];
/// No driver, nothing optional, and no optimization: the shims do next to nothing.
const MESON_OPTIONS: &str = "\
    --wrap-mode=nofallback --buildtype=plain -Db_ndebug=true -Dtools=drm-shim -Dopengl=false \
    -Dvulkan-drivers= -Dgallium-drivers= -Dplatforms= -Degl=disabled -Dexpat=disabled -Dgbm=disabled -Dglx=disabled \
    -Dlibunwind=disabled -Dllvm=disabled -Dlmsensors=disabled -Dshader-cache=disabled -Dvalgrind=disabled \
    -Dxmlconfig=disabled -Dzlib=disabled -Dzstd=disabled";
const PACKAGES: &str = "g++ pkg-config libdrm-dev python3-venv xz-utils";
const PYTHON_PACKAGES: [&str; 5] = ["meson~=1.4", "ninja", "mako", "packaging", "pyyaml"];

/// A driver that is set up.
struct Rig {
    variables: Variables,
    /// The variable that chooses a device.
    choice: &'static str,
    /// The devices, each with the program's arguments. The kernels of the tests differ from those of ops in little but
    /// registers: one device compiles them too.
    runs: &'static [(&'static str, &'static str)],
}

/// Without the kernels of the tests.
const OPS: &str = "--ops-only";
/// Through wgpu, without statistics.
const WGPU: &str = "--ops-only --wgpu";

/// Compiles the shaders on the devices of some drivers, named with commas between.
pub fn validate(names: &str) -> Result<i32, String> {
    let names = known(names)?;
    let program = build()?;
    // A set-up that fails should not cost a run.
    let rigs = names.iter().map(|name| set_up(name)).collect::<Result<Vec<_>, _>>()?;

    let mut results = Vec::new();
    let mut failed = 0;
    for (name, rig) in names.iter().zip(rigs) {
        // A table is of a driver, whichever of its versions.
        let driver = name.trim_end_matches(char::is_numeric);
        for (device, args) in rig.runs {
            let mut command = Command::new(&program);
            command.arg(format!("{driver}:{device}")).args(args.split_whitespace());
            let mut variables = rig.variables.clone();
            variables.extend([(rig.choice, device.into()), ("MESA_SHADER_CACHE_DISABLE", "true".into())]);
            let start = Instant::now();
            let passed = passes(command.envs(variables.iter().cloned()), &variables)?;
            failed += usize::from(!passed);
            let result = if passed { "passed" } else { "failed" };
            let seconds = start.elapsed().as_secs();
            results.push(format!("  {result} in {seconds:4} s: {name}:{device} {args}"));
        }
    }
    println!("\ndrivers:");
    for result in &results {
        println!("{}", result.trim_end());
    }
    if failed == 0 { Ok(0) } else { Err(format!("{failed} of {} runs failed", results.len())) }
}

/// The drivers of these names.
fn known(names: &str) -> Result<Vec<&'static str>, String> {
    let known = |name| DRIVERS.into_iter().find(|driver| *driver == name);
    let unknown = |name| format!("no driver {name:?}: {}", DRIVERS.join(", "));
    names.split(',').map(|name| known(name).ok_or_else(|| unknown(name))).collect()
}

/// Builds the program before a driver's variables are set: cargo and rustc should not meet its libraries.
fn build() -> Result<PathBuf, String> {
    let args = ["build", "--quiet", "--package", PROGRAM, "--message-format=json-render-diagnostics"];
    println!("$ cargo {}", joined(&args));
    let output = cargo_command(&args).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| format!("cannot start cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("{PROGRAM} could not be built"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.ok_or_else(|| format!("cargo names no program of {PROGRAM}"))
}

/// Prints and runs a command with its variables.
fn passes(command: &mut Command, variables: &Variables) -> Result<bool, String> {
    let variables = variables.iter().map(|(name, value)| format!("{name}={} ", value.display()));
    let line = variables.collect::<String>() + &shown(command);
    println!("\n$ {line}");
    Ok(command.status().map_err(|e| format!("cannot start `{line}`: {e}"))?.success())
}

fn set_up(name: &str) -> Result<Rig, String> {
    if name == "radv" {
        return system_radv();
    }
    if !unpacked::is_debian_12() || env::consts::ARCH != "x86_64" {
        return Err(format!("{name} is Mesa 25 as Debian 12 has it for x86-64, and this system is another"));
    }
    match name {
        "radv25" => Ok(Rig {
            variables: unpacked::mesa25_driver("radeon")?.variables()?,
            choice: "RADV_FORCE_FAMILY",
            runs: &[("navi31", OPS), ("vega10", OPS), ("gfx1201", OPS)],
        }),
        "intel" => Ok(Rig {
            variables: with_shim("intel", SHIMS[0])?,
            choice: "INTEL_STUB_GPU_PLATFORM",
            runs: &[("tgl", OPS), ("dg2", OPS), ("bmg", OPS), ("dg2", WGPU)],
        }),
        // RADV's device of its own has no fences, which wgpu wants.
        _ => Ok(Rig { variables: with_shim("radeon", SHIMS[1])?, choice: "AMDGPU_GPU_ID", runs: &[("navi31", WGPU)] }),
    }
}

/// The system's RADV, which comes in one package with lavapipe.
fn system_radv() -> Result<Rig, String> {
    // Mesa's packages name the architecture, or don't.
    let manifests = [format!("radeon_icd.{}.json", env::consts::ARCH), "radeon_icd.json".into()];
    let found = || manifests.iter().map(|name| Path::new("/usr/share/vulkan/icd.d").join(name)).find(|p| p.is_file());
    if found().is_none() {
        adapter::apt_install("mesa-vulkan-drivers libvulkan1")?;
    }
    let icd = found().ok_or("Mesa's package mesa-vulkan-drivers has no RADV on this system")?;
    let variables = Driver { icd, libraries: None }.variables()?;
    // Names that every Mesa knows: RDNA 2, and a GPU whose large workgroups have the fewest registers for a lane.
    Ok(Rig { variables, choice: "RADV_FORCE_FAMILY", runs: &[("navi21", ""), ("vega10", OPS)] })
}

/// A driver of Mesa 25 on one of the shims.
fn with_shim(driver: &str, shim: &str) -> Result<Variables, String> {
    let mut variables = unpacked::mesa25_driver(driver)?.variables()?;
    let folder = path::absolute(root().join(FOLDER)).map_err(|e| e.to_string())?;
    if !SHIMS.iter().all(|shim| installed(&folder, shim).is_file()) {
        build_shims(&folder)?;
    }
    variables.push(("LD_PRELOAD", installed(&folder, shim).into()));
    Ok(variables)
}

/// Where a shim stays when it is built.
fn installed(folder: &Path, shim: &str) -> PathBuf {
    folder.join(Path::new(shim).file_name().unwrap_or_default())
}

/// Builds the shims from the source of Mesa's package. All but the shims is removed at the end.
fn build_shims(folder: &Path) -> Result<(), String> {
    let python = Command::new("python3").args(["-c", "import ensurepip"]).stderr(Stdio::null()).status();
    let programs = ["g++", "pkg-config", "xz"].iter().all(|program| adapter::found(&[program]).is_some());
    let header = Path::new("/usr/include/xf86drm.h").is_file();
    if !programs || !header || !python.is_ok_and(|status| status.success()) {
        adapter::apt_install(PACKAGES)?;
    }

    let work = folder.join("build");
    let remove = || fs::remove_dir_all(&work).map_err(|e| format!("cannot remove {}: {e}", work.display()));
    if work.is_dir() {
        remove()?;
    }
    let [source, python, out] = ["mesa", "python", "out"].map(|name| work.join(name));
    fs::create_dir_all(&source).map_err(|e| format!("cannot make {}: {e}", source.display()))?;
    let archive = unpacked::mesa25_source(&work)?;
    run(Command::new("tar").args(["-xJf"]).arg(archive).arg("--strip-components=1").arg("-C").arg(&source))?;
    let list = source.join("src/meson.build");
    let text = fs::read_to_string(&list).map_err(|e| format!("cannot read {}: {e}", list.display()))?;
    fs::write(&list, text + include_str!("../validate/shims.meson"))
        .map_err(|e| format!("cannot write {}: {e}", list.display()))?;

    run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
    let bin = python.join("bin");
    run(Command::new(bin.join("pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(PYTHON_PACKAGES))?;
    // meson looks for ninja and for the Python of its scripts in the path.
    let others = env::var_os("PATH").unwrap_or_default();
    let path =
        env::join_paths([bin.clone()].into_iter().chain(env::split_paths(&others))).map_err(|e| e.to_string())?;
    let mut meson = Command::new(bin.join("meson"));
    meson.arg("setup").args(MESON_OPTIONS.split_whitespace()).args([&out, &source]);
    run(meson.env("PATH", &path))?;
    run(Command::new(bin.join("ninja")).arg("--quiet").arg("-C").arg(&out).args(SHIMS).env("PATH", &path))?;

    for shim in SHIMS {
        let installed = installed(folder, shim);
        fs::copy(out.join(shim), &installed).map_err(|e| format!("cannot write {}: {e}", installed.display()))?;
    }
    remove()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_driver_is_refused_with_the_names_of_the_known() {
        assert_eq!(known("intel,radv"), Ok(vec!["intel", "radv"]));
        assert_eq!(known(USUAL), Ok(vec![USUAL]));
        for names in ["", "radv,", "radv intel", "intel,nvidia"] {
            let error = known(names).unwrap_err();
            assert!(DRIVERS.iter().all(|name| error.contains(name)), "{error}");
        }
    }
}
