//! Every shader of the crate is validated, translated, and compared with the host's side. No adapter.

#[path = "common/epilogues.rs"]
mod epilogues;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use wgpu_norm::{
    Access, BatchNorm, Caps, LayerNorm, LocalResponseNorm, Method, Norm, RunningStats, Slot, Strategy, Team,
    shaders::{self, Backend, Buffer, Shader, translate},
    wgpu,
};

/// Checks all shaders on all cores. Panics with all failures.
fn for_each_shader(check: impl Fn(&Shader) -> Result<(), String> + Sync) {
    let all = shaders::all();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(threads)) {
            let (check, failures) = (&check, &failures);
            scope.spawn(move || {
                for shader in part {
                    if let Err(e) = check(shader) {
                        failures.lock().unwrap().push(format!("{shader}: {e}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

#[test]
fn every_shader_translates_to_every_language_that_has_its_features() {
    for_each_shader(|shader| {
        let source = shader.wgsl();
        let subgroups = shader.features().contains(wgpu::Features::SUBGROUP);
        for backend in [Backend::SpirV, Backend::Msl, Backend::Hlsl, Backend::Glsl] {
            if backend == Backend::Glsl && subgroups {
                // GL does not have SUBGROUP.
                continue;
            }
            let text = translate(&source, backend).map_err(|e| format!("{backend:?}: {e}"))?;
            if text.is_empty() {
                return Err(format!("{backend:?}: empty"));
            }
        }
        Ok(())
    });
}

/// wgpu asks for the newest Metal of the system, and `translate` writes 2.4. Kernels share their parts: every sixteenth
/// is enough.
#[test]
fn shaders_are_the_same_in_a_newer_metal() {
    use naga::{back::msl, valid};
    for shader in shaders::all().iter().step_by(16) {
        let source = shader.wgsl();
        let older = translate(&source, Backend::Msl).expect("valid");
        let module = naga::front::wgsl::parse_str(&source).expect("valid");
        let mut validator = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::all());
        let info = validator.validate(&module).expect("valid");
        for (major, minor) in [(3, 0), (3, 1), (3, 2)] {
            let lang_version = (major, minor);
            let options = msl::Options { lang_version, fake_missing_bindings: true, ..Default::default() };
            let (newer, _) =
                msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).expect("valid");
            let same = newer == older.replacen("metal2.4", &format!("metal{major}.{minor}"), 1);
            assert!(same, "{shader}: another text for Metal {major}.{minor}");
        }
    }
}

/// Compares the bindings with the host's.
fn bindings(shader: &Shader, module: &naga::Module) -> Result<(), String> {
    let mut declared = BTreeMap::new();
    for (_, global) in module.global_variables.iter() {
        let Some(binding) = &global.binding else { continue };
        if binding.group != 0 {
            return Err(format!("group {}", binding.group));
        }
        let access = match global.space {
            naga::AddressSpace::Uniform => "uniform",
            naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => "read_write",
            naga::AddressSpace::Storage { .. } => "read",
            space => return Err(format!("a binding in {space:?}")),
        };
        declared.insert(binding.binding, (global.name.clone().unwrap_or_default(), access));
    }
    let names: BTreeMap<_, _> = shader.storage().into_iter().map(|s| (s.binding, s.buffer.name())).collect();
    let mut expected = BTreeMap::new();
    for entry in shader.bind_group_layout() {
        let access = match entry.ty {
            wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, .. } => "uniform",
            wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Storage { read_only: true }, .. } => "read",
            _ => "read_write",
        };
        let name = match entry.binding {
            shaders::UNIFORM => "params",
            shaders::PLACES => "places",
            shaders::CALL => "call",
            binding => names[&binding],
        };
        expected.insert(entry.binding, (name.to_owned(), access));
    }
    if declared == expected { Ok(()) } else { Err(format!("declares {declared:?}, the host binds {expected:?}")) }
}

/// Compares the fields, types and offsets of the uniform with its Rust struct.
fn uniform(shader: &Shader, module: &naga::Module) -> Result<(), String> {
    let uniform = module.global_variables.iter().find(|(_, global)| global.name.as_deref() == Some("params"));
    let mut declared = Vec::new();
    if let Some((_, global)) = uniform {
        let naga::TypeInner::Struct { members, .. } = &module.types[global.ty].inner else {
            return Err("the uniform is not a struct".into());
        };
        for member in members {
            let ty = match module.types[member.ty].inner {
                naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
                naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
                ref other => return Err(format!("{:?}: {other:?}", member.name)),
            };
            declared.push((member.name.clone().unwrap_or_default(), ty, member.offset as usize));
        }
    }
    let expected: Vec<_> = shader.params().iter().map(|f| (f.name.to_owned(), f.ty, f.offset)).collect();
    if declared == expected { Ok(()) } else { Err(format!("declares {declared:?}, the host writes {expected:?}")) }
}

/// Compares the size and memory of the workgroup with the host's.
fn workgroup(shader: &Shader, module: &naga::Module) -> Result<(), String> {
    let [entry] = module.entry_points.as_slice() else {
        return Err(format!("{} entry points", module.entry_points.len()));
    };
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let storage: u32 = module
        .global_variables
        .iter()
        .filter(|(_, global)| global.space == naga::AddressSpace::WorkGroup)
        .map(|(_, global)| layouter[global.ty].size)
        .sum();
    let declared = (entry.name.as_str(), entry.workgroup_size, storage);
    let expected = ("main", [shader.workgroup_size(), 1, 1], shader.workgroup_storage());
    if declared == expected { Ok(()) } else { Err(format!("declares {declared:?}, the host says {expected:?}")) }
}

#[test]
fn every_shader_agrees_with_the_host() {
    for_each_shader(|shader| {
        let module = naga::front::wgsl::parse_str(&shader.wgsl()).map_err(|e| e.to_string())?;
        bindings(shader, &module)?;
        uniform(shader, &module)?;
        workgroup(shader, &module)
    });
}

/// `Plan::bind` accepts these tensors in one buffer if they are outputs. wgpu refuses a dispatch that reads one and
/// writes another.
#[test]
fn no_shader_reads_one_of_the_small_tensors_and_writes_another() {
    for_each_shader(|shader| {
        let small = [Slot::Mean, Slot::Rstd, Slot::RunningMean, Slot::RunningVar, Slot::GradWeight, Slot::GradBias];
        let storage = shader.storage();
        let is_small = |buffer| matches!(buffer, Buffer::Tensor(slot) if small.contains(&slot));
        let mut accesses = storage.iter().filter(|storage| is_small(storage.buffer)).map(|storage| storage.access);
        let reads = accesses.clone().all(|access| access == Access::Read);
        let writes = accesses.all(|access| access != Access::Read);
        if reads || writes { Ok(()) } else { Err(format!("{storage:?}")) }
    });
}

#[test]
fn every_shader_becomes_a_pipeline_on_a_device_without_hardware() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor {
        required_features: wgpu::Features::SUBGROUP,
        required_limits: wgpu::Limits {
            max_compute_invocations_per_workgroup: 1024,
            max_compute_workgroup_size_x: 1024,
            ..wgpu::Limits::default()
        },
        ..Default::default()
    });
    // An uncaptured error panics and fails the test.
    for shader in shaders::all() {
        let label = shader.to_string();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(shader.wgsl().into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&label),
            entries: &shader.bind_group_layout(),
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let _pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
    }
}

/// No test compiles MSL: the committed text shows changes of naga's translation.
#[test]
fn the_msl_of_two_kernels_is_as_committed() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let ops: [(&str, &dyn Norm, Method); 2] = [
        ("layer_norm", &LayerNorm::new(&[64, 384], 1..), Method::Resident(Team::Workgroup)),
        ("batch_norm_moments", &BatchNorm::training(&[8, 16, 32, 32]), Method::Split(Team::Workgroup)),
    ];
    for (name, op, method) in ops {
        let program = shaders::program(op, &Caps::of(&device), Strategy::Forced(method)).expect(name);
        let text = translate(&program.dispatches[0].shader.wgsl(), Backend::Msl).expect(name);
        let file = format!("{}/tests/snapshots/{name}.metal", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&file, &text).expect(&file);
        }
        let committed = std::fs::read_to_string(&file).expect(&file);
        assert!(text == committed, "{file}: `UPDATE_SNAPSHOTS=1 cargo test --test shaders` shows what has changed");
    }
}

/// Eight composed shaders for readers.
#[test]
fn eight_shaders_are_as_committed() {
    let rows = LayerNorm::new(&[4096, 1024], 1..);
    let long = LayerNorm::new(&[64, 8192], 1..);
    let channels = BatchNorm::training(&[8, 64, 56, 56]).running_stats(RunningStats::PYTORCH);
    let window = LocalResponseNorm::new(&[8, 64, 56, 56], 5);
    let (resident, split) = (Method::Resident(Team::Workgroup), Method::Split(Team::Workgroup));
    let channels_backward = channels.backward();
    let shaders: [(&str, &dyn Norm, Method, usize, &str); 8] = [
        ("row", &rows, resident, 0, "Layer norm of [4096, 1024]: a workgroup holds a row in registers"),
        (
            "row_backward",
            &rows.backward(),
            resident,
            0,
            "The gradients of layer norm of [4096, 1024], with the sums for weight and bias",
        ),
        ("stream", &long, Method::Streamed(Team::Workgroup), 0, "Layer norm of [64, 8192]: rows are read for each sum"),
        ("moments", &channels, split, 0, "Batch norm of [8, 64, 56, 56], first pass: partial moments of channels"),
        ("finalize", &channels, split, 1, "Batch norm, second pass: moments are merged, running statistics updated"),
        ("apply", &channels, split, 2, "Batch norm, third pass: elements are normalized"),
        ("sums", &channels_backward, split, 2, "The backward pass of batch norm: sums of g and g * y of each channel"),
        ("slide", &window, Method::Elementwise, 0, "Local response norm, windows of 5 channels held in registers"),
    ];
    let caps = Caps::default();
    for (name, op, method, dispatch, title) in shaders {
        let program = shaders::program(op, &caps, Strategy::Forced(method)).expect(name);
        let shader = program.dispatches[dispatch].shader;
        let text = format!("// {title}.\n{}{}", kernel_of(&shader), shader.wgsl());
        let file = format!("{}/tests/snapshots/{name}.wgsl", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&file, &text).expect(&file);
        }
        let committed = fs::read_to_string(&file).expect(&file);
        assert!(text == committed, "{file}: `UPDATE_SNAPSHOTS=1 cargo test --test shaders` shows what has changed");
    }
}

/// The file of a shader's kernel, with its head.
fn kernel_of(shader: &Shader) -> String {
    let wgsl = shader.wgsl();
    let kernel = wgsl.lines().rev().find_map(|line| line.strip_prefix("// ==== ")).expect("a kernel");
    let path = format!("{}/shaders/{kernel}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).expect(&path);
    let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//")).collect();
    format!("// shaders/{kernel}, workgroups of {}:\n//\n{}\n", shader.workgroup_size(), head.join("\n"))
}

/// The instructions of SPIR-V: an opcode and its operands each.
fn instructions(spirv: &str) -> Vec<(u32, Vec<u32>)> {
    let words: Vec<u32> = spirv.lines().map(|word| u32::from_str_radix(word, 16).expect("a word")).collect();
    let mut rest = &words[5..];
    let mut instructions = Vec::new();
    while let Some(&first) = rest.first() {
        let (instruction, after) = rest.split_at((first >> 16) as usize);
        instructions.push((first & 0xffff, instruction[1..].to_vec()));
        rest = after;
    }
    instructions
}

#[test]
fn spirv_has_the_checks_of_the_pipelines() {
    let source = "
        @group(0) @binding(0) var<storage, read_write> data: array<u32>;
        var<workgroup> slots: array<u32, 64>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) lane: u32) {
            slots[lane] = data[lane];
            for (var i = lane; i < data[0]; i++) { slots[i] += i / data[1]; }
            data[lane] = slots[lane];
        }";
    let instructions = instructions(&translate(source, Backend::SpirV).expect("valid"));
    let of = |opcode| instructions.iter().filter(move |(other, _)| *other == opcode).map(|(_, operands)| operands);
    let (name, extended, function, variable, array_length, all, barrier) = (5, 12, 54, 59, 68, 155, 224);
    assert_eq!(of(name).count(), 0, "it has names");
    // Zeros are an initializer, or stores before a barrier.
    let is_workgroup = |variable: &&Vec<u32>| variable[2] == 4;
    assert_eq!(of(variable).filter(is_workgroup).map(Vec::len).collect::<Vec<_>>(), [3], "workgroup memory has zeros");
    assert_eq!(of(barrier).count(), 0, "it zeroes workgroup memory");
    assert_eq!(of(all).count(), 0, "it bounds loops");
    assert_eq!(of(function).count(), 1, "it checks divisors in a function of their own");
    assert_eq!(of(array_length).count(), 0, "it clamps indices of buffers");
    let unsigned_min = 38;
    assert!(of(extended).any(|operands| operands[3] == unsigned_min), "it clamps no index of workgroup memory");
}

#[test]
fn translation_reports_errors_with_their_line() {
    let error = translate("fn main( {", Backend::SpirV).unwrap_err().to_string();
    assert!(error.contains("wgsl:1"), "{error}");
    let invalid = "@compute @workgroup_size(1) fn main() { let x: u32 = 1.0f; }";
    assert!(translate(invalid, Backend::SpirV).is_err());
}

/// The WGSL files of `shaders/`, with their text.
fn shader_files() -> Vec<(PathBuf, String)> {
    fn visit(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                None => visit(&path, files),
                Some(extension) if extension == "wgsl" => {
                    let text = fs::read_to_string(&path).expect("text");
                    files.push((path, text));
                }
                Some(_) => {}
            }
        }
    }
    let mut files = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders"), &mut files);
    files
}

#[test]
fn shader_files_are_tidy() {
    for (path, text) in shader_files() {
        let name = path.display();
        assert!(text.starts_with("// "), "{name}: the head says its purpose");
        assert!(text.ends_with("}\n") || text.ends_with(";\n"), "{name}: ends in a newline");
        assert!(!text.contains('\t') && text.lines().all(|line| line.trim_end() == line), "{name}: tabs or blanks");
        let long = text.lines().find(|line| line.len() > 120);
        assert!(long.is_none(), "{name}: longer than 120: {long:?}");
    }
}

/// `shaders::all()` has every variant of every role, but of those for a function of the caller's.
#[test]
fn every_item_of_the_roles_is_in_a_shader() {
    let shaders: String = shaders::all().iter().chain(&epilogues::all()).map(Shader::wgsl).collect();
    let (mut items, mut unused) = (0, Vec::new());
    for (path, text) in shader_files().iter().filter(|(path, _)| path.parent().is_some_and(|p| p.ends_with("roles"))) {
        for item in text.split("\n\n").filter(|block| !block.lines().all(|line| line.starts_with("//"))) {
            // In a shader an item has no suffix of its variant.
            let mut names = item.split("__");
            let first = names.next().unwrap_or_default().to_owned();
            let rest = names.map(|part| part.trim_start_matches(|c: char| c == '_' || c.is_alphanumeric()));
            let plain = rest.fold(first, |text, part| text + part);
            items += 1;
            if !shaders.contains(plain.trim()) {
                unused.push(format!("{}:\n{}", path.display(), item.trim()));
            }
        }
    }
    assert!(unused.is_empty(), "no shader has\n{}", unused.join("\n"));
    assert!(items > 200, "{items}");
}
