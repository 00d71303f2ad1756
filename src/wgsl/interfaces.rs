//! `shaders/interfaces.wgsl` against the files that rely on it.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
};

use super::link::{Item, ROLES, VARIANT, items};

const STUBS: &str = include_str!("../../shaders/interfaces.wgsl");

/// Types that a role's variants choose: the stub's one, and the others. Each line is a choice of its own.
const CHOICES: &[&[&[(&str, &str)]]] = &[
    &[&[
        ("alias Pack = f32;", "alias Pack = vec4<f32>;"),
        ("alias PackBool = bool;", "alias PackBool = vec4<bool>;"),
        ("const PACK: u32 = 1u;", "const PACK: u32 = 4u;"),
    ]],
    &[
        &[("alias Real = f32;", "alias Real = vec2<f32>;"), ("alias Bits = u32;", "alias Bits = vec2<u32>;")],
        &[("alias Real = f32;", "alias Real = vec4<f32>;"), ("alias Bits = u32;", "alias Bits = vec4<u32>;")],
    ],
    &[&[("alias Sum = f32;", "alias Sum = vec4<f32>;")]],
    &[
        &[("alias Stat = f32;", "alias Stat = Pack;")],
        &[("alias Stat = f32;", "alias Stat = Pack;"), ("alias StatAt = u32;", "alias StatAt = vec4<u32>;")],
    ],
    &[
        &[("alias AffineValue = f32;", "alias AffineValue = Pack;")],
        &[
            ("alias AffineValue = f32;", "alias AffineValue = Pack;"),
            ("alias AffineAt = u32;", "alias AffineAt = vec4<u32>;"),
        ],
    ],
    &[
        &[("alias QuantizedWord = u32;", "alias QuantizedWord = vec2<u32>;")],
        &[("alias QuantizedWord = u32;", "alias QuantizedWord = vec4<u32>;")],
    ],
    &[&[("partial_sums: array<vec2<f32>>", "partial_sums: array<GroupSums>")]],
];

/// The stubs in every combination of choices, as they stand in the file first.
fn worlds() -> Vec<String> {
    let mut worlds = vec![STUBS.to_owned()];
    for choice in CHOICES {
        let mut more = Vec::new();
        for (world, other) in worlds.iter().flat_map(|world| choice.iter().map(move |other| (world, other))) {
            more.push(other.iter().fold(world.clone(), |text, (from, to)| {
                assert!(text.contains(from), "no stub is {from:?}");
                text.replace(from, to)
            }));
        }
        worlds.extend(more);
    }
    worlds
}

/// The files of the kernels, with their text.
fn kernels() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/kernels");
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("text"))).collect()
}

fn validate(source: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let flags = naga::valid::ValidationFlags::all() - naga::valid::ValidationFlags::BINDINGS;
    let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::all());
    // A function of its own has no entry point whose uniformity naga could follow.
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
    validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    validator.validate(&module).map(|_| ()).map_err(|e| e.emit_to_string(source))
}

/// A variant of a file as a shader has it, with the stubs of all other names.
fn with_stubs(world: &str, own: &[&Item<'_>]) -> String {
    let declared: HashSet<&str> = own.iter().map(|item| item.name).collect();
    let stubs = items("interfaces", world);
    let stubs = stubs.iter().filter(|stub| !declared.contains(stub.name));
    let text = stubs.chain(own.iter().copied()).map(|item| item.text).collect::<Vec<_>>().join("\n");
    match own.iter().find_map(|item| item.variant) {
        Some(variant) => text.replace(&format!("{VARIANT}{variant}"), ""),
        None => text,
    }
}

/// The items of a variant, or one item without variants, with the items of the file that these use.
fn closure<'i, 'a>(all: &'i [Item<'a>], roots: Vec<&'i Item<'a>>) -> Vec<&'i Item<'a>> {
    let mut closure = roots;
    let mut at = 0;
    while at < closure.len() {
        for (name, _) in &closure[at].uses {
            let found = all.iter().find(|item| item.variant.is_none() && item.name == *name);
            if let Some(found) = found.filter(|found| closure.iter().all(|item| item.name != found.name)) {
                closure.push(found);
            }
        }
        at += 1;
    }
    closure
}

#[test]
fn every_variant_is_valid_with_the_stubs_of_what_it_uses() {
    let worlds = worlds();
    validate(STUBS).unwrap_or_else(|e| panic!("interfaces.wgsl: {e}"));
    let mut count = 0;
    let kernels = kernels();
    let kernels = kernels.iter().map(|(file, text)| (file.as_str(), text.as_str(), true));
    for (file, text, is_kernel) in ROLES.iter().map(|&(file, text)| (file, text, false)).chain(kernels) {
        let all = items(file, text);
        let variants: BTreeSet<&str> = all.iter().filter_map(|item| item.variant).collect();
        let of = |variant| closure(&all, all.iter().filter(|item| item.variant == Some(variant)).collect());
        let mut units: Vec<Vec<&Item<'_>>> = variants.into_iter().map(of).collect();
        if is_kernel {
            units.push(all.iter().collect());
        }
        // What no variant uses.
        for item in &all {
            if units.iter().flatten().all(|other| !std::ptr::eq(*other, item)) {
                units.push(closure(&all, vec![item]));
            }
        }
        for own in units {
            let (name, variant) = (own[0].name, own[0].variant);
            let first = validate(&with_stubs(&worlds[0], &own));
            let valid = first.is_ok() || worlds[1..].iter().any(|world| validate(&with_stubs(world, &own)).is_ok());
            assert!(valid, "{file}: {name}, {variant:?}: {}", first.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 90, "{count} variants");
}

/// The parameters and the result of a function, or the kind of another item, without names of variants.
fn signature(item: &Item<'_>) -> String {
    let text: Vec<&str> = item.text.lines().filter(|line| !line.starts_with("//")).collect();
    let text = text.join(" ");
    let head = if item.is_function { text.split('{').next().unwrap_or_default() } else { &text };
    let head = item.variant.map_or(head.to_owned(), |variant| head.replace(&format!("{VARIANT}{variant}"), ""));
    let types = head.split([',', '(', ')']).map(|part| part.split(':').next_back().unwrap_or_default().trim());
    types.filter(|ty| !ty.is_empty()).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_variant_has_the_signature_of_its_stub() {
    let stubs = items("interfaces", STUBS);
    let mut compared = 0;
    for (file, text) in ROLES {
        for item in items(file, text).iter().filter(|item| item.is_function && item.variant.is_some()) {
            // What only its own variant calls needs no stub.
            let Some(stub) = stubs.iter().find(|stub| stub.name == item.name) else { continue };
            assert_eq!(signature(item), signature(stub), "{file}: {}, {:?}", item.name, item.variant);
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn a_file_that_uses_what_nobody_promises_is_not_valid() {
    let text = "fn twice__a(v: Pack) -> Pack {\n    return v + nowhere(v);\n}\n";
    let all = items("roles/numbers", text);
    assert!(validate(&with_stubs(STUBS, &all.iter().collect::<Vec<_>>())).unwrap_err().contains("nowhere"));
    let [wrong, right] = ["fn pack_sum__a(v: f32) -> f32 {\n}\n", "fn pack_sum__a(v: Pack) -> f32 {\n}\n"];
    let stub = items("interfaces", STUBS).into_iter().find(|stub| stub.name == "pack_sum").expect("a stub");
    assert_ne!(signature(&items("", wrong)[0]), signature(&stub));
    assert_eq!(signature(&items("", right)[0]), signature(&stub));
}
