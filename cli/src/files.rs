//! Tensors from .safetensors and .npy files, and back. The path `-` is standard input, or standard output.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt, fs,
    io::{self, IsTerminal, Read, Write},
    path::{self, Path, PathBuf},
};

use half::{bf16, f16};
use ndarray::{ArrayView, IxDyn, ShapeBuilder};
use ndarray_npy::{
    WriteNpyExt,
    npy::header::{Header, ReadHeaderError},
};
use safetensors::{Dtype, SafeTensors, View};
use wgpu_norm::{Access, DType, Slot, TensorSpec, Tensors};

use super::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Npy,
}

/// Whether a path stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What messages call a path that is written.
pub fn output_name(path: &Path) -> path::Display<'_> {
    if is_standard(path) { Path::new("standard output").display() } else { path.display() }
}

impl Format {
    /// The format whose beginning these bytes have.
    pub fn detect(bytes: &[u8]) -> Result<Self, String> {
        const EITHER: &str = ".safetensors or .npy";
        match bytes {
            [] => Err(format!("empty, expected a {EITHER} file")),
            _ if bytes.starts_with(MAGIC) => Ok(Self::Npy),
            _ if bytes.get(8) == Some(&b'{') => Ok(Self::Safetensors),
            _ => Err(foreign(bytes, EITHER)),
        }
    }

    /// The format that the extension of an option's path names.
    pub fn of(option: &str, path: &Path) -> Result<Self, Failure> {
        let is = |name: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(name));
        if is("safetensors") {
            Ok(Self::Safetensors)
        } else if is("npy") {
            Ok(Self::Npy)
        } else {
            Err(Failure::usage(format!("{option}: {}, expected a .safetensors or .npy file", path.display())))
        }
    }
}

/// What was read.
#[derive(Debug)]
pub struct Inputs {
    path: PathBuf,
    format: Format,
    /// The names of all that the input's file has.
    names: Vec<String>,
    /// What the op can use.
    wanted: Vec<Slot>,
    tensors: BTreeMap<Slot, Tensor>,
    count: Option<Count>,
}

#[derive(Debug)]
struct Tensor {
    path: PathBuf,
    dtype: DType,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// `num_batches_tracked`: a scalar in the shape that its file has for it.
#[derive(Clone, Debug, Default)]
pub struct Count {
    pub value: u32,
    pub shape: Vec<usize>,
}

impl Inputs {
    /// Reads those of the wanted tensors that are there, from the input's file or, where that has one tensor only, from
    /// those beside it.
    pub fn read(path: &Path, beside: &[(Slot, &Path)], wanted: &[Slot]) -> Result<Self, Failure> {
        let mut inputs = if is_standard(path) {
            let name = Path::new("standard input");
            let refuse = |problem| Failure::usage(format!("{}: {problem}", name.display()));
            let bytes = read_standard_input().map_err(refuse)?;
            Self::parse(Format::detect(&bytes).map_err(refuse)?, name, &bytes, wanted)?
        } else {
            Self::parse(Format::of("--input", path)?, path, &read_file(path)?, wanted)?
        };
        if inputs.format == Format::Npy {
            for &(slot, path) in beside {
                inputs.tensors.insert(slot, parse_npy(path, &read_file(path)?, slot)?);
            }
        }
        Ok(inputs)
    }

    /// The same from what is in the input's file; messages name its path.
    pub fn parse(format: Format, path: &Path, bytes: &[u8], wanted: &[Slot]) -> Result<Self, Failure> {
        let mut inputs = Self {
            path: path.to_owned(),
            format,
            names: vec![],
            wanted: wanted.to_vec(),
            tensors: BTreeMap::new(),
            count: None,
        };
        match format {
            Format::Safetensors => inputs.parse_safetensors(bytes)?,
            Format::Npy => {
                inputs.names.push(Slot::Input.name().to_owned());
                inputs.tensors.insert(Slot::Input, parse_npy(path, bytes, Slot::Input)?);
            }
        }
        Ok(inputs)
    }

    fn parse_safetensors(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let refuse = |problem: String| Failure::usage(format!("{}: {problem}", self.path.display()));
        let header = safetensors_header(bytes).map_err(refuse)?;
        let file =
            SafeTensors::deserialize(bytes).map_err(|e| refuse(format!("not a complete .safetensors file: {e}")))?;
        if let Some(name) = twice(header, file.len()) {
            return Err(refuse(format!("its header has {name} twice")));
        }
        self.names = file.names().into_iter().map(str::to_owned).collect();
        self.names.sort_unstable();
        for slot in self.wanted.clone() {
            let Ok(tensor) = file.tensor(slot.name()) else { continue };
            let expected: &[Dtype] = match slot {
                Slot::NumBatchesTracked => &[Dtype::I64],
                Slot::RunningMean | Slot::RunningVar | Slot::RunningLow => &[Dtype::F32],
                _ => &FLOATS.map(|(stored, _)| stored),
            };
            if !expected.contains(&tensor.dtype()) {
                let expected: Vec<_> = expected.iter().map(Dtype::to_string).collect();
                let problem = format!("dtype {}, expected {}", tensor.dtype(), expected.join(" or "));
                return Err(self.wrong(slot, problem));
            }
            let shape = tensor.shape().to_vec();
            match FLOATS.into_iter().find(|&(stored, _)| stored == tensor.dtype()) {
                None => {
                    let count = read_count(&shape, tensor.data()).map_err(|problem| self.wrong(slot, problem))?;
                    self.count = Some(Count { value: count, shape });
                }
                Some((_, dtype)) => {
                    element_count(&shape).map_err(|problem| self.wrong(slot, problem))?;
                    let (path, values) = (self.path.clone(), floats(dtype, tensor.data()));
                    self.tensors.insert(slot, Tensor { path, dtype, shape, values });
                }
            }
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn has(&self, slot: Slot) -> bool {
        self.tensors.contains_key(&slot)
    }

    /// The input's shape.
    pub fn shape(&self) -> &[usize] {
        self.tensors.get(&Slot::Input).map_or(&[], |tensor| &tensor.shape)
    }

    /// How these tensors are stored, if in one type. Otherwise, and without any of them, f32, which holds
    /// what f16 and bf16 do.
    pub fn dtype(&self, slots: &[Slot]) -> DType {
        let mut types = slots.iter().filter_map(|slot| self.tensors.get(slot)).map(|tensor| tensor.dtype);
        types.next().filter(|&dtype| types.all(|other| other == dtype)).unwrap_or_default()
    }

    /// What the op could have used, and has no tensor for.
    pub fn lacks(&self) -> Vec<&'static str> {
        let lacks = |slot: &Slot| !self.has(*slot) && !self.names.iter().any(|name| name == slot.name());
        // Nobody misses the second half of running statistics.
        self.wanted.iter().copied().filter(|&slot| slot != Slot::RunningLow).filter(lacks).map(Slot::name).collect()
    }

    /// What the file has, and the op does not use.
    pub fn unused(&self) -> Vec<&String> {
        self.names.iter().filter(|name| !self.wanted.iter().any(|slot| slot.name() == *name)).collect()
    }

    /// Refuses to go on without a tensor.
    pub fn missing(&self, slot: Slot, why: &str) -> Failure {
        let names: Vec<_> = self.names.iter().collect();
        self.wrong(slot, format!("missing{why}; the file has {}", list(&names)))
    }

    pub fn count(&self) -> Option<&Count> {
        self.count.as_ref()
    }

    /// Leaves the file's count alone, where there is nothing to count for.
    pub fn ignore_count(&mut self) {
        self.wanted.retain(|&slot| slot != Slot::NumBatchesTracked);
        self.count = None;
    }

    /// Counts from zero where the file has no count.
    pub fn count_from_zero(&mut self) {
        self.count.get_or_insert_default();
    }

    /// The slices that an op reads. A gradient does not need all that the op reads.
    pub fn tensors(&self, specs: &[TensorSpec]) -> Tensors<'_> {
        let reads = |slot| specs.iter().any(|spec| spec.slot == slot && spec.access != Access::Write);
        let read = self.tensors.iter().filter(|&(&slot, _)| reads(slot));
        let tensors = read.fold(Tensors::default(), |t, (&slot, tensor)| t.set(slot, &tensor.values));
        match self.count.as_ref().filter(|_| reads(Slot::NumBatchesTracked)) {
            Some(count) => tensors.num_batches_tracked(count.value),
            None => tensors,
        }
    }

    /// Checks the shapes against what the op reads.
    pub fn check(&self, specs: &[TensorSpec]) -> Result<(), Failure> {
        for spec in specs.iter().filter(|spec| spec.access != Access::Write) {
            if let Some(tensor) = self.tensors.get(&spec.slot) {
                if tensor.shape != spec.shape {
                    let problem = format!("shape {:?}, expected {:?}", tensor.shape, spec.shape);
                    return Err(self.wrong(spec.slot, problem));
                }
            }
        }
        Ok(())
    }

    /// What is wrong with a tensor, with the file that it is from.
    pub fn wrong(&self, slot: Slot, problem: impl fmt::Display) -> Failure {
        let path = self.tensors.get(&slot).map_or(&self.path, |tensor| &tensor.path);
        wrong(path, slot, problem)
    }
}

/// Names in a line, if they are not too many for it.
pub fn list(names: &[&String]) -> String {
    const MOST: usize = 12;
    if names.is_empty() {
        return "no tensor".to_owned();
    }
    let shown: Vec<_> = names.iter().take(MOST).map(|name| name.escape_debug().to_string()).collect();
    let more = if names.len() > MOST { format!(" and {} more", names.len() - MOST) } else { String::new() };
    shown.join(", ") + &more
}

fn wrong(path: &Path, slot: Slot, problem: impl fmt::Display) -> Failure {
    Failure::usage(format!("{}: {slot}: {problem}", path.display()))
}

fn read_standard_input() -> Result<Vec<u8>, String> {
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return Err("a terminal, expected a file or a pipe".to_owned());
    }
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

/// The elements of a shape, if memory could hold them. Empty axes do not count for that, so that no product of a part
/// of the axes overflows either.
fn element_count(shape: &[usize]) -> Result<usize, String> {
    let product = shape.iter().filter(|&&n| n != 0).try_fold(4, |product: usize, &n| product.checked_mul(n));
    match product {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(if shape.contains(&0) { 0 } else { bytes / 4 }),
        _ => Err(format!("shape {shape:?}, more than memory can hold")),
    }
}

/// The types of floats in .safetensors files.
const FLOATS: [(Dtype, DType); 3] = [(Dtype::F32, DType::F32), (Dtype::F16, DType::F16), (Dtype::BF16, DType::BF16)];

/// Little-endian, and from any offset.
fn floats(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        DType::F16 => pairs().map(|half| f16::from_le_bytes(half).to_f32()).collect(),
        DType::BF16 => pairs().map(|half| bf16::from_le_bytes(half).to_f32()).collect(),
        _ => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    }
}

fn float_bytes(dtype: DType, values: &[f32]) -> Vec<u8> {
    match dtype {
        DType::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        DType::BF16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

fn read_count(shape: &[usize], bytes: &[u8]) -> Result<u32, String> {
    let (true, Ok(bytes)) = (shape.len() <= 1, bytes.try_into()) else {
        return Err(format!("shape {shape:?}, expected [] or [1]"));
    };
    let count = i64::from_le_bytes(bytes);
    // Room for one more batch.
    match u32::try_from(count) {
        Ok(n) if n < u32::MAX => Ok(n),
        _ => Err(format!("{count}, expected 0 to {}", u32::MAX - 1)),
    }
}

fn parse_npy(path: &Path, bytes: &[u8], slot: Slot) -> Result<Tensor, Failure> {
    let (header, data) = npy_header(bytes).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    let wrong = |problem: String| wrong(path, slot, problem);
    if header.type_descriptor.as_string().is_none_or(|dtype| dtype != "<f4") {
        return Err(wrong(format!("dtype {}, expected '<f4'", header.type_descriptor)));
    }
    let shape = header.shape;
    let expected = 4 * element_count(&shape).map_err(wrong)?;
    if data.len() != expected {
        return Err(wrong(format!("{} bytes of data, expected {expected} for shape {shape:?}", data.len())));
    }
    let mut values = floats(DType::F32, data);
    if header.layout.is_fortran() {
        let array = ArrayView::from_shape(IxDyn(&shape).f(), &values).map_err(|e| wrong(e.to_string()))?;
        values = array.iter().copied().collect();
    }
    Ok(Tensor { path: path.to_owned(), dtype: DType::F32, shape, values })
}

/// What a .npy file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// What a file of another kind begins with: its first word, or bytes if there is none.
fn foreign(bytes: &[u8], format: &str) -> String {
    let word = bytes.split(|byte| *byte <= b' ').next().unwrap_or_default();
    let start = if word.is_empty() { bytes } else { word };
    let pointer = if bytes.starts_with(b"version https://git-lfs") { " but a git-lfs pointer to one" } else { "" };
    format!("begins with \"{}\": no {format} file{pointer}", start[..start.len().min(16)].escape_ascii())
}

fn short(bytes: &[u8]) -> String {
    format!("{} bytes, shorter than its header", bytes.len())
}

fn safetensors_header(bytes: &[u8]) -> Result<&[u8], String> {
    let (length, rest) = bytes.split_first_chunk().ok_or_else(|| short(bytes))?;
    let length = u64::from_le_bytes(*length);
    match rest.first() {
        // The format has no longer one.
        Some(b'{') if length <= 100_000_000 => {
            usize::try_from(length).ok().and_then(|length| rest.get(..length)).ok_or_else(|| short(bytes))
        }
        Some(_) => Err(foreign(bytes, ".safetensors")),
        None => Err(short(bytes)),
    }
}

/// What a header of so many tensors names more than once. JSON may write one name in several ways, so that only the
/// number of names tells.
fn twice(header: &[u8], tensors: usize) -> Option<String> {
    let (mut names, mut name, mut depth) = (Vec::new(), 0..0, 0);
    let (mut quoted, mut escaped) = (false, false);
    for (i, byte) in header.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if quoted => (quoted, name.end) = (false, i),
            b'"' => (quoted, name.start) = (true, i + 1),
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b':' if depth == 1 => names.push(&header[name.clone()]),
            _ => {}
        }
    }
    names.retain(|name| name != b"__metadata__");
    names.sort_unstable();
    let twin = names.windows(2).find(|pair| pair[0] == pair[1]);
    let shown = twin.map_or("a name".into(), |pair| String::from_utf8_lossy(pair[0]));
    (names.len() != tensors).then(|| shown.into_owned())
}

/// The header and what follows it.
fn npy_header(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Err(foreign(bytes, ".npy"));
    }
    let length = match *bytes.get(MAGIC.len()..).unwrap_or_default() {
        [1, 0, a, b, ..] => 10 + usize::from(u16::from_le_bytes([a, b])),
        [2 | 3, 0, a, b, c, d, ..] => 12_usize.saturating_add(u32::from_le_bytes([a, b, c, d]) as usize),
        [] | [_] | [1..=3, 0, ..] => return Err(short(bytes)),
        [major, minor, ..] => return Err(format!("version {major}.{minor}, expected 1.0, 2.0 or 3.0")),
    };
    let (mut header, data) = bytes.split_at_checked(length).ok_or_else(|| short(bytes))?;
    // The time and the stack that its parser takes grow with the nesting. A plain array has a tuple in a dictionary.
    if header.iter().skip(10).filter(|byte| b"([{".contains(byte)).count() > 8 {
        return Err("a header with more than an array's type and shape".into());
    }
    // The lines after the first show the header.
    let first_line = |e: ReadHeaderError| e.to_string().lines().next().unwrap_or_default().to_owned();
    Header::from_reader(&mut header).map(|header| (header, data)).map_err(first_line)
}

/// A tensor to be written.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    pub slot: Slot,
    pub shape: &'a [usize],
    pub values: Values<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    Floats(DType, &'a [f32]),
    I64(i64),
}

impl View for Named<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::Floats(dtype, _) => {
                FLOATS.into_iter().find(|&(_, of)| of == dtype).map_or(Dtype::F32, |(stored, _)| stored)
            }
            Values::I64(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.values {
            Values::Floats(dtype, values) => float_bytes(dtype, values).into(),
            Values::I64(value) => value.to_le_bytes().to_vec().into(),
        }
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

/// Writes all tensors as a .safetensors file, `output` or `grad_input` as a .npy file. The file is there when it is
/// complete, or as before.
pub fn write(path: &Path, format: Format, tensors: &[Named<'_>]) -> Result<(), Failure> {
    let failed = |e: &dyn fmt::Display| Failure::failed(format!("{}: {e}", output_name(path)));
    let bytes = match format {
        Format::Safetensors => safetensors::serialize(tensors.iter().map(|tensor| (tensor.slot.name(), *tensor)), None)
            .map_err(|e| failed(&e))?,
        Format::Npy => {
            let mut bytes = Vec::new();
            for tensor in tensors {
                if let (Slot::Output | Slot::GradInput, Values::Floats(_, values)) = (tensor.slot, tensor.values) {
                    let array = ArrayView::from_shape(tensor.shape, values).map_err(|e| failed(&e))?;
                    array.write_npy(&mut bytes).map_err(|e| failed(&e))?;
                }
            }
            bytes
        }
    };
    let written = if is_standard(path) { print(&bytes) } else { replace(path, &bytes) };
    written.map_err(|e| failed(&e))
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where links lead: to a file, or to where one is made.
fn follow(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // Links in a circle are left as what can't be opened.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Fails before the work where the output could not be written after it.
pub fn check_output(path: &Path) -> Result<(), Failure> {
    if is_standard(path) {
        let terminal = io::stdout().is_terminal();
        let refused = || Failure::usage("--output: standard output is a terminal, expected a file or a pipe");
        return if terminal { Err(refused()) } else { Ok(()) };
    }
    let path = &follow(path);
    let folder = folder(path);
    let refuse = |problem: String| Failure::usage(format!("--output: {problem}"));
    let there = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(refuse(format!("{there}: is a folder, expected a file"))),
        Ok(found) if !found.is_file() => return Err(refuse(format!("{there}: is no regular file"))),
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(refuse(format!("{there}: {e}"))),
        _ => {}
    }
    // Permissions do not tell whether it works: root passes by them, and nobody writes to a read-only disk.
    let made = tempfile::tempfile_in(folder).map(drop);
    made.map_err(|e| match (e.kind(), folder.display()) {
        (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, name) => {
            refuse(format!("no permission to write in {name}"))
        }
        (_, name) if !folder.is_dir() => refuse(format!("{there}: there is no folder {name}")),
        (problem, name) => refuse(format!("no file can be made in {name}: {problem}")),
    })
}

/// Puts a file in the place of another, with its owner and permissions.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &follow(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wgpu-norm-");
    #[cfg(unix)]
    let old = fs::metadata(path).ok();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A new file as any; the process's umask takes its part away.
        let new = fs::Permissions::from_mode(0o666);
        builder.permissions(old.as_ref().map_or(new, fs::Metadata::permissions));
    }
    // Not with its own messages, which name the temporary file.
    let mut file = builder.tempfile_in(folder(path)).map_err(|e| io::Error::from(e.kind()))?;
    #[cfg(unix)]
    if let Some(old) = old {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Only root may give a file away.
        let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        file.as_file().set_permissions(old.permissions())?;
    }
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
