//! Unrolled blocks.

use std::fmt::Write as _;

/// Repeats each block between `// unroll K < COUNT` and `// end`, with `x_K` as `x_0`, `x_1`, .. and `K` as `0u`, `1u`, ..
///
/// Registers get names of their own because some Vulkan drivers keep a local array that is indexed in a loop in memory.
pub(super) fn unroll(text: &str, count: u32) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.trim().starts_with("// unroll K < ") {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "// end").collect();
        for k in 0..count {
            for line in &block {
                expand(&mut out, line, k);
            }
        }
    }
    out
}

/// Appends a line of a block, with names that end in `_K` ending in `_k`, and `K` as the constant `k`.
fn expand(out: &mut String, line: &str, k: u32) {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = line;
    while let Some(start) = rest.find(in_word) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let _ = match word.strip_suffix("_K") {
            Some(first) => write!(out, "{first}_{k}"),
            None if word == "K" => write!(out, "{k}u"),
            None => write!(out, "{word}"),
        };
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unroll_names_registers_and_leaves_other_words_alone() {
        let text = "a;\n  // unroll K < BLOCK\n  let x_K = f(K, BLOCK_K, K2, x_KK) + K;\n  // end\nb;\n";
        assert_eq!(
            unroll(text, 2),
            "a;\n  let x_0 = f(0u, BLOCK_0, K2, x_KK) + 0u;\n  let x_1 = f(1u, BLOCK_1, K2, x_KK) + 1u;\nb;\n"
        );
    }
}
