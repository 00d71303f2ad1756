//! A shader from its constants, its storage buffers, its kernel and the roles that this kernel uses.

use super::{
    Variant,
    link::{items, link},
    storage::{Addressing, CALL, Storage},
    unroll::unroll,
};
use crate::epilogue::text::append;

/// The end of a kernel's line that only shaders have whose results depend on their place.
const PLACE: &str = " // with place";

/// What a shader is made of.
pub(crate) struct Source {
    /// Declarations that differ between shaders of the same kernel and variants.
    pub constants: Vec<String>,
    pub storage: Vec<Storage>,
    /// The path and the text of the kernel's file.
    pub kernel: (&'static str, &'static str),
    /// The variants of the roles.
    pub variants: Vec<Variant>,
    /// How often unrolled loops are repeated.
    pub block: u32,
    /// How the shader finds tensors in its buffers.
    pub addressing: Addressing,
    /// The fields of `Params` that come from the caller instead, each with its least value.
    pub fields_of_call: &'static [(&'static str, u32)],
    /// Whether results depend on their place.
    pub has_place: bool,
    /// WGSL of the caller's, which the kernel calls.
    pub epilogue: Option<&'static str>,
}

/// The complete text.
pub(crate) fn compose(source: &Source) -> String {
    let mut constants = source.constants.join("\n");
    constants.push('\n');
    let mut tensors = source.addressing.declare();
    tensors.extend(source.storage.iter().map(|storage| storage.declare(source.addressing)));
    let (path, kernel) = source.kernel;
    let kernel = marked(kernel, source.has_place);
    let own =
        [items("constants of the key", &constants), items("tensors.wgsl", &tensors), items(path, &kernel)].concat();
    let text = link(&own, &source.variants);
    let text = unroll(&by_call(text, source.fields_of_call), source.block);
    match source.epilogue {
        Some(epilogue) => append(&text, &items("", &text).iter().map(|item| item.name).collect(), epilogue),
        None => text,
    }
}

/// Takes fields of `Params` from the caller's uniform, whose numbers may be anything. Each is at least its least value,
/// and at most the one in `Params`, so that no divisor is zero and every loop ends.
fn by_call(mut text: String, fields: &[(&str, u32)]) -> String {
    if fields.is_empty() {
        return text;
    }
    let all = |text: &dyn Fn(&(&str, u32)) -> String| fields.iter().map(text).collect::<String>();
    let members = all(&|(field, _)| format!("    {field}: u32,\n"));
    let functions = all(&|(field, least)| {
        let value = format!("clamp(call.{field}, {least}u, params.{field})");
        format!("\nfn call_{field}() -> u32 {{\n    return {value};\n}}\n")
    });
    for (field, _) in fields {
        text = with_calls(&text, field);
    }
    format!(
        "{text}\n// ==== fields of Params that differ between calls\n\nstruct Call {{\n{members}}}\n\n\
         @group(0) @binding({CALL}) var<uniform> call: Call;\n{functions}"
    )
}

/// A text that calls a function in place of reading a field of `params`.
fn with_calls(text: &str, field: &str) -> String {
    let (read, call) = (format!("params.{field}"), format!("call_{field}()"));
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&read) {
        let after = &rest[at + read.len()..];
        let is_longer = after.starts_with(|c: char| c == '_' || c.is_alphanumeric());
        out.push_str(&rest[..at]);
        out.push_str(if is_longer { &read } else { &call });
        rest = after;
    }
    out + rest
}

/// A kernel's text, with or without the lines that say where a result lies.
fn marked(kernel: &str, has_place: bool) -> String {
    let mut out = String::with_capacity(kernel.len());
    for line in kernel.split_inclusive('\n') {
        match line.trim_end().strip_suffix(PLACE) {
            None => out.push_str(line),
            Some(line) if has_place => out.extend([line, "\n"]),
            Some(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_from_the_call_within_the_bounds_of_the_plan() {
        let text = by_call("a = params.rows / params.rows_per_team + params.row;\n".into(), &[("rows", 1)]);
        assert!(text.starts_with("a = call_rows() / params.rows_per_team + params.row;\n"), "{text}");
        assert!(text.contains("return clamp(call.rows, 1u, params.rows);"), "{text}");
        assert_eq!(by_call("a = params.rows;\n".into(), &[]), "a = params.rows;\n");
    }

    #[test]
    fn marked_lines_are_those_of_results_with_a_place() {
        let kernel = "a();\n    b(); // with place\nc(); // else\n";
        assert_eq!(marked(kernel, true), "a();\n    b();\nc(); // else\n");
        assert_eq!(marked(kernel, false), "a();\nc(); // else\n");
    }
}
