//! Measures this crate and other engines on the same adapter, in turns.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::unpacked::{self, Variables};
use crate::{PACKAGE, adapter, cargo_command, program, root, run, shown, with};

/// What is built, installed and measured here stays, relative to the root of the repository.
const FOLDER: &str = "target/peers";
const DRIVERS: &str = "benches/peers";
const OURS: &str = "wgpu-norm";
const COPY: &str = "copy";

/// An engine's driver: each reads the cases and writes rows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Peer {
    Burn,
    Python { name: &'static str, script: &'static str, requirements: &'static str, cuda: bool },
}

const PEERS: [Peer; 4] = [
    Peer::Burn,
    Peer::Python {
        name: "onnxruntime",
        script: "onnxruntime_webgpu.py",
        requirements: "requirements.txt",
        cuda: false,
    },
    Peer::Python { name: "tinygrad", script: "tinygrad_webgpu.py", requirements: "requirements.txt", cuda: false },
    Peer::Python { name: "torch", script: "torch_cuda.py", requirements: "requirements-cuda.txt", cuda: true },
];

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Burn => "burn",
            Self::Python { name, .. } => name,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Adapter {
    Mesa25,
    SwiftShader,
    System,
}

#[derive(Debug, PartialEq)]
struct Args {
    /// Chosen by the machine if not given.
    adapter: Option<Adapter>,
    engines: Vec<Peer>,
    rounds: usize,
    /// Those for the kind of adapter if not given.
    cases: Option<PathBuf>,
    /// Where programs are that were built elsewhere.
    prebuilt: Option<PathBuf>,
    json: PathBuf,
}

impl Args {
    fn parse(args: &[OsString]) -> Result<Self, String> {
        let mut parsed = Self {
            adapter: None,
            engines: PEERS.to_vec(),
            rounds: 3,
            cases: None,
            prebuilt: None,
            json: root().join("target/compare.json"),
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let name = name.to_string_lossy();
            let value = args.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            let text = value.to_string_lossy();
            match &*name {
                "--adapter" => {
                    parsed.adapter = Some(match &*text {
                        "mesa25" => Adapter::Mesa25,
                        "swiftshader" => Adapter::SwiftShader,
                        "system" => Adapter::System,
                        _ => return Err(format!("no adapter `{text}`: there are mesa25, swiftshader and system")),
                    });
                }
                "--engines" => parsed.engines = text.split(',').map(peer).collect::<Result<_, _>>()?,
                "--rounds" => {
                    let rounds = text.parse().ok().filter(|&rounds| rounds > 0);
                    parsed.rounds = rounds.ok_or_else(|| format!("`--rounds {text}` is not a number above 0"))?;
                }
                // Relative to where the user is; the commands run in the root of the repository.
                "--cases" => parsed.cases = Some(absolute(value)?),
                "--prebuilt" => parsed.prebuilt = Some(absolute(value)?),
                "--json" => parsed.json = absolute(value)?,
                _ => return Err(format!("unknown argument `{name}`: see `cargo xtask help`")),
            }
        }
        Ok(parsed)
    }
}

fn peer(name: &str) -> Result<Peer, String> {
    let names = || PEERS.map(Peer::name).join(", ");
    PEERS
        .into_iter()
        .find(|peer| peer.name() == name)
        .ok_or_else(|| format!("no engine `{name}`: there are {}", names()))
}

fn absolute(path: &OsString) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))
}

pub fn compare(args: &[OsString]) -> Result<i32, String> {
    let args = Args::parse(args)?;
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let prebuilt = args.prebuilt.as_deref();
    let (variables, is_gpu) = match (prebuilt, args.adapter) {
        // What lists the adapters is not there. With another GPU than NVIDIA's, `--cases` says what is compared.
        (Some(_), None | Some(Adapter::System)) => (Variables::new(), has_cuda()),
        _ => variables(args.adapter)?,
    };
    // A GPU is done with what a CPU takes milliseconds for before it has begun.
    let own = if is_gpu { "cases-gpu.json" } else { "cases.json" };
    let cases = args.cases.unwrap_or_else(|| root().join(DRIVERS).join(own));
    for (name, value) in &variables {
        println!("{name}={}", value.to_string_lossy());
    }

    // What an engine says of itself, for the end.
    let mut notes = Vec::new();
    // First ours, so that it is ready and the adapter's name known, before the others are fetched.
    if prebuilt.is_none() {
        run(cargo_command(&with(&["build", "--release"], &PACKAGE.map(OsString::from))).envs(variables.clone()))?;
    }
    let mut engines = Vec::new();
    for &peer in &args.engines {
        match set_up(peer, &folder, prebuilt) {
            Ok(command) => engines.push((peer.name(), command)),
            Err(reason) => notes.push(format!("{}: {reason}", peer.name())),
        }
    }

    let mut rows = Vec::new();
    let mut adapter = String::new();
    for round in 1..=args.rounds {
        println!("\nround {round} of {}", args.rounds);
        let json = folder.join(format!("{OURS}.{round}.json"));
        let mut ours = match prebuilt {
            Some(programs) => Command::new(programs.join("wgpu-norm")),
            None => cargo_command(&program(&["--release"], &[])),
        };
        ours.arg("bench").arg("--cases").arg(&cases).arg("--json").arg(&json).envs(variables.clone());
        run(&mut ours)?;
        let measured = read_rows(&json)?;
        adapter = measured.first().map_or(adapter, |row| text(row, "adapter"));
        rows.push(measured);
        engines.retain(|(name, command)| {
            let json = folder.join(format!("{name}.{round}.json"));
            let mut driver = Command::new(&command[0]);
            driver.args(&command[1..]).arg("--cases").arg(&cases).arg("--json").arg(&json);
            driver.envs(variables.clone()).env("PEER_ADAPTER", &adapter).current_dir(root());
            let measured = drive(&mut driver, name, &mut notes).and_then(|()| read_rows(&json));
            match measured {
                // What cannot run says so once.
                Ok(measured) if measured.is_empty() => false,
                Ok(measured) => {
                    rows.push(measured);
                    true
                }
                Err(reason) => {
                    notes.push(format!("{name}: {reason}"));
                    false
                }
            }
        });
    }

    let rows = merged(&rows);
    let list = serde_json::to_string_pretty(&rows).map_err(|e| e.to_string())? + "\n";
    fs::write(&args.json, list).map_err(|e| format!("cannot write {}: {e}", args.json.display()))?;
    println!("\n{adapter}: ms, and in brackets % of copy bandwidth (higher is better)\n\n{}", table(&rows));
    notes.extend(suspects(&rows));
    notes.sort();
    notes.dedup();
    for note in notes {
        println!("{note}");
    }
    println!("rows: {}", args.json.display());
    Ok(0)
}

/// The variables that bring every engine to the same adapter, and whether that is a GPU.
fn variables(adapter: Option<Adapter>) -> Result<(Variables, bool), String> {
    let release = ["--release".into()];
    let adapter = match adapter {
        Some(adapter) => adapter,
        // Who has chosen a driver gets it.
        None if adapter::is_chosen() || !unpacked::is_debian_12() || adapter::has_gpu(&release)? => Adapter::System,
        None => Adapter::Mesa25,
    };
    let driver = match adapter {
        Adapter::Mesa25 => unpacked::mesa25()?,
        Adapter::SwiftShader => unpacked::swiftshader()?,
        Adapter::System => {
            let adapters = adapter::ensure(&release)?;
            return Ok((Vec::new(), adapter::any_gpu(&adapters)));
        }
    };
    Ok((driver.variables()?, false))
}

/// Builds or installs an engine, unless that was done elsewhere; returns the command that runs its driver.
fn set_up(peer: Peer, folder: &Path, prebuilt: Option<&Path>) -> Result<Vec<PathBuf>, String> {
    let drivers = root().join(DRIVERS);
    match peer {
        Peer::Burn => {
            if let Some(programs) = prebuilt {
                let program = programs.join("peer-burn");
                return if program.is_file() { Ok(vec![program]) } else { Err(format!("no {}", program.display())) };
            }
            let target = folder.join("burn");
            let mut build = cargo_command(&["build", "--release", "--manifest-path"]);
            run(build.arg(drivers.join("burn/Cargo.toml")).arg("--target-dir").arg(&target))?;
            Ok(vec![target.join("release").join(format!("peer-burn{}", env::consts::EXE_SUFFIX))])
        }
        Peer::Python { cuda: true, .. } if !has_cuda() => {
            Err("PyTorch eager, torch.compile and Triton need CUDA, and `nvidia-smi` found no device on this machine"
                .into())
        }
        Peer::Python { script, .. } if prebuilt.is_some() => Ok(vec![system_python()?.into(), drivers.join(script)]),
        Peer::Python { script, requirements, .. } => {
            let environment = folder.join("python");
            let bin = if cfg!(windows) { "Scripts" } else { "bin" };
            let python = environment.join(bin).join(format!("python{}", env::consts::EXE_SUFFIX));
            if !python.is_file() {
                run(Command::new(system_python()?).args(["-m", "venv"]).arg(&environment))?;
            }
            let mut install = Command::new(&python);
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
            run(install.arg(drivers.join(requirements)))?;
            Ok(vec![python, drivers.join(script)])
        }
    }
}

fn has_cuda() -> bool {
    Command::new("nvidia-smi").arg("-L").stderr(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

fn system_python() -> Result<&'static str, String> {
    const TEST: &str = "import sys, venv; sys.exit(sys.version_info < (3, 11))";
    let works = |name: &&str| {
        Command::new(name).args(["-c", TEST]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    ["python3", "python", "python3.13", "python3.12", "python3.11"]
        .into_iter()
        .find(works)
        .ok_or_else(|| "needs Python 3.11 or later with its module venv".into())
}

/// Prints and runs a driver; what it says of its engine goes to the notes too.
fn drive(command: &mut Command, name: &str, notes: &mut Vec<String>) -> Result<(), String> {
    let line = shown(command);
    println!("$ {line}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            eprintln!("{line}");
            if line.starts_with(name) && line.contains(": ") {
                notes.push(line);
            }
        }
    }
    let status = child.wait().map_err(|e| format!("`{line}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

fn read_rows(path: &Path) -> Result<Vec<Value>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Value, field: &str) -> f64 {
    row[field].as_f64().unwrap_or(f64::NAN)
}

/// What is measured in a row, for engines to be compared.
fn case(row: &Value) -> (String, String, String) {
    // A forward norm that writes two tensors writes its sum with a residual.
    let has_residual = text(row, "direction") == "forward" && row["outputs"].as_u64() == Some(2);
    let op = text(row, "op") + if has_residual { ", residual" } else { "" };
    (op, text(row, "shape"), text(row, "dtype"))
}

/// The rows of all rounds by engine and case: of each the one with the median time, its spread over the rounds.
fn merged(rounds: &[Vec<Value>]) -> Vec<Value> {
    // Copies of one size are told apart by their place among the others of their run.
    let mut cases: Vec<(_, Vec<Value>)> = Vec::new();
    for rows in rounds {
        let mut seen = Vec::new();
        for row in rows {
            let what = (text(row, "engine"), case(row), row["outputs"].as_u64());
            let place = seen.iter().filter(|&other| *other == what).count();
            seen.push(what.clone());
            let key = (what, place);
            match cases.iter_mut().find(|(other, _)| *other == key) {
                Some((_, rows)) => rows.push(row.clone()),
                None => cases.push((key, vec![row.clone()])),
            }
        }
    }
    let median = |mut rows: Vec<Value>| {
        rows.sort_by(|a, b| number(a, "ms").total_cmp(&number(b, "ms")));
        let times = [&rows[0], &rows[rows.len() - 1]].map(|row| number(row, "ms"));
        let mut row = rows[(rows.len() - 1) / 2].clone();
        if rows.len() > 1 {
            row["spread"] = ((times[1] - times[0]) / number(&row, "ms")).into();
        }
        row
    };
    cases.into_iter().map(|(_, rows)| median(rows)).collect()
}

/// A line for each case of ours, a column for each engine.
fn table(rows: &[Value]) -> String {
    let mut engines: Vec<String> = vec![COPY.into(), OURS.into()];
    for row in rows {
        let engine = text(row, "engine");
        if !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    let mut lines = vec![["op", "shape", "type"].into_iter().map(String::from).chain(engines.clone()).collect()];
    for ours in rows.iter().filter(|row| text(row, "engine") == OURS) {
        let (op, shape, dtype) = case(ours);
        let copy = copy_time(ours);
        let mut line = vec![op, shape, dtype];
        for engine in &engines {
            let ms = match engine.as_str() {
                OURS => Some(number(ours, "ms")),
                COPY => Some(copy).filter(|ms| ms.is_finite()),
                _ => rows
                    .iter()
                    .find(|row| text(row, "engine") == *engine && case(row) == case(ours))
                    .map(|row| number(row, "ms")),
            };
            line.push(match ms {
                Some(ms) if engine == COPY => format!("{ms:.3}"),
                Some(ms) => format!("{ms:.3} ({:.0} %)", 100.0 * copy / ms),
                None => "-".into(),
            });
        }
        lines.push(line);
    }
    aligned(&lines)
}

/// The time of the copy that ours was compared with.
fn copy_time(ours: &Value) -> f64 {
    number(ours, "ms") * number(ours, "percent_of_copy") / 100.0
}

/// A table in Markdown.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<_> =
        (0..columns).map(|i| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0)).collect();
    let joined = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut table: Vec<String> = lines
        .iter()
        .map(|line| joined(line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect()))
        .collect();
    table.insert(1, joined(widths.iter().map(|&width| "-".repeat(width)).collect()));
    table.concat()
}

/// Peers that took less than a copy of as many bytes: nothing moves bytes faster, so their timing is to be doubted.
fn suspects(rows: &[Value]) -> Vec<String> {
    let mut notes = Vec::new();
    for ours in rows.iter().filter(|row| text(row, "engine") == OURS) {
        for row in rows.iter().filter(|row| case(row) == case(ours) && text(row, "engine") != OURS) {
            if number(row, "ms") < copy_time(ours) {
                let (op, shape, dtype) = case(row);
                let engine = text(row, "engine");
                notes.push(format!("{engine}: {op} {shape} {dtype}: faster than a copy; did it wait for the result?"));
            }
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(line: &str) -> Result<Args, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Args::parse(&words)
    }

    fn row(engine: &str, op: &str, ms: f64) -> Value {
        let percent = if engine == OURS { json!(50.0) } else { Value::Null };
        json!({
            "engine": engine, "op": op, "shape": "4x8", "dtype": "f32", "outputs": 1, "ms": ms,
            "percent_of_copy": percent,
        })
    }

    #[test]
    fn arguments_are_read_or_refused_by_name() {
        let all = args("").unwrap();
        assert_eq!((all.adapter, all.rounds, all.engines.len()), (None, 3, PEERS.len()));
        let some = args("--adapter swiftshader --engines tinygrad,burn --rounds 1 --json x.json").unwrap();
        assert_eq!((some.adapter, some.rounds), (Some(Adapter::SwiftShader), 1));
        assert_eq!(some.engines.iter().map(|peer| peer.name()).collect::<Vec<_>>(), ["tinygrad", "burn"]);
        assert!(some.json.is_absolute());
        for (line, word) in [
            ("--adapter metal", "`metal`"),
            ("--engines burn,jax", "`jax`"),
            ("--rounds 0", "--rounds 0"),
            ("--rounds", "needs a value"),
            ("--fast yes", "`--fast`"),
        ] {
            assert!(args(line).unwrap_err().contains(word), "{line}");
        }
    }

    #[test]
    fn the_median_of_the_rounds_is_kept_for_each_engine_and_case() {
        let rounds = [
            vec![row(COPY, "copy", 1.0), row(OURS, "a", 5.0), row(COPY, "copy", 7.0), row(OURS, "b", 9.0)],
            vec![row("burn", "a", 20.0)],
            vec![row(COPY, "copy", 2.0), row(OURS, "a", 4.0), row(COPY, "copy", 8.0), row(OURS, "b", 9.0)],
            vec![row("burn", "a", 40.0)],
            vec![row(COPY, "copy", 3.0), row(OURS, "a", 6.0), row(COPY, "copy", 9.0), row(OURS, "b", 9.0)],
            vec![row("burn", "a", 30.0)],
        ];
        let rows = merged(&rounds);
        let times: Vec<_> = rows.iter().map(|row| (text(row, "engine"), number(row, "ms"))).collect();
        let expected = [(COPY, 2.0), (OURS, 5.0), (COPY, 8.0), (OURS, 9.0), ("burn", 30.0)];
        assert_eq!(times, expected.map(|(engine, ms)| (engine.to_owned(), ms)));
        assert!((number(&rows[4], "spread") - 20.0 / 30.0).abs() < 1e-12);
    }

    #[test]
    fn the_table_has_what_was_measured_and_a_dash_for_what_was_not() {
        let rows = [row(OURS, "a", 4.0), row(OURS, "b", 2.0), row("burn", "a", 10.0)];
        let table = table(&rows);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(lines[0][1..=6], ["op", "shape", "type", "copy", "wgpu-norm", "burn"]);
        assert_eq!(lines[2][1..=6], ["a", "4x8", "f32", "2.000", "4.000 (50 %)", "10.000 (20 %)"]);
        assert_eq!(lines[3][1..=6], ["b", "4x8", "f32", "1.000", "2.000 (50 %)", "-"]);
    }

    #[test]
    fn a_peer_that_is_faster_than_a_copy_is_doubted() {
        let rows = [row(OURS, "a", 4.0), row("burn", "a", 1.9), row("tinygrad", "a", 2.1)];
        let notes = suspects(&rows);
        assert!(notes.len() == 1 && notes[0].starts_with("burn: a 4x8 f32: faster than a copy"), "{notes:?}");
    }

    #[test]
    fn every_driver_and_the_cases_are_there() {
        let drivers = root().join(DRIVERS);
        let mut files = vec!["burn/Cargo.toml", "burn/Cargo.lock"];
        for peer in PEERS {
            if let Peer::Python { script, requirements, .. } = peer {
                files.extend([script, requirements]);
            }
        }
        for file in files {
            assert!(drivers.join(file).is_file(), "{file}");
        }
        for cases in ["cases.json", "cases-gpu.json"] {
            assert!(!read_rows(&drivers.join(cases)).unwrap().is_empty(), "{cases}");
        }
    }
}
