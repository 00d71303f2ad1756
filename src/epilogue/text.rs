//! The text of an epilogue: what it may have, how it becomes a part of a shader, and which line a message is about.

use std::collections::HashSet;

use crate::error::{Error, Result};

/// The function that the text must have.
const FUNCTION: &str = "epilogue";
/// Its declaration, for messages.
pub(crate) const DECLARATION: &str = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32>";
/// The buffers that it may read.
const BUFFERS: [&str; 2] = ["epilogue_a", "epilogue_b"];
/// What the caller's other names end with in a shader, so that they are none of ours.
const SUFFIX: &str = "_of_epilogue";
/// The line before the caller's first one, the last of its kind: the caller's text has no comments there.
const HEADER: &str = "// ==== epilogue";

/// What lanes must call together.
const TOGETHER: &[&str] = &[
    "workgroupBarrier",
    "storageBarrier",
    "textureBarrier",
    "workgroupUniformLoad",
    "quadBroadcast",
    "quadSwapX",
    "quadSwapY",
    "quadSwapDiagonal",
];

/// A word, a number, or another character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    /// Its offset, and its line from 1.
    at: usize,
    line: usize,
}

impl Token<'_> {
    fn is_word(self) -> bool {
        self.text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
    }
}

/// An error about a line of the caller's.
fn refuse(text: &str, line: usize, why: impl Into<String>) -> Error {
    let code = plain(text).split('\n').nth(line - 1).unwrap_or_default().trim().to_owned();
    Error::Epilogue { line: Some(line), code, why: why.into() }
}

/// The text with one kind of line break. Compilers differ in the line breaks that they count.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n")
}

/// The text without comments, in the same lines. What the tokens are then does not depend on where a compiler ends a
/// comment.
fn without_comments(text: &str) -> Result<String> {
    let text = plain(text);
    let mut code = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut line = 1;
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('/', Some('/')) => {
                while chars.next_if(|&c| c != '\n').is_some() {}
                code.push(' ');
            }
            ('/', Some('*')) => {
                let (begin, mut depth, mut last) = (line, 0, c);
                // Comments may be nested.
                while last == '/' || depth > 0 {
                    let Some(next) = chars.next() else {
                        return Err(refuse(&text, begin, "a comment that does not end"));
                    };
                    (depth, last) = match (last, next) {
                        ('/', '*') => (depth + 1, ' '),
                        ('*', '/') => (depth - 1, ' '),
                        _ => (depth, next),
                    };
                    if next == '\n' {
                        line += 1;
                        code.push('\n');
                    }
                }
                code.push(' ');
            }
            _ if c.is_ascii() => {
                line += usize::from(c == '\n');
                code.push(c);
            }
            _ => return Err(refuse(&text, line, format!("{c:?}: outside of comments, ASCII alone"))),
        }
    }
    Ok(code)
}

fn tokens(code: &str) -> impl Iterator<Item = Token<'_>> {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let (mut at, mut line) = (0, 1);
    std::iter::from_fn(move || {
        let blanks = code[at..].find(|c: char| !c.is_ascii_whitespace())?;
        line += code[at..at + blanks].matches('\n').count();
        at += blanks;
        let rest = &code[at..];
        let is_number =
            rest.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit()) && !rest.starts_with("..");
        let len = match rest.find(|c| !(is_part(c) || is_number && c == '.')).unwrap_or(rest.len()) {
            0 => 1,
            len => len,
        };
        at += len;
        Some(Token { text: &rest[..len], at: at - len, line })
    })
}

/// The names that the text declares outside of functions, each with its keyword. The code has balanced braces.
fn declared<'a>(text: &str, tokens: &[Token<'a>]) -> Result<Vec<(&'a str, Token<'a>)>> {
    let mut declared = Vec::new();
    let (mut depth, mut begins) = (0_usize, true);
    let mut keyword = "";
    for (i, &token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = depth.checked_sub(1).ok_or_else(|| refuse(text, token.line, "`}` without its `{`"))?;
                begins = depth == 0;
            }
            ";" if depth == 0 => begins = true,
            _ if begins && depth == 0 => {
                keyword = token.text;
                begins = false;
                match (keyword, tokens.get(i + 1)) {
                    ("fn" | "const" | "struct" | "alias", Some(&name)) => declared.push((keyword, name)),
                    ("const_assert", _) => {}
                    _ => {
                        let why =
                            "outside of functions there are only `fn`, `const`, `struct`, `alias`, `const_assert`";
                        return Err(refuse(text, token.line, format!("`{keyword}`: {why}")));
                    }
                }
            }
            _ => {}
        }
    }
    match tokens.last() {
        Some(last) if depth > 0 || !begins => {
            Err(refuse(text, last.line, format!("the last `{keyword}` does not end")))
        }
        _ => Ok(declared),
    }
}

/// Checks what a compiler would let pass. A compiler checks the rest.
pub(crate) fn check(text: &str) -> Result<()> {
    let code = without_comments(text)?;
    let tokens: Vec<_> = tokens(&code).collect();
    for (i, token) in tokens.iter().enumerate() {
        let of_subgroups = token.text.strip_prefix("subgroup");
        let why = match token.text {
            "@" => "an attribute, which kernels alone have",
            "var" if tokens.get(i + 1).is_some_and(|next| next.text == "<") => {
                "an address space, without which `var` is"
            }
            word if TOGETHER.contains(&word) => "all lanes of a team must call it together, so that kernels alone may",
            _ if of_subgroups.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())) => {
                "an operation of subgroups, which kernels alone have"
            }
            _ => continue,
        };
        return Err(refuse(text, token.line, format!("`{}`: {why}", token.text)));
    }
    let declared = declared(text, &tokens)?;
    if let Some((_, name)) = declared.iter().find(|(_, name)| BUFFERS.contains(&name.text)) {
        return Err(refuse(text, name.line, format!("`{}` is the name of a buffer", name.text)));
    }
    if declared.iter().any(|(keyword, name)| (*keyword, name.text) == ("fn", FUNCTION)) {
        return Ok(());
    }
    Err(Error::Epilogue { line: None, code: String::new(), why: format!("it has no `{DECLARATION}`") })
}

/// A shader with a checked text of the caller's at its end.
///
/// Its names outside of functions get a suffix: they may be ours, or those of built-in functions that our code calls.
/// So do `ours`, all that the shader declares, where the text uses them: they are hidden from it.
pub(crate) fn append(shader: &str, ours: &HashSet<&str>, text: &str) -> String {
    let code = without_comments(text).unwrap_or_default();
    let tokens: Vec<_> = tokens(&code).collect();
    let own = declared(text, &tokens).unwrap_or_default();
    let is_visible = |name: &str| name == FUNCTION || BUFFERS.contains(&name);
    let is_hidden = |name: &str| ours.contains(name) || own.iter().any(|(_, own)| own.text == name);
    let mut out = format!("{shader}\n{HEADER}\n");
    let mut copied = 0;
    let mut is_struct = false;
    for (i, token) in tokens.iter().enumerate() {
        let next = tokens.get(i + 1).map_or("", |next| next.text);
        is_struct = (is_struct && token.text != "}") || token.text == "struct";
        // Members keep their names, as swizzles must.
        let is_member = (i > 0 && tokens[i - 1].text == ".") || (is_struct && next == ":");
        if token.is_word() && is_hidden(token.text) && !is_visible(token.text) && !is_member {
            let end = token.at + token.text.len();
            out.push_str(&code[copied..end]);
            out.push_str(SUFFIX);
            copied = end;
        }
    }
    out.push_str(&code[copied..]);
    out.push('\n');
    out
}

/// The error for a compiler's message about a shader with the caller's `text`. `line`: the line of the shader, from 1.
#[cfg(feature = "wgpu")]
pub(crate) fn explain(shader: &str, text: &str, line: Option<u32>, message: &str) -> Error {
    let before = shader.rfind(HEADER).map_or(0, |at| shader[..at].matches('\n').count() + 1);
    let line = underlined(message).or(line.map(|line| line as usize));
    let line = line.and_then(|line| line.checked_sub(before)).filter(|&line| line > 0);
    let why = brief(message).replace(SUFFIX, "");
    match line.filter(|&line| line <= plain(text).split('\n').count()) {
        Some(line) => refuse(text, line, why),
        // What calls the function is ours.
        None => {
            Error::Epilogue { line: None, code: String::new(), why: format!("{why}, where `{DECLARATION}` is called") }
        }
    }
}

/// The first line that naga underlines in a function, if it says that the location is all of this function.
#[cfg(feature = "wgpu")]
fn underlined(message: &str) -> Option<usize> {
    let mut number = None;
    if !message.contains('╰') {
        return None;
    }
    for (left, right) in message.lines().filter_map(|line| line.split_once('│')) {
        match left.trim().parse() {
            Ok(line) => number = Some(line),
            Err(_) if right.contains('^') && !right.contains('╰') && number.is_some() => return number,
            Err(_) => {}
        }
    }
    None
}

/// A message without the lines of the whole shader that naga shows: its first line, and its notes.
#[cfg(feature = "wgpu")]
fn brief(message: &str) -> String {
    let Some((_, first)) = message.split_once("error: ") else { return message.trim().to_owned() };
    let mut lines = first.lines().map(str::trim);
    let mut brief = lines.next().unwrap_or_default().to_owned();
    for note in lines.filter_map(|line| line.strip_prefix("= ")) {
        brief.push_str(": ");
        brief.push_str(note.strip_prefix("note: ").unwrap_or(note));
    }
    brief
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        check(text).expect_err(text).to_string()
    }

    const PLAIN: &str = "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> { return v; }";

    #[test]
    fn what_only_kernels_may_do_is_refused_with_its_line() {
        check(PLAIN).expect("nothing is wrong");
        let with = |code: &str| format!("{PLAIN}\nfn other() {{\n    {code}\n}}\n");
        check(&with("let fine = 1.0;")).expect("nothing is wrong");
        for code in [
            "workgroupBarrier();",
            "storageBarrier ( ) ;",
            "let a = subgroupAdd(1.0);",
            "let a = quadSwapX(1.0);",
            "let a = workgroupUniformLoad(&b);",
            "var<function> a = 1.0;",
            "var /* */ <private> a = 1.0;",
            "@diagnostic(off, x) { }",
        ] {
            let why = why(&with(code));
            assert!(why.starts_with(&format!("epilogue, line 3, \"{code}\": ")), "{why}");
        }
        // A comment hides it from no compiler.
        for text in
            ["// a comment \u{2028} workgroupBarrier();", "/* /* */ */ workgroupBarrier();", "//\rworkgroupBarrier();"]
        {
            assert!(why(&with(text)).contains("workgroupBarrier"), "{text}");
        }
        for text in ["// workgroupBarrier(); @ é", "/* workgroupBarrier(); /* @ */ \n é */"] {
            check(&with(text)).expect(text);
        }
    }

    #[test]
    fn only_declarations_that_bind_nothing_are_allowed() {
        for text in ["const A = 1; struct B { c: f32 } alias D = f32; const_assert A == 1;;", "", "fn f() {}"] {
            check(&format!("{text}\n{PLAIN}")).expect(text);
        }
        for text in
            ["enable f16;", "requires x;", "diagnostic(off, x);", "override a = 1;", "var a: f32;", "let a = 1;"]
        {
            let why = why(&format!("{PLAIN}\n\n{text}"));
            let keyword = text.split([' ', '(']).next().expect("a word");
            assert!(why.starts_with(&format!("epilogue, line 3, \"{text}\": `{keyword}`")), "{why}");
        }
        assert!(why(&format!("{PLAIN} }} fn a() {{ ")).contains("`}` without its `{`"));
        assert!(why(&format!("{PLAIN} fn a() {{ ")).contains("the last `fn` does not end"));
        assert!(why(&format!("{PLAIN} const a = 1")).contains("the last `const` does not end"));
        assert!(why(&format!("{PLAIN} /* ")).contains("a comment that does not end"));
        assert!(why(&format!("{PLAIN} const é = 1;")).contains("ASCII"));
        assert!(
            why(&format!("{PLAIN}\nconst epilogue_b = 1;")).contains("line 2, \"const epilogue_b = 1;\": `epilogue_b`")
        );
        assert_eq!(why("fn f() {}"), format!("epilogue: it has no `{DECLARATION}`"));
        assert_eq!(why(""), format!("epilogue: it has no `{DECLARATION}`"));
    }

    #[test]
    fn names_that_are_declared_twice_get_a_suffix_and_members_do_not() {
        let ours = "fn total() {\n}\n";
        let theirs = "struct Sum { total: f32, x: f32 }\nfn max(x: f32) -> f32 { return x; } // total\n\
            fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {\n    let total = Sum(1.e5, v.x);\n\
            \x20   return v * max(total.total) * 0.5f * BLOCK * epilogue_a[index] + params.a;\n}";
        let text = append(ours, &HashSet::from(["BLOCK", "total", "Params", "params", "epilogue_a"]), theirs);
        let (before, after) = text.split_once("// ==== epilogue\n").expect("a line before it");
        assert_eq!(before.trim_end(), ours.trim_end());
        let expected = "struct Sum_of_epilogue { total: f32, x: f32 }\n\
            fn max_of_epilogue(x: f32) -> f32 { return x; }  \n\
            fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {\n\
            \x20   let total_of_epilogue = Sum_of_epilogue(1.e5, v.x);\n\
            \x20   return v * max_of_epilogue(total_of_epilogue.total) * 0.5f * BLOCK_of_epilogue * epilogue_a[index] \
            + params_of_epilogue.a;\n}\n";
        assert_eq!(after, expected);
    }

    #[test]
    #[cfg(feature = "wgpu")]
    fn a_message_is_about_a_line_of_the_callers() {
        let text = "fn a() {}\r\nfn epilogue() {\rb();\n}";
        let shader = append("fn ours() {\n}\n", &HashSet::from(["ours"]), text);
        let line = shader.lines().position(|line| line == "b();").expect("the line") as u32 + 1;
        let message = "\nShader '' parsing error: no b_of_epilogue\n  ┌─ wgsl:9:1\n  │\n  = note: sorry\n\n";
        let at = |line| explain(&shader, text, line, message).to_string();
        assert_eq!(at(Some(line)), "epilogue, line 3, \"b();\": no b: sorry");
        let shown = message.replace("  │\n", &format!("1 │ ╭ fn\n{line} │ │ b() ^ 1;\n  │ │   ^^^ here\n  │ ╰─^ fn\n"));
        assert!(explain(&shader, text, Some(1), &shown).to_string().starts_with("epilogue, line 3, "), "{shown}");
        let elsewhere = format!("epilogue: no b: sorry, where `{DECLARATION}` is called");
        assert_eq!([at(Some(1)), at(None), at(Some(99))], [(); 3].map(|()| elsewhere.clone()));
    }
}
