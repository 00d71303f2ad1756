//! Committed hashes of compiled shaders and of dispatches: a refactoring shows that it changes neither. No adapter.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    env, fs, thread,
};

use common::canonical;
use wgpu_norm::{
    BatchNorm, Caps, DType, GroupNorm, InstanceNorm, LayerNorm, Layout, LocalResponseNorm, Method, Norm, RmsNorm,
    Strategy,
    shaders::{self, Program, Shader},
    testing::each_op,
    wgpu,
};

/// Accepts changes, and another version of naga.
const ACCEPT: &str = "UPDATE_SNAPSHOTS=1 cargo test --test hashes";

/// Compares lines with the committed file, which belongs to one version of naga.
fn compare(file: &str, lines: &BTreeMap<String, String>) {
    let lock = include_str!("../Cargo.lock");
    let (_, naga) = lock.split_once("name = \"naga\"\nversion = \"").expect("naga is a dependency");
    let naga = format!("naga {}", naga.split_once('"').expect("a version").0);
    let path = format!("{}/tests/snapshots/{file}", env!("CARGO_MANIFEST_DIR"));
    let lines: BTreeSet<String> = lines.iter().map(|(name, line)| format!("{line} {name}").trim().to_owned()).collect();
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, format!("{naga}\n{text}")).expect(&path);
    }
    let committed = fs::read_to_string(&path).expect(&path);
    let (version, committed) = committed.split_once('\n').expect("a version");
    assert_eq!(version, naga, "{file} is of another naga, whose modules may differ: `{ACCEPT}` accepts this one's");
    let committed: BTreeSet<String> = committed.lines().map(str::to_owned).collect();
    let list = |sign: &str, a: &BTreeSet<String>, b: &BTreeSet<String>| -> String {
        a.difference(b).map(|line| format!("{sign} {line}\n")).collect()
    };
    let changes = list("-", &committed, &lines) + &list("+", &lines, &committed);
    assert!(changes.is_empty(), "{file}: `{ACCEPT}` accepts\n{changes}");
}

/// The hashes of shaders, each parsed once, on all cores.
fn hashes(shaders: &[Shader]) -> HashMap<Shader, u64> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let hash = |shader: &Shader| {
        let module = naga::front::wgsl::parse_str(&shader.wgsl()).unwrap_or_else(|e| panic!("{shader}: {e}"));
        (*shader, canonical::hash(canonical::module(&module).as_bytes()))
    };
    thread::scope(|scope| {
        let parts = shaders.chunks(shaders.len().div_ceil(threads));
        let threads: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(hash).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("hashes")).collect()
    })
}

/// The devices of the tables, by the columns of the file.
fn devices() -> [Caps; 6] {
    let device = |device_type, vendor, driver: &str, subgroups: Option<(u32, u32)>| {
        // Not Vulkan, on which f16 of NVIDIA's driver is a table of its own.
        let mut info = wgpu::AdapterInfo::new(device_type, wgpu::Backend::Dx12);
        (info.vendor, info.driver_info) = (vendor, driver.into());
        (info.subgroup_min_size, info.subgroup_max_size) = subgroups.unwrap_or((32, 32));
        let features = if subgroups.is_some() { wgpu::Features::SUBGROUP } else { wgpu::Features::empty() };
        let limits = wgpu::Limits {
            max_compute_invocations_per_workgroup: 1024,
            max_compute_workgroup_size_x: 1024,
            max_compute_workgroup_storage_size: 32768,
            ..wgpu::Limits::default()
        };
        Caps::new(&info, features, &limits)
    };
    let (cpu, gpu) = (wgpu::DeviceType::Cpu, wgpu::DeviceType::DiscreteGpu);
    let (amd, nvidia) = (0x1002, 0x10de);
    [
        device(cpu, 0, "Mesa 22.3.6 (LLVM 15.0.6)", Some((8, 8))),
        device(cpu, 0, "4.5 (Core Profile) Mesa 22.3.6", None),
        device(cpu, 0, "SwiftShader driver", Some((4, 4))),
        device(gpu, nvidia, "", Some((32, 32))),
        device(gpu, nvidia, "", None),
        device(gpu, amd, "Mesa 25.0.7", Some((32, 64))),
    ]
}

/// Ops of shapes of models, and the ops of `tests/adapters.rs`.
fn cases() -> Vec<Box<dyn Norm>> {
    let mut ops: Vec<Box<dyn Norm>> = Vec::new();
    for len in [12, 49, 8192] {
        for dtype in [DType::F32, DType::BF16] {
            ops.extend(each_op(len, dtype));
        }
    }
    macro_rules! both {
        ($($op:expr),* $(,)?) => { $(
            ops.push(Box::new($op.backward()));
            ops.push(Box::new($op));
        )* };
    }
    for dtype in [DType::F32, DType::F16] {
        // Rows of transformers: many and few, short for a lane and long for several teams.
        for shape in [[4096, 768], [16384, 4096], [8, 1024], [1 << 20, 16], [1 << 17, 128], [16, 32768], [1, 1 << 20]] {
            both!(LayerNorm::new(&shape, 1..).dtype(dtype), RmsNorm::new(&shape, 1..).dtype(dtype));
        }
        // Images of convolutional networks, the last of them bound in chunks.
        for shape in [[8, 64, 56, 56], [32, 256, 14, 14], [32, 512, 7, 7], [64, 256, 256, 56]] {
            both!(
                BatchNorm::training(&shape).dtype(dtype),
                BatchNorm::inference(&shape).dtype(dtype),
                BatchNorm::training(&shape).layout(Layout::ChannelsLast).dtype(dtype),
                GroupNorm::new(&shape, 8).dtype(dtype),
                GroupNorm::new(&shape, 7).layout(Layout::ChannelsLast).dtype(dtype),
                InstanceNorm::new(&shape).weight(true).bias(true).dtype(dtype),
                LayerNorm::new(&shape, 1..2).dtype(dtype),
                LocalResponseNorm::new(&shape, 5).dtype(dtype),
            );
        }
        both!(BatchNorm::training(&[256, 1024]).dtype(dtype), BatchNorm::training(&[1 << 24, 4]).dtype(dtype));
    }
    ops
}

/// The text of a program without names.
fn text(program: &Program, hashes: &HashMap<Shader, u64>) -> String {
    let dispatch = |d: &shaders::Dispatch| {
        let ranges: Vec<_> = d.ranges.iter().map(|range| (range.slot.name(), range.offset, range.size)).collect();
        format!("{:x} {:?} {:?} {ranges:?}", hashes[&d.shader], d.params, d.workgroups)
    };
    let scratch: Vec<u64> = program.scratch.iter().map(|&(_, bytes)| bytes).collect();
    format!("{:?} {scratch:?}", program.dispatches.iter().map(dispatch).collect::<Vec<_>>())
}

/// An op and its dispatches on each device, by the inferred method, and by all methods if it is small.
struct Case {
    name: String,
    inferred: Vec<Option<Program>>,
    forced: Vec<Option<Program>>,
}

impl Case {
    fn new(op: &dyn Norm, names: &mut HashMap<String, u32>) -> Self {
        let tensors = op.tensors().expect("it is right");
        let dtypes: BTreeSet<String> = tensors.iter().map(|tensor| tensor.dtype.to_string()).collect();
        let name = format!("{} {:?} {}", op.name(), op.shape(), dtypes.into_iter().collect::<Vec<_>>().join("+"));
        // Numbers tell apart ops that differ in options alone.
        let number = names.entry(name.clone()).or_default();
        *number += 1;
        let program = |caps, strategy| shaders::program(op, caps, strategy).ok();
        let devices = devices();
        let inferred = devices.iter().map(|caps| program(caps, Strategy::Inferred)).collect();
        let small = tensors.iter().all(|tensor| tensor.len() < 1000);
        let methods = Method::ALL.iter().filter(|_| small);
        let forced = methods.flat_map(|&m| [0, 3].map(|i| program(&devices[i], Strategy::Forced(m)))).collect();
        Self { name: format!("{name} {number}"), inferred, forced }
    }

    fn shaders(&self) -> impl Iterator<Item = Shader> {
        let programs = self.inferred.iter().chain(&self.forced).flatten();
        programs.flat_map(|program| &program.dispatches).map(|dispatch| dispatch.shader)
    }

    /// A hash for each inferred program, and one for all forced programs.
    fn line(&self, hashes: &HashMap<Shader, u64>) -> String {
        let hash = |programs: &[Option<Program>]| {
            let text: String = programs.iter().map(|p| p.as_ref().map_or("none".into(), |p| text(p, hashes))).collect();
            format!("{:08x}", canonical::hash(text.as_bytes()) >> 32)
        };
        let inferred = self.inferred.chunks(1).map(hash);
        inferred.chain([hash(&self.forced)]).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn shaders_and_dispatches_are_as_committed() {
    let mut names = HashMap::new();
    let cases: Vec<Case> = cases().iter().map(|op| Case::new(&**op, &mut names)).collect();
    let all = shaders::all();
    let needed: HashSet<Shader> = cases.iter().flat_map(Case::shaders).chain(all.iter().copied()).collect();
    println!("{} shaders, {} of them in shaders::all(), {} ops", needed.len(), all.len(), cases.len());
    let hashes = hashes(&needed.into_iter().collect::<Vec<_>>());
    let all = all.iter().map(|shader| {
        // The file has no labels, which change with names of the source. A failure prints them.
        println!("{:016x} {shader}", hashes[shader]);
        (format!("{:016x}", hashes[shader]), String::new())
    });
    compare("shaders.txt", &all.collect());
    compare("lowerings.txt", &cases.iter().map(|case| (case.name.clone(), case.line(&hashes))).collect());
}
