//! Finds a graphics adapter, and installs a software one on a Linux that has none.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{PACKAGE, cargo, cargo_command, joined};

/// Each restricts which adapters are found. Where the user has set one, another driver would not help, unless Vulkan is
/// all that is wanted.
const DRIVER_VARIABLES: [&str; 6] = [
    "WGPU_BACKEND",
    "WGPU_ADAPTER_NAME",
    "VK_ICD_FILENAMES",
    "VK_DRIVER_FILES",
    "VK_LOADER_DRIVERS_SELECT",
    "VK_LOADER_DRIVERS_DISABLE",
];

/// A package manager and its commands for lavapipe and the Vulkan loader.
struct PackageManager {
    program: &'static str,
    commands: &'static [&'static str],
}

const PACKAGE_MANAGERS: [PackageManager; 5] = [
    PackageManager {
        program: "apt-get",
        // `env`, since sudo does not pass variables on.
        commands: &[
            "apt-get update",
            "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
             mesa-vulkan-drivers libvulkan1",
        ],
    },
    PackageManager { program: "dnf", commands: &["dnf install -y mesa-vulkan-drivers vulkan-loader"] },
    PackageManager {
        program: "pacman",
        // No refresh of the package lists: without an upgrade of the whole system, Arch does not support it.
        commands: &["pacman -S --needed --noconfirm vulkan-swrast vulkan-icd-loader"],
    },
    PackageManager { program: "zypper", commands: &["zypper --non-interactive install libvulkan_lvp libvulkan1"] },
    PackageManager { program: "apk", commands: &["apk add --update-cache mesa-vulkan-swrast vulkan-loader"] },
];

/// Prints the adapters that wgpu finds, and returns them. Where there is none, installs one or says what to do.
///
/// `build_flags` select the build of the program that lists the adapters.
pub fn ensure(build_flags: &[OsString]) -> Result<Vec<String>, String> {
    build(build_flags)?;
    let mut adapters = list(build_flags, &[])?;
    if adapters.is_empty() {
        let set = driver_variables(|name| env::var_os(name));
        if !set.is_empty() && set != ["WGPU_BACKEND=vulkan"] {
            return Err(format!(
                "no graphics adapter found with {}. Nothing was installed: correct or unset these variables",
                set.join(" ")
            ));
        }
        if let Some(advice) = advice(env::consts::OS) {
            return Err(format!("no graphics adapter found. {advice}"));
        }
        let installed = install()?;
        adapters = list(build_flags, &[])?;
        if adapters.is_empty() {
            return Err(format!("still no graphics adapter, after\n{installed}"));
        }
    }
    for adapter in &adapters {
        println!("adapter: {adapter}");
    }
    Ok(adapters)
}

/// How many tests run at a time on these adapters, as a variable: one where all are GL's, and else as many as there are
/// cores. A thread that compiles for long keeps GL's context from the others, and where one has waited for six seconds
/// wgpu panics.
pub fn test_threads(adapters: &[String]) -> Option<(&'static str, &'static str)> {
    adapters.iter().all(|adapter| adapter.contains(", gl, ")).then_some(("RUST_TEST_THREADS", "1"))
}

/// Whether the user has chosen a driver or an adapter.
pub fn is_chosen() -> bool {
    !driver_variables(|name| env::var_os(name)).is_empty()
}

/// Whether wgpu finds a GPU: an adapter that is not a CPU.
pub fn has_gpu(build_flags: &[OsString]) -> Result<bool, String> {
    build(build_flags)?;
    Ok(any_gpu(&list(build_flags, &[])?))
}

/// Whether one of these adapters, of those that the user has chosen by a name, is not a CPU.
pub fn any_gpu(adapters: &[String]) -> bool {
    let name = env::var("WGPU_ADAPTER_NAME").unwrap_or_default().to_lowercase();
    adapters.iter().any(|adapter| !adapter.contains(", Cpu, ") && adapter.to_lowercase().contains(&name))
}

/// Builds the program that lists the adapters.
fn build(build_flags: &[OsString]) -> Result<(), String> {
    eprintln!("xtask: building `wgpu-norm`; the first build takes some minutes");
    let mut build = vec![OsString::from("build")];
    build.extend_from_slice(build_flags);
    build.extend(PACKAGE.map(OsString::from));
    if cargo(&build)? != 0 {
        return Err("`wgpu-norm` could not be built".into());
    }
    Ok(())
}

/// The adapters that wgpu finds with these variables.
pub fn list(build_flags: &[OsString], variables: &[(&str, OsString)]) -> Result<Vec<String>, String> {
    let mut args = vec![OsString::from("run"), "--quiet".into()];
    args.extend_from_slice(build_flags);
    args.extend(PACKAGE.into_iter().chain(["--", "--list-adapters"]).map(OsString::from));
    let output = cargo_command(&args)
        .envs(variables.iter().cloned())
        .output()
        .map_err(|e| format!("cannot start cargo: {e}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let adapters = parse_list(output.status.code(), &String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("`cargo {}` failed ({}):\n{}", joined(&args), output.status, stderr.trim_end()))?;
    if adapters.is_empty() {
        // The program's own words: they also tell apart "no adapter" from a wrong command line, which ends alike.
        eprintln!("{}", stderr.trim_end());
    }
    Ok(adapters)
}

/// One adapter a line, exit code 2 for none, and nothing for any other failure.
fn parse_list(code: Option<i32>, stdout: &str) -> Option<Vec<String>> {
    match code {
        Some(0) => Some(stdout.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()),
        Some(2) => Some(Vec::new()),
        _ => None,
    }
}

fn driver_variables(get: impl Fn(&str) -> Option<OsString>) -> Vec<String> {
    DRIVER_VARIABLES
        .iter()
        .filter_map(|name| {
            let value = get(name).filter(|value| !value.is_empty())?;
            Some(format!("{name}={}", value.to_string_lossy()))
        })
        .collect()
}

/// What to do on a system where nothing is installed.
fn advice(os: &str) -> Option<&'static str> {
    match os {
        "linux" => None,
        "macos" => Some(
            "Metal is part of macOS: its absence means that this machine, often a virtual one, has no Metal device, \
             or that the feature `metal` is off",
        ),
        "windows" => Some(
            "Direct3D 12 and its software adapter WARP are part of Windows 10 and later: their absence means an older \
             or reduced Windows, or that the feature `dx12` is off",
        ),
        _ => Some("Install a Vulkan driver, such as Mesa's lavapipe, and the Vulkan loader"),
    }
}

/// Installs lavapipe and the Vulkan loader; returns the commands that did it, one a line.
fn install() -> Result<String, String> {
    let Some(manager) = PACKAGE_MANAGERS.iter().find(|m| on_path(m.program)) else {
        let known = PACKAGE_MANAGERS.map(|m| m.program).join(", ");
        return Err(format!(
            "no graphics adapter found, and none of these package managers: {known}. Install Mesa's lavapipe, a Vulkan \
             driver that needs no GPU, and the Vulkan loader"
        ));
    };
    let Some(prefix) = root_prefix() else {
        return Err(format!(
            "no graphics adapter found, and no way to become root. As root, run\n{}",
            script(manager, "")
        ));
    };

    println!("no graphics adapter found: installing Mesa's lavapipe, which needs no GPU");
    let script = script(manager, prefix);
    run_lines(&script)?;
    Ok(script)
}

/// The first of these programs that is in the path.
pub fn found(names: &[&str]) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let in_path = |name| env::split_paths(&folders).map(move |folder| folder.join(name)).find(|path| path.is_file());
    names.iter().find_map(in_path)
}

/// Node.js and npm, installed where they are not there.
pub fn ensure_node() -> Result<(), String> {
    if found(&["node"]).is_some() && found(&["npm"]).is_some() { Ok(()) } else { apt_install("nodejs npm") }
}

/// Installs packages of Debian and its descendants, with what they need.
pub fn apt_install(packages: &str) -> Result<(), String> {
    let line = format!("env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages}");
    if !on_path("apt-get") {
        return Err(format!("no apt-get here. On Debian: `{line}`"));
    }
    let Some(prefix) = root_prefix() else { return Err(format!("no way to become root. As root, run `{line}`")) };
    run_lines(&format!("{prefix}apt-get update\n{prefix}{line}"))
}

fn run_lines(script: &str) -> Result<(), String> {
    for line in script.lines() {
        let line = line.trim();
        println!("$ {line}");
        let mut words = line.split_whitespace();
        let status = Command::new(words.next().unwrap_or_default())
            .args(words)
            .status()
            .map_err(|e| format!("cannot start `{line}`: {e}"))?;
        if !status.success() {
            return Err(format!("`{line}` failed ({status}). What is needed:\n{script}"));
        }
    }
    Ok(())
}

/// The commands of a package manager as the user would type them, one a line.
fn script(manager: &PackageManager, prefix: &str) -> String {
    let lines: Vec<_> = manager.commands.iter().map(|command| format!("    {prefix}{command}")).collect();
    lines.join("\n")
}

/// What goes before a command that only root may run; nothing where this user can't become root.
fn root_prefix() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
        return Some("");
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    match sudo {
        Ok(status) if status.success() => Some("sudo -n "),
        // Somebody is there to type a password.
        Ok(_) if io::stdin().is_terminal() => Some("sudo "),
        _ => None,
    }
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_adapters_is_told_from_none_and_from_a_failure() {
        let two = vec!["llvmpipe".to_owned(), "NVIDIA".to_owned()];
        assert_eq!(parse_list(Some(0), "llvmpipe\r\n\n NVIDIA\n"), Some(two));
        assert_eq!(parse_list(Some(0), "\n"), Some(vec![]));
        assert_eq!(parse_list(Some(2), "ignored"), Some(vec![]));
        assert_eq!(parse_list(Some(101), "llvmpipe"), None);
        assert_eq!(parse_list(None, "llvmpipe"), None);
    }

    #[test]
    fn tests_on_gl_alone_run_one_at_a_time() {
        let [gl, vulkan] =
            ["llvmpipe (LLVM 15), gl, Cpu, 4.5", "llvmpipe (LLVM 15), vulkan, Cpu, llvmpipe"].map(String::from);
        assert_eq!(test_threads(std::slice::from_ref(&gl)), Some(("RUST_TEST_THREADS", "1")));
        assert_eq!(test_threads(&[vulkan, gl]), None);
    }

    #[test]
    fn only_variables_with_a_value_count_as_set() {
        let set = driver_variables(|name| match name {
            "WGPU_BACKEND" => Some("vulkan".into()),
            "VK_ICD_FILENAMES" => Some("".into()),
            _ => None,
        });
        assert_eq!(set, ["WGPU_BACKEND=vulkan"]);
    }

    #[test]
    fn only_linux_installs() {
        assert_eq!(advice("linux"), None);
        for (os, word) in [("macos", "Metal"), ("windows", "WARP"), ("freebsd", "Vulkan")] {
            assert!(advice(os).is_some_and(|text| text.contains(word)), "{os}");
        }
    }

    #[test]
    fn every_package_manager_runs_its_own_commands_as_root() {
        for manager in &PACKAGE_MANAGERS {
            let script = script(manager, "sudo ");
            assert_eq!(script.lines().count(), manager.commands.len());
            for line in script.lines() {
                assert!(line.starts_with("    sudo "), "{line}");
                assert!(line.contains(&format!(" {} ", manager.program)), "{line}");
            }
        }
    }
}
