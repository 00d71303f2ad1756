//! Marked loops of WGSL become straight-line code, and the arrays that they index become scalars.
//!
//! Some Vulkan drivers keep a local array in memory, not in registers, if a loop indexes it.

use std::fmt::Write as _;

/// The head of a marked loop. The next lone brace at its indentation closes it.
const LOOP: &str = "for (var k = 0u; k < BLOCK; k += 1u) { // unroll";
/// The end of that line, and of the declaration of a marked array.
const MARK: &str = " // unroll";
/// Blanks by which a block is indented.
const STEP: usize = 4;

/// A marked array, in the block that declares it.
struct Array<'a> {
    name: &'a str,
    indent: usize,
    /// Statements that assign an element.
    assignments: usize,
    /// Whether the statement that declares the scalars came.
    has_scalars: bool,
}

/// Repeats the body of each marked loop with `k` as `0u`, `1u`, ..
///
/// An element of a marked array becomes a scalar: `x[k]` in a marked loop, and `x[0]` anywhere, become `x_0`. So do
/// names that a body declares, which shadow no other name.
///
/// A statement `x[k] = ..` of a marked loop is the first to assign a marked array, in the block that declares it. This
/// statement declares the scalars: by `let` if no other one assigns them, else by `var`. The array's declaration could
/// not: naga 30 writes invalid HLSL for the zero `T()` of an alias T.
pub(super) fn unroll(text: &str, count: u32) -> String {
    if !text.contains(MARK) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut arrays: Vec<Array> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indent = indent_of(line);
        arrays.retain(|array| {
            let is_known = line.is_empty() || array.indent <= indent;
            debug_assert!(is_known || array.has_scalars, "no loop of its block assigns {} first", array.name);
            is_known
        });
        if &line[indent..] == LOOP {
            let body: Vec<&str> =
                lines.by_ref().take_while(|line| (indent_of(line), line.trim()) != (indent, "}")).collect();
            repeat(&mut out, &body, indent + STEP, &mut arrays, count);
        } else if let Some(name) = marked_array(line) {
            let block = lines.clone().take_while(|line| line.is_empty() || indent_of(line) >= indent);
            let assignments = block.filter(|line| assigned(line) == Some(name)).count();
            arrays.push(Array { name, indent, assignments, has_scalars: false });
        } else {
            debug_assert!(!line.ends_with(MARK), "neither the head of a loop nor an array of BLOCK: {line}");
            expand(&mut out, line, &arrays, &[], None);
        }
    }
    out
}

/// Appends the body of a loop once for each k. Its statements are indented by `indent`.
fn repeat(out: &mut String, body: &[&str], indent: usize, arrays: &mut [Array], count: u32) {
    let is_statement = |line: &str| indent_of(line) == indent;
    let locals: Vec<&str> = body.iter().filter(|line| is_statement(line)).filter_map(|line| declared(line)).collect();
    let mut keyword = |line: &str| {
        let name = assigned(line).filter(|_| is_statement(line));
        let array = arrays.iter_mut().rev().find(|array| Some(array.name) == name);
        let array = array.filter(|array| !array.has_scalars && array.indent + STEP == indent)?;
        array.has_scalars = true;
        Some(if array.assignments == 1 { "let " } else { "var " })
    };
    let keywords: Vec<_> = body.iter().map(|line| keyword(line)).collect();
    for k in 0..count {
        for (line, keyword) in body.iter().zip(&keywords) {
            let (blanks, code) = line.split_at(indent_of(line));
            out.push_str(blanks.get(STEP..).unwrap_or_default());
            out.push_str(keyword.unwrap_or_default());
            expand(out, code, arrays, &locals, Some(k));
        }
    }
}

/// Appends a line: `k` becomes a number, elements of arrays and `locals` become scalars, a comment stays.
fn expand(out: &mut String, line: &str, arrays: &[Array], locals: &[&str], k: Option<u32>) {
    let changes = if k.is_none() && arrays.is_empty() { 0 } else { line.find("//").unwrap_or(line.len()) };
    let (mut rest, comment) = line.split_at(changes);
    while let Some(start) = rest.bytes().position(is_of_word) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.bytes().position(|c| !is_of_word(c)).unwrap_or(from.len()));
        out.push_str(before);
        rest = after;
        // A member may have the name of a local variable.
        let is_member = before.ends_with('.');
        if let (Some(k), "k", false) = (k, word, is_member) {
            // Writing to a String does not fail.
            let _ = write!(out, "{k}u");
            continue;
        }
        out.push_str(word);
        let number = match element(after, k) {
            _ if is_member => None,
            Some((number, after)) if arrays.iter().any(|array| array.name == word) => {
                rest = after;
                Some(number)
            }
            _ => k.filter(|_| locals.contains(&word)),
        };
        if let Some(number) = number {
            let _ = write!(out, "_{number}");
        }
    }
    out.push_str(rest);
    out.push_str(comment);
    out.push('\n');
}

/// The index behind the name of an array, and the text behind the index.
fn element(after: &str, k: Option<u32>) -> Option<(u32, &str)> {
    let (index, after) = after.strip_prefix('[')?.split_once(']')?;
    Some((if index == "k" { k } else { index.parse().ok() }?, after))
}

fn is_of_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

fn indent_of(line: &str) -> usize {
    line.bytes().take_while(|&byte| byte == b' ').count()
}

/// The array that a line declares and marks.
fn marked_array(line: &str) -> Option<&str> {
    let array = line.strip_suffix(MARK)?.strip_suffix(", BLOCK>;")?;
    let (name, _) = array.trim_start().strip_prefix("var ")?.split_once(": array<")?;
    Some(name)
}

/// The array of which a statement assigns an element.
fn assigned(line: &str) -> Option<&str> {
    let (name, after) = line.trim_start().split_once('[')?;
    let is_assignment = after.split_whitespace().nth(1)?.ends_with('=');
    (is_assignment && name.bytes().all(is_of_word)).then_some(name)
}

/// The name that a statement declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let after = line.strip_prefix("let ").or_else(|| line.strip_prefix("var "))?;
    after.split([' ', ':']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "for (var k = 0u; k < BLOCK; k += 1u) { // unroll\n";

    #[test]
    fn a_loop_is_repeated_with_numbers_for_k_and_at_names_of_its_own() {
        let body = "    let d = f(k, d2, kk, a.k);\n    if d > k {\n        g(d, v.d); // k and d\n    }\n";
        assert_eq!(
            unroll(&format!("a;\n{BEGIN}{body}}}\nd;\n"), 2),
            "a;\n\
             let d_0 = f(0u, d2, kk, a.k);\nif d_0 > 0u {\n    g(d_0, v.d); // k and d\n}\n\
             let d_1 = f(1u, d2, kk, a.k);\nif d_1 > 1u {\n    g(d_1, v.d); // k and d\n}\n\
             d;\n"
        );
    }

    #[test]
    fn an_array_becomes_scalars_which_its_first_assignment_declares() {
        let arrays = "var x: array<vec4<f32>, BLOCK>; // unroll\nvar sum: array<f32, BLOCK>; // unroll\n";
        let first = "    x[k] = load(k);\n    sum[k] = 0.0;\n    if x[k].x > 0.0 {\n        sum[k] += x[k].x;\n    }\n";
        let read = format!("f(\n    x[0],\n    y[0],\n    sum[1],\n);\n{BEGIN}    f(sum[k], y[k]);\n}}\n");
        assert_eq!(
            unroll(&format!("{arrays}{BEGIN}{first}}}\n{read}"), 2),
            "let x_0 = load(0u);\nvar sum_0 = 0.0;\nif x_0.x > 0.0 {\n    sum_0 += x_0.x;\n}\n\
             let x_1 = load(1u);\nvar sum_1 = 0.0;\nif x_1.x > 0.0 {\n    sum_1 += x_1.x;\n}\n\
             f(\n    x_0,\n    y[0],\n    sum_1,\n);\n\
             f(sum_0, y[0u]);\nf(sum_1, y[1u]);\n"
        );
    }

    #[test]
    fn an_array_ends_with_its_block_and_another_one_may_have_its_name() {
        let body = format!("    var x: array<f32, BLOCK>; // unroll\n    {BEGIN}        x[k] = 1.0;\n    }}\n");
        let (once, more) = (format!("{{\n{body}}}\n"), format!("{{\n{body}    x[0] = 2.0;\n}}\n"));
        assert_eq!(
            unroll(&format!("{once}{more}x[0];\n"), 1),
            "{\n    let x_0 = 1.0;\n}\n{\n    var x_0 = 1.0;\n    x_0 = 2.0;\n}\nx[0];\n"
        );
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "no loop of its block assigns x first")]
    fn an_array_that_is_assigned_in_another_block_first_is_seen() {
        unroll("{\n    var x: array<f32, BLOCK>; // unroll\n    if a {\n        x[0] = 1.0;\n    }\n}\n", 2);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "neither the head of a loop")]
    fn a_mark_where_no_loop_begins_is_seen() {
        unroll("for (var i = 0u; i < BLOCK; i += 1u) { // unroll\n}\n", 2);
    }
}
