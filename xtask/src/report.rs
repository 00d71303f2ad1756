//! One file that says what an adapter is, whether it computes right and how fast: for adapters that nobody here has.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::{adapter, cargo_command, joined, root};

/// What is in it: a title, and the arguments of cargo.
const PARTS: [(&str, &[&str]); 4] = [
    ("adapters", &["run", "--quiet", "--example", "normalize", "--", "--list-adapters"]),
    ("the one that was taken, and its kernels", &["run", "--quiet", "--example", "normalize", "--", "--report"]),
    ("conformance", &["test", "--test", "adapters", "--test", "pitfalls", "--test", "local_response_norm"]),
    ("bandwidth", &["bench", "--bench", "bandwidth", "--", "--quick"]),
];

pub fn report(args: &[OsString]) -> Result<i32, String> {
    let file = match args {
        [] => root().join("target/report.txt"),
        [file] if !file.to_string_lossy().starts_with('-') => env::current_dir().map_err(|e| e.to_string())?.join(file),
        _ => return Err(format!("report takes one file, not `{}`", joined(args))),
    };
    adapter::ensure(&[])?;
    let mut text = format!("wgpu-norm on {}, {}\n", env::consts::OS, env::consts::ARCH);
    text += &output("git", &["rev-parse", "HEAD"]);
    text += &output("rustc", &["--version"]);
    let mut failed = 0;
    for (title, arguments) in PARTS {
        println!("$ cargo {}", joined(arguments));
        let output = cargo_command(arguments).output().map_err(|e| format!("cannot start cargo: {e}"))?;
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        // Writing to a String does not fail.
        let _ = write!(text, "\n== {title}\n$ cargo {}\n{stdout}", joined(arguments));
        if !output.status.success() {
            failed += 1;
            let _ = write!(text, "FAILED ({})\n{stderr}", output.status);
        }
    }
    fs::write(&file, text).map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    println!("\n{}: {} of {} parts are right", file.display(), PARTS.len() - failed, PARTS.len());
    Ok(i32::from(failed > 0))
}

/// What a program prints, or nothing where it is not there.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
