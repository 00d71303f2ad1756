//! The tasks on machines with and without a graphics driver. Every program that xtask starts is a stand-in, so nothing
//! is built and nothing is installed.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BUILD: &str = "cargo build --package wgpu-norm-cli";
const LIST: &str = "cargo run --quiet --package wgpu-norm-cli -- --list-adapters";
/// Whether there are pseudo-terminals.
const SCRIPT: &str = "script -qec true /dev/null";
const APT_UPDATE: &str = "apt-get update";
const APT_INSTALL: &str = "apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1";

struct Machine {
    folder: PathBuf,
    env: Vec<(&'static str, &'static str)>,
}

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    calls: Vec<String>,
}

impl Machine {
    /// A machine without a driver that has only these programs; its user is root unless `env` says otherwise.
    fn new(name: &str, programs: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand-in.sh");
        for program in ["cargo", "id"].iter().chain(programs) {
            symlink(&stand_in, folder.join(program)).unwrap();
        }
        Self { folder, env: Vec::new() }
    }

    fn with_driver(self) -> Self {
        fs::write(self.folder.join("adapter"), "").unwrap();
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    fn run(&self, args: &str) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(args.split_whitespace())
            .env_clear()
            .env("CARGO", self.folder.join("cargo"))
            .env("PATH", &self.folder)
            .env("USER_ID", "0")
            .env("FAILING", "nothing")
            .envs(self.env.iter().copied())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            calls: log.lines().map(str::to_owned).collect(),
        }
    }
}

#[test]
fn with_an_adapter_nothing_is_installed_and_the_arguments_go_on() {
    let outcome = Machine::new("adapter", &["apt-get", "script"]).with_driver().run("test --release -- --nocapture");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        outcome.calls,
        [
            "cargo build --release --package wgpu-norm-cli",
            "cargo run --quiet --release --package wgpu-norm-cli -- --list-adapters",
            SCRIPT,
            "cargo test --workspace --release -- --nocapture",
        ]
    );
    assert!(outcome.stdout.contains("adapter: a driver"));
    assert!(outcome.stderr.contains("first build takes some minutes"));
}

#[test]
fn without_terminals_what_needs_one_is_left_out_by_name() {
    let absent = Machine::new("no-script", &[]).with_driver();
    let failing = Machine::new("no-terminals", &["script"]).with_driver().env("FAILING", SCRIPT);
    for machine in [absent, failing] {
        let outcome = machine.run("test --lib");
        assert_eq!(
            outcome.calls.last().map(String::as_str),
            Some("cargo test --workspace --lib -- --skip a_terminal_")
        );
        assert!(outcome.stdout.contains("terminal are left out"), "{}", outcome.stdout);
    }
}

#[test]
fn a_program_with_a_help_of_its_own_is_asked_for_it() {
    let outcome = Machine::new("own-help", &[]).with_driver().run("bench --help");
    assert_eq!(
        outcome.calls.last().map(String::as_str),
        Some("cargo run --quiet --release --package wgpu-norm-cli -- bench --help")
    );
}

#[test]
fn root_installs_a_driver_and_goes_on_without_a_second_build() {
    let outcome = Machine::new("root", &["apt-get", "env", "script"]).run("test");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        outcome.calls,
        [
            BUILD,
            LIST,
            "id -u",
            APT_UPDATE,
            &format!("env DEBIAN_FRONTEND=noninteractive {APT_INSTALL}"),
            APT_INSTALL,
            LIST,
            SCRIPT,
            "cargo test --workspace",
        ]
    );
    assert!(outcome.stdout.contains(&format!("$ {APT_UPDATE}\n")));
}

#[test]
fn a_user_installs_through_sudo() {
    let outcome = Machine::new("sudo", &["dnf", "sudo"]).env("USER_ID", "1000").run("bench --quick");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        outcome.calls[2..6],
        [
            "id -u",
            "sudo -n true",
            "sudo -n dnf install -y mesa-vulkan-drivers vulkan-loader",
            "dnf install -y mesa-vulkan-drivers vulkan-loader",
        ]
    );
    assert_eq!(outcome.calls.last().unwrap(), "cargo run --quiet --release --package wgpu-norm-cli -- bench --quick");
}

#[test]
fn a_user_who_cannot_become_root_is_told_the_commands() {
    let refused = Machine::new("refused", &["apt-get", "sudo"]).env("FAILING", "sudo -n true");
    let absent = Machine::new("no-sudo", &["apt-get"]);
    for machine in [refused, absent] {
        let outcome = machine.env("USER_ID", "1000").run("test");
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.contains(APT_UPDATE), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(APT_INSTALL), "{}", outcome.stderr);
        assert!(!outcome.calls.iter().any(|call| call.contains("apt-get")));
    }
}

#[test]
fn an_unknown_package_manager_is_an_error() {
    let outcome = Machine::new("unknown", &[]).run("test");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("lavapipe"), "{}", outcome.stderr);
    assert_eq!(outcome.calls, [BUILD, LIST]);
}

#[test]
fn nothing_is_installed_where_the_user_has_chosen_a_driver() {
    let outcome = Machine::new("chosen", &["apt-get", "env"])
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .env("WGPU_BACKEND", "vulkan")
        .run("demo");
    assert_eq!(outcome.code, Some(1));
    let both = "WGPU_BACKEND=vulkan VK_ICD_FILENAMES=/nonexistent.json";
    assert!(outcome.stderr.contains(both), "{}", outcome.stderr);
    assert_eq!(outcome.calls, [BUILD, LIST]);
}

#[test]
fn an_install_that_fails_or_does_not_help_is_an_error() {
    let failing = Machine::new("apt-fails", &["apt-get", "env"]).env("FAILING", APT_UPDATE);
    let outcome = failing.run("test");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("`apt-get update` failed (exit status: 7)"));
    assert_eq!(outcome.calls, [BUILD, LIST, "id -u", APT_UPDATE]);

    let useless = Machine::new("no-help", &["apt-get", "env"]).env("USELESS", "1");
    let outcome = useless.run("test");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("still no graphics adapter"));
    assert!(outcome.stderr.contains(APT_INSTALL));
    assert_eq!(outcome.calls.last().unwrap(), LIST);
}

#[test]
fn a_failing_build_installs_nothing() {
    let machine = Machine::new("build", &["apt-get", "env"]).env("FAILING", BUILD);
    let outcome = machine.run("test");
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.calls, [BUILD]);
}

#[test]
fn the_exit_code_of_the_tests_is_passed_on() {
    let machine = Machine::new("code", &[]).with_driver();
    let outcome = machine.env("FAILING", "cargo test").run("test");
    assert_eq!(outcome.code, Some(7));
}

#[test]
fn the_demo_runs_everything_and_fails_if_one_run_fails() {
    let good = Machine::new("demo", &[]).with_driver().run("demo");
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    assert!(good.stdout.contains("demo: 2 of 2 passed"), "{}", good.stdout);

    let bad = Machine::new("demo-fails", &[])
        .with_driver()
        .env("FAILING", "cargo run --quiet --package wgpu-norm-cli -- layer-norm")
        .run("demo");
    assert_eq!(bad.code, Some(1));
    assert!(bad.stdout.contains("demo: 1 of 2 passed"), "{}", bad.stdout);
    assert!(bad.calls.last().unwrap().contains(" batch-norm "));
}

#[test]
fn help_is_printed_and_an_unknown_task_is_refused() {
    let machine = Machine::new("help", &[]);
    for args in ["", "help", "--help", "demo -h", "compare --help", "test-dx12 --rounds 2 --help"] {
        let outcome = machine.run(args);
        assert_eq!(outcome.code, Some(0), "{args}");
        assert!(outcome.stdout.starts_with("Usage: cargo xtask"), "{args}");
        assert_eq!(outcome.calls, [""; 0], "{args}");
    }
    for (args, task) in [("tset", "test"), ("demo layer-norm", "demo")] {
        let outcome = machine.run(args);
        assert_eq!(outcome.code, Some(2));
        assert!(outcome.stderr.starts_with(&format!("xtask: no task `{args}`")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("Did you mean `cargo xtask {task}`?")), "{}", outcome.stderr);
        assert_eq!(outcome.calls, [""; 0]);
    }
}
