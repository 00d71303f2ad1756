//! One file that says what an adapter is, whether it computes right and how fast: for adapters that nobody here has.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::{adapter, cargo, joined, program, root};

pub fn report(args: &[OsString]) -> Result<i32, String> {
    let file = match args {
        [] => root().join("target/report.txt"),
        [file] if !file.to_string_lossy().starts_with('-') => env::current_dir().map_err(|e| e.to_string())?.join(file),
        _ => return Err(format!("report takes one file, not `{}`", joined(args))),
    };
    adapter::ensure(&["--release".into()])?;
    let note = format!("commit {}, {}", output("git", &["rev-parse", "HEAD"]), output("rustc", &["--version"]));
    cargo(&program(&["--release"], &["report".into(), file.into(), "--note".into(), note.into()]))
}

/// What a program prints in a line, or `unknown` where it is not there.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".into() } else { text }
}
