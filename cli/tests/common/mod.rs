//! The program as a user runs it, in a folder with files.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorView},
};
use tempfile::TempDir;
use wgpu_norm::{
    DType,
    testing::{bound, max_error},
};

/// The folder of a test, in which the program runs.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names and contents of all files.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.0.path()).expect("the folder").map(|entry| entry.expect("an entry"));
        entries
            .filter(|entry| entry.path().is_file())
            .map(|entry| (entry.file_name().into_string().expect("UTF-8"), fs::read(entry.path()).expect("a file")))
            .collect()
    }

    pub fn save(&self, name: &str, tensors: &[(&str, Stored)]) {
        let views = tensors.iter().map(|(name, Stored { dtype, shape, bytes })| {
            (*name, TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor"))
        });
        fs::write(self.path(name), safetensors::serialize(views, None).expect("tensors")).expect("written");
    }

    pub fn load(&self, name: &str) -> BTreeMap<String, Loaded> {
        load(&self.path(name)).0
    }

    pub fn run(&self, arguments: &str) -> Run {
        self.run_all(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_all(&self, arguments: &[&str]) -> Run {
        self.finish(Command::new(program()).args(arguments))
    }

    pub fn finish(&self, command: &mut Command) -> Run {
        command.current_dir(self.0.path()).env_remove("RUST_LOG");
        let Output { status, stdout, stderr } = command.output().expect("a process");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs arguments that the program refuses: by an exit code and a line with these words. No file changes.
    pub fn fails(&self, code: i32, arguments: &str, words: &[&str]) {
        let before = self.files();
        let run = self.run(arguments);
        run.failed(code, words);
        assert_eq!(run.stdout, "", "{arguments}");
        assert!(self.files() == before, "{arguments}: files changed");
    }
}

/// The result of a run of the program.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn ok(self) -> Self {
        assert!(self.code == Some(0) && self.stderr.is_empty(), "{self:?}");
        self
    }

    pub fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
    }

    pub fn line(&self, start: &str) -> &str {
        let line = self.stdout.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start:?} in {self:?}"))
    }

    /// The error of the output that `--check` prints, relative to the largest value.
    pub fn checked(&self) -> f64 {
        let line = self.line("check: ");
        assert!(line.ends_with(": ok"), "{line}");
        let relative = line.split_once(" of the largest").and_then(|(before, _)| before.rsplit(' ').next());
        relative.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no relative error in {line:?}"))
    }
}

pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_wgpu-norm"))
}

pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A tensor for a file.
pub struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

pub fn f32s(shape: &[usize], values: &[f32]) -> Stored {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    Stored { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
}

pub fn floats(dtype: DType, shape: &[usize], values: &[f32]) -> Stored {
    Stored { dtype: stored(dtype), shape: shape.to_vec(), bytes: dtype.encode(values) }
}

/// The type of .safetensors files.
pub fn stored(dtype: DType) -> Dtype {
    match dtype {
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        _ => Dtype::F32,
    }
}

pub fn i64s(shape: &[usize], value: i64) -> Stored {
    Stored { dtype: Dtype::I64, shape: shape.to_vec(), bytes: value.to_le_bytes().to_vec() }
}

/// A tensor from a file.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Loaded {
    pub fn f32(&self) -> Vec<f32> {
        assert_eq!(self.dtype, Dtype::F32);
        self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect()
    }

    /// Compares a tensor with the expected values, beyond the rounding to its type.
    pub fn is(&self, name: &str, dtype: DType, expected: &[f64]) {
        assert_eq!(self.dtype, stored(dtype), "{name}");
        let error = max_error(name, dtype, &dtype.decode(&self.bytes), expected).unwrap_or_else(|e| panic!("{e}"));
        assert!(error <= bound(expected), "{name}: off by {error:e}");
    }

    pub fn f64(&self) -> Vec<f64> {
        match self.dtype {
            Dtype::F32 => self.f32().into_iter().map(f64::from).collect(),
            Dtype::F64 => {
                self.bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
            }
            dtype => panic!("{dtype} is no float"),
        }
    }

    pub fn count(&self) -> i64 {
        assert_eq!(self.dtype, Dtype::I64);
        i64::from_le_bytes(self.bytes.as_slice().try_into().expect("a scalar"))
    }
}

pub fn load(path: &Path) -> (BTreeMap<String, Loaded>, Metadata) {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
    let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
    let tensors = tensors.iter().map(|(name, tensor)| {
        let (dtype, shape, bytes) = (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec());
        (name.to_owned(), Loaded { dtype, shape, bytes })
    });
    (tensors.collect(), metadata)
}

/// Different numbers of both signs.
pub fn some(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 37 % 101) as f32 / 16.0 - 3.0).collect()
}
