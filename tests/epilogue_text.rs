//! The caller's WGSL behind a forward pass: what is refused, with which line, and what shaders it makes. No adapter.

#[path = "common/epilogues.rs"]
mod epilogues;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use epilogues::{BUFFERED, devices, ops, shaders_of};
use wgpu_norm::{
    Access, BindingProblem, Bindings, Caps, Epilogue, Error, LayerNorm, Norm, Planner, RmsNorm, Slot, Strategy,
    Tensors,
    shaders::{self, Backend, Buffer, Shader, translate},
    wgpu,
};

const DOUBLED: &str = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {\n    return v + v;\n}\n";
fn device() -> wgpu::Device {
    wgpu::Device::noop(&wgpu::DeviceDescriptor::default()).0
}

fn rows(epilogue: Epilogue) -> LayerNorm {
    LayerNorm::new(&[6, 8], 1..).epilogue(epilogue)
}

fn is_epilogue(storage: &shaders::Storage) -> bool {
    matches!(storage.buffer, Buffer::Tensor(Slot::EpilogueA | Slot::EpilogueB))
}

#[test]
fn shaders_with_an_epilogue_translate_and_bind_its_buffers() {
    let mut seen = HashSet::new();
    let mut parts = HashSet::new();
    for caps in &devices() {
        for op in ops(&Epilogue::new(BUFFERED).buffers(&[3, 512 * 7])) {
            for shader in shaders_of(&*op, caps).into_iter().filter(|&shader| seen.insert(shader)) {
                let source = shader.wgsl();
                let text = source.split_once("// ==== epilogue\n").map(|(_, text)| text);
                let buffers: Vec<_> = shader.storage().into_iter().filter(is_epilogue).collect();
                if !shader.has_epilogue() {
                    assert!(text.is_none() && buffers.is_empty() && !source.contains("epilogue"), "{shader}");
                    continue;
                }
                assert_eq!(text.expect("a text").trim(), BUFFERED.replace("at(", "at_of_epilogue(").trim(), "{shader}");
                let slots: Vec<_> = buffers.iter().map(|storage| (storage.buffer, storage.access)).collect();
                let expected = [Slot::EpilogueA, Slot::EpilogueB].map(|slot| (Buffer::Tensor(slot), Access::Read));
                assert_eq!(slots, expected, "{shader}");
                let mode = if caps.shared_buffers { "read_write" } else { "read" };
                for (name, storage) in ["epilogue_a", "epilogue_b"].iter().zip(buffers) {
                    let line = format!("@binding({}) var<storage, {mode}> {name}: array<f32>;", storage.binding);
                    assert!(source.contains(&line), "{shader}: {line}");
                }
                for backend in [Backend::SpirV, Backend::Msl, Backend::Hlsl, Backend::Glsl] {
                    if backend != Backend::Glsl || !shader.uses_subgroups() {
                        translate(&source, backend).unwrap_or_else(|e| panic!("{shader}, {backend:?}: {e}"));
                    }
                }
                let found = ["place_in_row(row, c", "place_in_row(row_0, c", "place_step(block", "epilogue_of_one("];
                parts.extend(found.into_iter().filter(|part| source.contains(part)));
                parts.extend(["at.words", "at.pair"].into_iter().filter(|part| source.contains(part)));
                parts.extend(source.contains("let four = ").then_some("perpendicular"));
            }
        }
    }
    for part in ["place_in_row(row, c", "place_in_row(row_0, c", "place_step(block", "epilogue_of_one(", "at.words"] {
        assert!(parts.contains(part), "no shader has {part}: {parts:?}");
    }
    assert!(parts.contains("at.pair") && parts.contains("perpendicular"), "{parts:?}");
    assert!(seen.len() > 80, "{}", seen.len());
}

#[test]
fn the_text_is_a_part_of_the_compile_key_and_the_reference_is_not() {
    let shader =
        |op: LayerNorm| shaders::program(&op, &Caps::default(), Strategy::Inferred).unwrap().dispatches[0].shader;
    let plain = shader(LayerNorm::new(&[6, 8], 1..));
    let doubled = shader(rows(Epilogue::new(DOUBLED)));
    let other = shader(rows(Epilogue::new(DOUBLED.replace('+', "*"))));
    assert_ne!(plain, doubled);
    assert_ne!(doubled, other);
    assert_ne!(doubled, shader(rows(Epilogue::new(DOUBLED).buffers(&[5]))));
    assert_eq!(doubled, shader(rows(Epilogue::new(DOUBLED.to_owned()).reference(|v, _, _| v + v))));
    // Only the number of buffers matters.
    let [a, b] = [[5, 6], [6, 5]].map(|lens| shader(rows(Epilogue::new(DOUBLED).buffers(&lens))));
    assert_eq!(a, b);
    assert_ne!(rows(Epilogue::new(DOUBLED).buffers(&[5])), rows(Epilogue::new(DOUBLED).buffers(&[6])));
    assert!(!plain.to_string().contains("return") && !doubled.to_string().contains("return"), "{doubled}");
}

#[test]
fn a_planner_compiles_each_text_once() {
    let compiled = Arc::new(AtomicUsize::new(0));
    let count = compiled.clone();
    let planner = Planner::with_source_edit(&device(), move |source| {
        count.fetch_add(1, Ordering::Relaxed);
        source
    });
    let ops = [
        (LayerNorm::new(&[6, 8], 1..), 1),
        (rows(Epilogue::new(DOUBLED)), 2),
        (rows(Epilogue::new(DOUBLED.to_owned())), 2),
        (LayerNorm::new(&[6, 8], 1..), 2),
        (rows(Epilogue::new(DOUBLED.replace('+', "*"))), 3),
        (rows(Epilogue::new(DOUBLED)), 3),
    ];
    for (op, expected) in ops {
        planner.plan(&op).expect("a plan");
        assert_eq!(compiled.load(Ordering::Relaxed), expected, "{op:?}");
    }
}

#[test]
fn a_text_that_breaks_the_rules_is_refused_before_it_is_compiled() {
    for (code, why) in [
        ("workgroupBarrier();", "`workgroupBarrier`: all lanes of a team must call it together"),
        ("let a = subgroupAdd(1.0);", "`subgroupAdd`: an operation of subgroups"),
        ("@builtin(position) a: u32", "`@`: an attribute"),
        ("var<workgroup> a: u32;", "`var`: an address space"),
    ] {
        let op = rows(Epilogue::new(DOUBLED.replace("    return", &format!("    {code}\n    return"))));
        let error = op.tensors().unwrap_err();
        assert!(error.to_string().starts_with(&format!("epilogue, line 2, \"{code}\": {why}")), "{error}");
        // All that take the op say so.
        assert_eq!(Planner::new(&device()).plan(&op).unwrap_err(), error);
        assert_eq!(shaders::program(&op, &Caps::default(), Strategy::Inferred).unwrap_err(), error);
        assert_eq!(op.reference(&Tensors::default()).unwrap_err(), error);
    }
    for declaration in ["@compute @workgroup_size(1) fn evil() {}", "enable f16;", "var<private> a: u32;", "}"] {
        let op = rows(Epilogue::new(format!("{DOUBLED}{declaration}")));
        let error = op.tensors().unwrap_err();
        assert!(matches!(&error, Error::Epilogue { line: Some(4), code, .. } if code == declaration), "{error}");
    }
    let error = rows(Epilogue::new("fn other() {}")).tensors().unwrap_err();
    let declaration = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32>";
    assert_eq!(error.to_string(), format!("epilogue: it has no `{declaration}`"));
}

/// wgpu's message about a text that the crate lets pass.
fn message(text: &str) -> String {
    match Planner::new(&device()).plan(&rows(Epilogue::new(text))) {
        Err(ref error @ Error::Epilogue { .. }) => error.to_string(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_message_of_the_compiler_has_the_callers_line() {
    let head = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {";
    // Found by the parser, by the types, by the validation of functions.
    let cases = [
        ("    return v * nowhere;", "no definition in scope for identifier: `nowhere`"),
        ("    return v * index;", "line 2, \"return v * index;"),
        ("    return v", "line 3, \"}\": expected"),
        ("    return v + epilogue_a[index];", "no definition in scope for identifier: `epilogue_a`"),
        ("    for (var i = 0; i < 5; i += 1) { v = v; }", "line 2, \"for"),
    ];
    for (line, expected) in cases {
        for breaks in ["\n", "\r\n", "\r", "\u{2028}", " // \u{85}"] {
            let message = message(&[head, line, "}"].join(breaks));
            assert!(message.starts_with("epilogue, line ") && message.contains(expected), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
    assert!(
        message(&format!("{head}\n{}\n}}", cases[0].0)).starts_with("epilogue, line 2, \"return v * nowhere;\": no ")
    );
    // The call is in no line of the caller's.
    for text in
        ["fn epilogue(v: vec4<f32>) -> vec4<f32> { return v; }", "fn epilogue(v: f32, i: u32) -> f32 { return v; }"]
    {
        let message = message(text);
        assert!(message.starts_with("epilogue: ") && message.ends_with("-> vec4<f32>` is called"), "{message}");
    }
}

#[test]
fn names_of_the_kernels_are_hidden_and_free() {
    let planner = Planner::new(&device());
    // Names that kernels declare, and built-in functions that they call.
    let text = "
        const BLOCK = 2.0;
        const x = 1.0;
        struct Pack { params: f32, x: f32 }
        alias Params = Pack;
        fn max(a: f32) -> f32 { return a; }
        fn select(a: f32) -> f32 { return a; }
        fn store_result(run: f32) -> f32 { return run; }
        fn inverseSqrt(a: f32) -> f32 { return 0.0; }
        fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
            let team_sum = max(select(store_result(v.x)));
            var first = Params(team_sum, inverseSqrt(BLOCK));
            first.x = first.params;
            return v + vec4<f32>(first.x * x) - v.x;
        }";
    for op in ops(&Epilogue::new(text)) {
        planner.plan(&*op).unwrap_or_else(|e| panic!("{} {:?}: {e}", op.name(), op.shape()));
    }
    for (name, code) in [("params", "f32(params.elements)"), ("input", "input[index]"), ("save", "save(1.0)")] {
        let message =
            message(&format!("fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {{\nreturn v + {code};\n}}"));
        let expected =
            format!("epilogue, line 2, \"return v + {code};\": no definition in scope for identifier: `{name}`");
        assert!(message.starts_with(&expected), "{message}");
    }
}

/// A parser finds no name of a kernel that a text could use.
#[test]
fn every_name_of_a_kernel_is_hidden() {
    let caps = &devices()[1];
    for (i, op) in ops(&Epilogue::new(DOUBLED)).iter().enumerate() {
        for shader in shaders_of(&**op, caps).into_iter().filter(Shader::has_epilogue) {
            let module = naga::front::wgsl::parse_str(&shader.wgsl()).expect("valid");
            let types = module.types.iter().filter_map(|(_, ty)| ty.name.clone());
            let globals = module.global_variables.iter().filter_map(|(_, global)| global.name.clone());
            let constants = module.constants.iter().filter_map(|(_, constant)| constant.name.clone());
            let functions = module.functions.iter().filter_map(|(_, function)| function.name.clone());
            let mut names: HashSet<String> = types.chain(globals).chain(constants).chain(functions).collect();
            assert!(names.remove("epilogue") && names.len() > 20, "{names:?}");
            let uses: String = names.iter().map(|name| format!("    let {name} = 1;\n")).collect();
            let text = DOUBLED.replace("{\n", &format!("{{\n{uses}"));
            let same = &ops(&Epilogue::new(text))[i];
            let same = shaders_of(&**same, caps).into_iter().map(|shader| shader.wgsl());
            let hides = |wgsl: &str| names.iter().all(|name| wgsl.contains(&format!(" {name}_of_epilogue = 1;")));
            assert!(same.into_iter().any(|wgsl| hides(&wgsl)), "{shader}: {names:?}");
        }
    }
}

#[test]
fn what_an_epilogue_lacks_is_an_error() {
    let op = rows(Epilogue::new(DOUBLED));
    let Err(Error::Unsupported { what, .. }) = op.backward().tensors() else { panic!("it has no backward pass") };
    assert_eq!(what, "the backward pass of an op with an epilogue");
    let Err(Error::Unsupported { what, why }) = op.reference(&Tensors::default()) else { panic!("WGSL alone") };
    assert!(what == "the reference of an op with an epilogue" && why.contains("Epilogue::reference"), "{why}");
    for (lens, expected) in [(&[1, 2, 3][..], "at most two"), (&[4, 0], "one element or more")] {
        let error = rows(Epilogue::new(DOUBLED).buffers(lens)).tensors().unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument { argument: "epilogue", .. }), "{error}");
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let error = rows(Epilogue::new(DOUBLED).buffers(&[usize::MAX])).tensors().unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[test]
fn the_buffers_are_tensors_of_the_op() {
    let op = RmsNorm::new(&[6, 8], 1..).weight(false).epilogue(Epilogue::new(BUFFERED).buffers(&[3, 48]));
    let specs = op.tensors().expect("valid");
    let of = |slot| specs.iter().find(|spec| spec.slot == slot).map(|spec| (spec.shape.clone(), spec.access));
    assert_eq!(of(Slot::EpilogueA), Some((vec![3], Access::Read)));
    assert_eq!(of(Slot::EpilogueB), Some((vec![48], Access::Read)));
    let device = device();
    let plan = Planner::new(&device).plan(&op).expect("a plan");
    let buffer = |floats: u64| {
        let usage = wgpu::BufferUsages::STORAGE;
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: floats * 4,
            usage,
            mapped_at_creation: false,
        })
    };
    let (input, output, a, b) = (buffer(48), buffer(48), buffer(3), buffer(47));
    let bindings = Bindings::new().input(&input).output(&output).epilogue_a(&a);
    let missing = plan.bind(&bindings).unwrap_err();
    assert_eq!(missing, Error::Binding { slot: Slot::EpilogueB, problem: BindingProblem::Missing });
    let small = plan.bind(&bindings.clone().epilogue_b(&b)).unwrap_err();
    let problem = BindingProblem::TooSmall { needed: 192, actual: 188 };
    assert_eq!(small, Error::Binding { slot: Slot::EpilogueB, problem });
    plan.bind(&bindings.epilogue_b(&buffer(48))).expect("bound");
    // An epilogue without buffers has none.
    let specs = rows(Epilogue::new(DOUBLED)).tensors().expect("valid");
    assert!(specs.iter().all(|spec| spec.slot < Slot::EpilogueA));
}
