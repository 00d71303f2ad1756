//! Set-up and tasks of this repository; `cargo xtask help` lists them.

#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]

mod adapter;
mod compare;
mod docs;
mod drivers;
mod dx12;
mod mpi;
mod report;
mod rigs;
mod unpacked;
mod validate;
mod web;
mod words;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::{self, Command, Stdio};

const USAGE: &str = "\
Usage: cargo xtask <task>

To use the crate:
  demo             normalize real activations and check the results
  test [--all] [args..]
                   run the tests; the arguments go to `cargo test --workspace`.
                   --all: also every shape
  adapters         print what each adapter of this machine can do, and how ops
                   would be computed on it
  report [FILE]    write down what the adapter is, whether it computes right and
                   how fast (target/report.txt)
  web [--port N]   build the page in web/ and serve it on 127.0.0.1 (port 8080)
  web --out DIR    build the page into a folder that any host can serve
  bench [args..]   measure speed in % of copy bandwidth; --help lists arguments
  compare [args..] measure other engines on the same adapter, and print them
                   beside this crate:
                     --adapter mesa25|swiftshader|system
                                       mesa25 is unpacked below target on a
                                       Debian 12, and the default there without
                                       a GPU; else the adapter of the system
                     --engines NAME,.. only these, of burn, onnxruntime,
                                       tinygrad, torch
                     --rounds N        each engine so many times, in turns (3)
                     --cases FILE      benches/peers/cases.json, on a GPU
                                       cases-gpu.json
                     --json FILE       where rows go (target/compare.json)
                     --prebuilt FOLDER build and install nothing, for a machine
                                       without Rust or a network: the folder has
                                       `wgpu-norm` and `peer-burn`, built
                                       elsewhere, and python3 has the engines
  plot [args..]    draw the rows of `bench --json FILE` and of `compare`; the
                   arguments go to the example `plot`
  tune [FILE]      measure what is fast on the adapter, and write the table for
                   `Planner::tuning` (target/tuning.txt); some minutes
  accuracy         print how far this crate, and f32 as one would write it, are
                   from f64 on hard data
  mpi [N..]        run batch norm over the processes of MPI jobs of 1, 2 and 4
                   processes, or of N
  help             print this text

To change it:
  test-adapters [NAME..]
                   run the tests that every adapter must pass on swiftshader and
                   gl (llvmpipe), or on those that are named. Others: lavapipe4
                   and lavapipe16, whose subgroups have 4 and 16 lanes, mesa25
  test-web         run the tests in Chromium, and use the page as a visitor does
  test-dx12 [args..]
                   run `wgpu-norm conformance` on wgpu's DX12 backend under
                   Wine, on a Debian 12
  validate [--fxc] every shader through Tint (Chromium's compiler, from npm),
                   and as naga translates it through spirv-val and, on Linux,
                   DXC (Microsoft's, from Python's index). --fxc: through
                   Microsoft's older compiler too, under Wine, on a Debian 12
  validate --drivers [NAME,..]
                   every shader through the compilers of GPU drivers, without a
                   GPU: radv (AMD's, which comes with lavapipe); and on a Debian
                   12 on x86-64 radv25 (that of Mesa 25), intel (Intel's) and
                   amd-wgpu (radv25 through wgpu)
  figures          run the examples that draw the figures of docs/paper.md; half
                   an hour on lavapipe
  docs             build the documentation, and look for links in it that lead
                   nowhere
  words            look for words that the glossary of docs/architecture.md
                   replaced, and for long lines

`adapters`, `bench`, `report` and `tune` run the program `wgpu-norm` of cli/. It
needs no repository: `cargo install --path cli`, then `wgpu-norm --help`.

All but `validate`, `web`, `test-web`, `docs` and `words` need a graphics
adapter. Where Linux has none, a software adapter (Mesa's lavapipe) is installed
with the system's package manager, as root or through sudo; so are Debian's
packages that `mpi`, `test-adapters`, `test-web` and `test-dx12` lack. The
commands are printed.
`compare` needs Python 3.11 or later, and downloads the engines below target.
";

/// The tasks of the usage.
fn tasks() -> impl Iterator<Item = &'static str> {
    USAGE.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|task| !task.is_empty())
}

/// The task whose name is the nearest to a word, if one is near.
fn nearest(word: &str) -> Option<&'static str> {
    let nearness = |task| strsim::jaro_winkler(word, task);
    tasks().max_by(|a, b| nearness(a).total_cmp(&nearness(b))).filter(|task| nearness(task) > 0.7)
}

/// The package of the program `wgpu-norm`.
const PACKAGE: [&str; 2] = ["--package", "wgpu-norm-cli"];

/// The arguments of cargo that run `wgpu-norm`, built with these flags, with these arguments.
fn program(flags: &[&str], args: &[OsString]) -> Vec<OsString> {
    with(&[&["run", "--quiet"], flags, &PACKAGE, &["--"]].concat(), args)
}

/// Where the demo writes, relative to the root of the repository.
const DEMO_FOLDER: &str = "target/demo";

/// What the demo shows, and the arguments of `wgpu-norm` for it.
const DEMO: [(&str, &str); 2] = [
    (
        "layer norm of the activations of a sentence encoder (MiniLM)",
        "layer-norm --input examples/data/minilm-layer5-output.safetensors \
         --output target/demo/layer-norm.safetensors --eps 1e-12 --check",
    ),
    (
        "batch norm of handwritten digits, in training",
        "batch-norm --input examples/data/digits-batch-norm.safetensors \
         --output target/demo/batch-norm.safetensors --training --check",
    ),
];

fn main() {
    let mut args = env::args_os().skip(1);
    let task = args.next().unwrap_or_else(|| "help".into());
    let args: Vec<OsString> = args.collect();
    if asks_for_help(&task, &args) {
        print!("{USAGE}");
        return;
    }
    let code = match (task.to_str(), args.is_empty()) {
        (Some("demo"), true) => demo(),
        (Some("test"), _) => test(&args),
        (Some("test-adapters"), _) => rigs::test(&args),
        (Some("test-dx12"), _) => dx12::test(&args),
        (Some("adapters"), true) => adapters(),
        (Some("report"), _) => report::report(&args),
        (Some("validate"), _) => validate::validate(&args),
        (Some("web"), _) => web::web(&args),
        (Some("test-web"), true) => web::test(),
        (Some("bench"), _) => bench(&args),
        (Some("compare"), _) => compare::compare(&args),
        (Some("tune"), _) => tune(&args),
        (Some("figures"), true) => figures(),
        (Some("accuracy"), true) => accuracy(),
        (Some("mpi"), _) => mpi::mpi(&args),
        (Some("docs"), true) => docs::docs(),
        (Some("words"), true) => words::words(),
        (Some("plot"), _) => cargo(&with(&["run", "--quiet", "--example", "plot", "--"], &args)),
        _ => {
            let line: Vec<_> = [&task].into_iter().chain(&args).collect();
            eprintln!("xtask: no task `{}`", joined(&line));
            match nearest(&task.to_string_lossy()) {
                Some(task) => eprintln!("Did you mean `cargo xtask {task}`? `cargo xtask help` lists all."),
                None => eprintln!("`cargo xtask help` lists all."),
            }
            Ok(2)
        }
    };
    process::exit(code.unwrap_or_else(|message| {
        eprintln!("xtask: {message}");
        1
    }))
}

/// Whether this program is asked, and not one that a task hands its arguments on to.
fn asks_for_help(task: &OsStr, args: &[OsString]) -> bool {
    let asks = |arg: &OsStr| matches!(arg.to_str(), Some("-h" | "--help"));
    let hands_on = matches!(task.to_str(), Some("test" | "bench" | "plot"));
    task == "help" || asks(task) || !hands_on && args.iter().any(|arg| asks(arg))
}

fn demo() -> Result<i32, String> {
    adapter::ensure(&[])?;
    let folder = root().join(DEMO_FOLDER);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let mut passed = 0;
    for (what, args) in DEMO {
        println!("\n{what}");
        let args: Vec<_> = args.split_whitespace().map(OsString::from).collect();
        passed += usize::from(cargo(&program(&[], &args))? == 0);
    }
    println!("\ndemo: {passed} of {} passed, outputs in {DEMO_FOLDER}", DEMO.len());
    Ok(i32::from(passed != DEMO.len()))
}

fn test(args: &[OsString]) -> Result<i32, String> {
    let mut args = test_args(args);
    let adapters = adapter::ensure(&build_flags(&args))?;
    if cfg!(target_os = "linux") && !has_terminals() {
        println!("tests of what happens on a terminal are left out: `script` makes none on this machine");
        args = without(args, "a_terminal_");
    }
    let args = with(&["test", "--workspace"], &args);
    println!("$ cargo {}", joined(&args));
    status(cargo_command(&args).envs(adapter::test_threads(&adapters)))
}

/// Whether the tests can make a pseudo-terminal. Some containers and change-root environments have no `/dev/pts`.
fn has_terminals() -> bool {
    let mut script = Command::new("script");
    script.args(["-qec", "true", "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    script.status().is_ok_and(|status| status.success())
}

/// The arguments of `cargo test` without the tests that have this in their name.
fn without(mut args: Vec<OsString>, name: &str) -> Vec<OsString> {
    if !args.iter().any(|arg| arg == "--") {
        args.push("--".into());
    }
    args.extend(["--skip".into(), name.into()]);
    args
}

/// The arguments of `cargo test`: `--all`, before a `--`, is for the programs that it runs.
fn test_args(args: &[OsString]) -> Vec<OsString> {
    let (of_cargo, of_tests) = args.split_at(args.iter().position(|arg| arg == "--").unwrap_or(args.len()));
    let (all, mut of_cargo): (Vec<_>, Vec<_>) = of_cargo.iter().cloned().partition(|arg| arg == "--all");
    if !all.is_empty() || !of_tests.is_empty() {
        of_cargo.push("--".into());
        of_cargo.extend(all.first().map(|_| "--include-ignored".into()));
        of_cargo.extend(of_tests.iter().skip(1).cloned());
    }
    of_cargo
}

fn bench(args: &[OsString]) -> Result<i32, String> {
    // So that wgpu is not built for development as well.
    adapter::ensure(&["--release".into()])?;
    cargo(&program(&["--release"], &with(&["bench"], args)))
}

fn adapters() -> Result<i32, String> {
    adapter::ensure(&[])?;
    cargo(&program(&[], &["adapters".into()]))
}

fn accuracy() -> Result<i32, String> {
    adapter::ensure(&[])?;
    cargo(&["run", "--quiet", "--example", "accuracy"])
}

fn figures() -> Result<i32, String> {
    adapter::ensure(&[])?;
    for (example, options) in [("convnet_norms", ""), ("mlp", ""), ("recurrent", "--adding-steps 1000")] {
        let line = format!("run --quiet --example {example} -- {options} --out docs/plots/{example}.svg");
        let code = cargo(&line.split_whitespace().collect::<Vec<_>>())?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

fn tune(args: &[OsString]) -> Result<i32, String> {
    let file = match args {
        [] => root().join("target/tuning.txt"),
        [file] if !file.to_string_lossy().starts_with('-') => env::current_dir().map_err(|e| e.to_string())?.join(file),
        _ => return Err(format!("tune takes one file, not `{}`", joined(args))),
    };
    fs::create_dir_all(root().join("target")).map_err(|e| format!("cannot make target: {e}"))?;
    bench(&with(&["--tune"], &[file.into()]))
}

/// Those arguments of `cargo test` that choose how and where the dependencies of every package are built. Features are
/// of one package.
fn build_flags(args: &[OsString]) -> Vec<OsString> {
    const SWITCHES: [&str; 5] = ["--release", "-r", "--locked", "--offline", "--frozen"];
    const WITH_VALUE: [&str; 3] = ["--profile", "--target", "--target-dir"];
    let mut flags = Vec::new();
    let mut args = args.iter().take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        if SWITCHES.contains(&name) {
            flags.push(arg.clone());
        } else if WITH_VALUE.contains(&name) {
            flags.push(arg.clone());
            if name == text {
                flags.extend(args.next().cloned());
            }
        }
    }
    flags
}

/// Prints and runs a command that must succeed.
fn run(command: &mut Command) -> Result<(), String> {
    let line = shown(command);
    println!("$ {line}");
    let status = command.status().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// A command as the user would type it.
fn shown(command: &Command) -> String {
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    joined(&words)
}

/// Prints and runs a cargo command in the root of the repository; returns its exit code.
fn cargo<S: AsRef<OsStr>>(args: &[S]) -> Result<i32, String> {
    println!("$ cargo {}", joined(args));
    status(&mut cargo_command(args))
}

/// Runs a cargo command; returns its exit code.
fn status(cargo: &mut Command) -> Result<i32, String> {
    let status = cargo.status().map_err(|e| format!("cannot start cargo: {e}"))?;
    // A command that a signal has ended has no code.
    Ok(status.code().unwrap_or(1))
}

/// The cargo that runs this program, in the root of the repository from whatever folder it was called.
fn cargo_command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// The root of the repository: where this program was built, or, if it was brought to another machine, where it is
/// started.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(package);
    if root.is_dir() { root } else { Path::new(".") }
}

fn with(first: &[&str], rest: &[OsString]) -> Vec<OsString> {
    let first = first.iter().map(OsString::from);
    first.chain(rest.iter().cloned()).collect()
}

fn joined<S: AsRef<OsStr>>(args: &[S]) -> String {
    let words: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn only_flags_that_change_the_build_are_shared() {
        let cases = [
            ("", ""),
            ("--test plans layer_norm", ""),
            ("--release --no-fail-fast", "--release"),
            ("--test plans --features validate", ""),
            ("--target-dir=other -F validate", "--target-dir=other"),
            ("--profile ci --all-features", "--profile ci"),
            ("--lib -- --release --profile x", ""),
            ("--profile", "--profile"),
        ];
        for (args, flags) in cases {
            assert_eq!(build_flags(&words(args)), words(flags), "{args}");
        }
    }

    #[test]
    fn all_tests_are_those_that_are_usually_ignored_too() {
        let cases = [
            ("", ""),
            ("--all", "-- --include-ignored"),
            ("--test plans layer_norm", "--test plans layer_norm"),
            ("--all --test plans -- --nocapture", "--test plans -- --include-ignored --nocapture"),
            ("--lib -- --all", "--lib -- --all"),
        ];
        for (args, expected) in cases {
            assert_eq!(test_args(&words(args)), words(expected), "{args}");
        }
    }

    #[test]
    fn tests_are_left_out_by_the_programs_that_have_them() {
        for (args, expected) in [
            ("--test plans", "--test plans -- --skip a_terminal_"),
            ("--lib -- --nocapture", "--lib -- --nocapture --skip a_terminal_"),
        ] {
            assert_eq!(without(words(args), "a_terminal_"), words(expected), "{args}");
        }
    }

    #[test]
    fn every_demo_run_checks_its_result_and_writes_to_the_demo_folder() {
        for (_, args) in DEMO {
            assert!(args.ends_with("--check"), "{args}");
            assert!(args.contains(&format!("--output {DEMO_FOLDER}/")), "{args}");
        }
    }

    #[test]
    fn the_usage_names_every_task() {
        let names: Vec<_> = tasks().collect();
        let source = include_str!("main.rs");
        let matched = source.lines().filter_map(|line| line.trim().strip_prefix("(Some(\"")?.split('"').next());
        let mut count = 0;
        for task in matched {
            assert!(names.contains(&task), "{task}");
            count += 1;
        }
        assert!(count > 15, "{count} tasks");
        for line in USAGE.lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }

    #[test]
    fn a_wrong_task_is_near_a_right_one_or_none() {
        assert_eq!(nearest("bnech"), Some("bench"));
        assert_eq!(nearest("adapter"), Some("adapters"));
        assert_eq!(nearest("test-adapter"), Some("test-adapters"));
        assert_eq!(nearest("xyzzy"), None);
    }
}
