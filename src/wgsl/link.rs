//! The linker: a shader has those items of the roles' files that its kernel reaches, each in the variant that the key
//! chooses.
//!
//! An item is a function, type, constant or variable of a module. `team_sum__subgroup` is the variant `subgroup` of
//! `team_sum`; a shader that chooses this variant has it by the name `team_sum`.

use std::{
    collections::{HashMap, HashSet},
    sync::OnceLock,
};

/// What separates a name from its variant.
pub(super) const VARIANT: &str = "__";

/// The name of a variant. Roles that are chosen together, such as those of a direction or a layout, share it.
pub(crate) type Variant = &'static str;

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$((
            concat!($folder, "/", $name, ".wgsl"),
            include_str!(concat!("../../shaders/", $folder, "/", $name, ".wgsl")),
        ),)*]
    };
}

/// The roles, in the order in which a shader has them.
pub(super) const ROLES: &[(&str, &str)] = files!("roles": "half_precision" "numbers" "places" "positions" "teams"
    "access" "tables" "lookups" "affine" "activations" "scales" "gradients" "elements" "quantized" "rows" "partials"
    "sums" "windows" "epilogue" "rotary");

/// An item of a module, with the comment before it.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    file: &'a str,
    /// Its name in a shader that has it.
    pub name: &'a str,
    pub variant: Option<&'a str>,
    pub text: &'a str,
    pub is_function: bool,
    /// The names in it, without their variants, each with whether it is called.
    pub uses: Vec<(&'a str, bool)>,
}

/// The items of a file.
pub(super) fn items<'a>(file: &'a str, text: &'a str) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    // Where the comment of the next item begins, and the item itself.
    let mut comment = 0;
    let mut declaration: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end();
        if line.is_empty() && declaration.is_none() {
            comment = at;
        }
        if declaration.is_none() {
            declaration = declared(line).map(|name| (name, comment));
        }
        // An attribute may have a line of its own, before the item.
        let line = line.split(" //").next().unwrap_or_default();
        let ends = line == "}"
            || (!line.starts_with(' ') && (line.ends_with(';') || line.ends_with(" }") || line.ends_with("{}")));
        if let Some((name, from)) = declaration.filter(|_| ends) {
            let (name, variant) =
                name.split_once(VARIANT).map_or((name, None), |(name, variant)| (name, Some(variant)));
            let text = text[from..at].trim_start_matches('\n');
            let is_function = text.lines().any(|line| line.starts_with("fn ") || line.starts_with("@compute"));
            items.push(Item { file, name, variant, text, is_function, uses: names(text).collect() });
            (declaration, comment) = (None, at);
        }
    }
    items
}

/// The name that a line of a module declares.
fn declared(line: &str) -> Option<&str> {
    if line.starts_with([' ', '/', '}']) {
        return None;
    }
    // A variable has its attributes before it, on the same line.
    let line = line.rfind(") ").filter(|_| line.starts_with('@')).map_or(line, |end| &line[end + 2..]);
    let (keyword, rest) = match line.strip_prefix("var<") {
        Some(space) => ("var", space.split_once("> ")?.1),
        None => line.split_once(' ')?,
    };
    let name = rest.split(|c| c != '_' && !char::is_alphanumeric(c)).next()?;
    matches!(keyword, "fn" | "struct" | "alias" | "const" | "var").then_some(name)
}

/// The names in a text, without its comments and their variants, each with whether it is called.
fn names(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| {
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        let mut rest = line;
        std::iter::from_fn(move || {
            rest = &rest[rest.find(is_word)?..];
            let (name, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            rest = after;
            let name = name.split_once(VARIANT).map_or(name, |(name, _)| name);
            Some((name, after.starts_with('(')))
        })
    })
}

fn roles() -> &'static [Item<'static>] {
    static ITEMS: OnceLock<Vec<Item<'static>>> = OnceLock::new();
    ITEMS.get_or_init(|| ROLES.iter().flat_map(|(file, text)| items(file, text)).collect())
}

/// The text of a shader: its own `items`, and those of the roles that they use, by these variants.
pub(super) fn link(own: &[Item<'_>], variants: &[Variant]) -> String {
    let chosen: HashSet<&str> = variants.iter().copied().collect();
    // A chosen variant goes before an item without variants, and the shader's own items before both.
    let mut by_name: HashMap<&str, (&Item<'_>, usize)> = HashMap::new();
    for (place, item) in roles().iter().enumerate() {
        match item.variant {
            None => _ = by_name.entry(item.name).or_insert((item, place)),
            Some(variant) if chosen.contains(variant) => _ = by_name.insert(item.name, (item, place)),
            Some(_) => {}
        }
    }
    let exists = |variant: &&str| roles().iter().any(|item| item.variant == Some(*variant));
    debug_assert!(variants.iter().all(exists), "a variant that is nowhere: {variants:?}");
    let own_names: HashSet<&str> = own.iter().map(|item| item.name).collect();
    let mut needed: Vec<(usize, &Item<'_>)> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut open: Vec<&Item<'_>> = own.iter().collect();
    if !own_names.contains("main") {
        // The team has the entry point, which calls `run`.
        open.extend(by_name.get("main").map(|&(item, place)| {
            needed.push((place, item));
            item
        }));
    }
    while let Some(item) = open.pop() {
        for &(name, is_called) in &item.uses {
            let Some(&(found, place)) = by_name.get(name).filter(|_| !own_names.contains(name)) else { continue };
            // A local variable may have the name of a function.
            if (is_called || !found.is_function) && found.name != "main" && seen.insert(name) {
                needed.push((place, found));
                open.push(found);
            }
        }
    }
    needed.sort_by_key(|&(place, _)| place);
    let mut text = String::new();
    let mut file = "";
    for item in needed.into_iter().map(|(_, item)| item).chain(own) {
        if item.file != file {
            file = item.file;
            text.push_str("\n// ==== ");
            text.push_str(file);
            text.push('\n');
        }
        text.push('\n');
        without_variants(&mut text, item.text, &chosen);
    }
    text
}

/// Appends a text in which names of chosen variants are the names that others use.
fn without_variants(out: &mut String, text: &str, chosen: &HashSet<&str>) {
    let mut rest = text;
    while let Some(at) = rest.find(VARIANT) {
        let (before, after) = (&rest[..at], &rest[at + VARIANT.len()..]);
        let end = after.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(after.len());
        out.push_str(before);
        if !chosen.contains(&after[..end]) {
            out.push_str(VARIANT);
            out.push_str(&after[..end]);
        }
        rest = &after[end..];
    }
    out.push_str(rest);
}
