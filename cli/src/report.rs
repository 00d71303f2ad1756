//! What an adapter is, whether it computes right and how fast, in one text: for adapters that nobody here has.
//!
//! Each part is a run of this program, so that a driver that ends it does not end the report.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{Failure, files::is_standard, say};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the report goes; `-` is standard output.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// What its head says too, such as the machine or a commit.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Leave out the bench.
    #[arg(long)]
    no_bench: bool,
}

/// A part: its title, and the command line of it.
type Part = (&'static str, &'static [&'static str]);

const ADAPTERS: Part = ("adapters", &["--list-adapters"]);
/// Parts of the adapter that is taken.
const TAKEN: [Part; 3] = [
    ("the one that was taken, and its kernels", &["--report"]),
    ("conformance", &["conformance"]),
    ("bench", &["bench", "--quick"]),
];

pub fn run(args: &Args, adapter: Option<&str>) -> Result<(), Failure> {
    let program = env::current_exe().map_err(|e| Failure::failed(format!("this program: {e}")))?;
    let mut parts = vec![(ADAPTERS.0, strings(ADAPTERS.1))];
    for (title, words) in TAKEN.into_iter().filter(|(title, _)| !(args.no_bench && *title == "bench")) {
        let chosen = adapter.map(|name| ["--adapter".to_owned(), name.to_owned()]);
        parts.push((title, strings(words).into_iter().chain(chosen.into_iter().flatten()).collect()));
    }
    let (name, mut output): (_, Box<dyn Write>) = if is_standard(&args.file) {
        ("standard output".to_owned(), Box::new(io::stdout()))
    } else {
        let name = args.file.display().to_string();
        let file = File::create(&args.file).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        (name, Box::new(file))
    };
    let summary = write(&program, &parts, args.note.as_deref(), &mut output)
        .map_err(|e| Failure::failed(format!("{name}: {e}")))?;
    if !is_standard(&args.file) {
        say(format!("{name}: {}", summary.line))?;
    }
    summary.verdict
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// How the report ends.
struct Summary {
    line: String,
    verdict: Result<(), Failure>,
}

/// Runs the parts by the program, and writes each when it is done.
fn write(
    program: &Path,
    parts: &[(&str, Vec<String>)],
    note: Option<&str>,
    output: &mut dyn Write,
) -> io::Result<Summary> {
    let threads = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |n| n.to_string());
    writeln!(
        output,
        "wgpu-norm {} on {}, {}, {threads} threads",
        env!("CARGO_PKG_VERSION"),
        env::consts::OS,
        env::consts::ARCH
    )?;
    if let Some(note) = note {
        writeln!(output, "{note}")?;
    }
    // Of a message only what a line has room for.
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    let progress = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    progress.enable_steady_tick(Duration::from_millis(100));
    let mut failed = Vec::new();
    for (at, (title, arguments)) in (1..).zip(parts) {
        let (status, text, errors) = run_part(program, arguments, &|line| {
            progress.set_message(format!("{title} ({at} of {}): {line}", parts.len()));
        })?;
        // Where both are a terminal, the lines do not mix.
        progress.suspend(|| {
            write!(output, "\n== {title}\n$ wgpu-norm {}\n{text}", arguments.join(" "))?;
            if !status.success() {
                write!(output, "FAILED ({status})\n{errors}")?;
            }
            output.flush()
        })?;
        if !status.success() {
            failed.push((*title, status.code()));
        }
    }
    progress.finish_and_clear();
    let line = format!("{} of {} parts are right", parts.len() - failed.len(), parts.len());
    writeln!(output, "\n{line}")?;
    output.flush()?;
    let titles: Vec<_> = failed.iter().map(|(title, _)| *title).collect();
    let problem = format!("wrong: {}", titles.join(", "));
    let verdict = match &*failed {
        [] => Ok(()),
        // As each of them says: the command line is wrong, or there is no adapter.
        _ if failed.iter().all(|(_, code)| *code == Some(2)) => Err(Failure::usage(problem)),
        _ => Err(Failure::failed(problem)),
    };
    Ok(Summary { line, verdict })
}

/// Runs a program; returns what it printed, to standard output and to standard error.
fn run_part(program: &Path, arguments: &[String], told: &dyn Fn(&str)) -> io::Result<(ExitStatus, String, String)> {
    told("");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut text = String::new();
    let errors = thread::scope(|scope| {
        // A pipe that is full would stop the program.
        let errors = scope.spawn(|| {
            let mut bytes = Vec::new();
            stderr.map(|mut stderr| stderr.read_to_end(&mut bytes)).transpose().map(|_| bytes)
        });
        for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).split(b'\n')) {
            let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
            told(&line);
            text += &line;
            text.push('\n');
        }
        errors.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended")))
    })?;
    Ok((child.wait()?, text, String::from_utf8_lossy(&errors).into_owned()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A report whose parts are scripts.
    fn report(scripts: &[&str]) -> (String, Summary) {
        let parts: Vec<_> = scripts.iter().map(|script| ("part", strings(&["-c", script]))).collect();
        let mut text = Vec::new();
        let summary = write(Path::new("sh"), &parts, None, &mut text).expect("a report");
        (String::from_utf8(text).expect("UTF-8"), summary)
    }

    #[test]
    fn a_part_that_is_wrong_or_ends_early_fails_and_the_others_run() {
        let (text, summary) = report(&[
            "echo right",
            "echo WRONG; echo why >&2; exit 1",
            "echo begun; kill -9 $$",
            "exit 2",
            "echo last",
        ]);
        assert!(text.contains("\nright\n") && text.contains("\nlast\n"), "{text}");
        assert!(text.contains("\nWRONG\nFAILED (exit status: 1)\nwhy\n"), "{text}");
        assert!(text.contains("\nbegun\nFAILED (signal: 9"), "{text}");
        assert!(text.ends_with("\n2 of 5 parts are right\n") && text.contains(&summary.line), "{text}");
        assert_eq!(summary.verdict.map_err(|failure| failure.code), Err(1));
    }

    #[test]
    fn the_exit_code_is_that_of_the_parts() {
        for (scripts, code) in [
            (&["true", "true"][..], Ok(())),
            (&["true", "exit 2"], Err(2)),
            (&["exit 2", "exit 1"], Err(1)),
            (&["exit 2", "exit 101"], Err(1)),
        ] {
            let (_, summary) = report(scripts);
            assert_eq!(summary.verdict.map_err(|failure| failure.code), code, "{scripts:?}");
        }
    }

    /// More than a pipe holds, on both.
    #[test]
    fn long_output_does_not_stop_a_part() {
        let (text, summary) = report(&["head -c 300000 /dev/zero | tr '\\0' e >&2; yes y | head -n 100000; exit 1"]);
        assert!(summary.verdict.is_err());
        assert_eq!(text.matches("y\n").count(), 100_000);
        assert_eq!(text.lines().map(|line| line.matches('e').count()).max(), Some(300_000));
    }
}
