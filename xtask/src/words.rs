//! The words of the project: one each for a thing. Looks for those that the glossary of `docs/architecture.md` replaced,
//! and for lines that are too long to read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Columns of a line.
const COLUMNS: usize = 120;

/// What is looked through, relative to the root.
const ROOTS: [&str; 10] =
    ["src", "shaders", "tests", "examples", "benches", "xtask/src", "web/src", "docs", "README.md", "CHANGELOG.md"];

/// The notebook records experiments in the words and the lines of their time; golden data and plots are data.
const SKIPPED: [&str; 4] = ["docs/notebook", "docs/plots", "tests/golden", "xtask/src/words.rs"];

/// What a word is looked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// Anywhere, as a whole identifier.
    Identifiers,
    /// In prose, and as a part of identifiers between underscores.
    Everything,
}

/// An old word, where it is looked for, what to write instead, and the files that may have it, with the reason.
struct Word {
    old: &'static str,
    place: In,
    instead: &'static str,
    allowed: &'static [&'static str],
}

const fn word(old: &'static str, place: In, instead: &'static str, allowed: &'static [&'static str]) -> Word {
    Word { old, place, instead, allowed }
}

const WORDS: &[Word] = &[
    word("Fold", In::Identifiers, "Reduction", &[]),
    word("kept_len", In::Identifiers, "group_count", &[]),
    word("kept", In::Identifiers, "groups", &[]),
    word("Width", In::Identifiers, "VectorLayout", &[]),
    word("Pairs", In::Identifiers, "Vec4x2", &[]),
    word("Across", In::Identifiers, "Perpendicular", &[]),
    word("Woven", In::Identifiers, "Vec4Masked", &[]),
    word("woven", In::Everything, "masked", &[]),
    word("Ragged", In::Identifiers, "HalfUnaligned", &[]),
    word("Hold", In::Identifiers, "Residency", &[]),
    word("slab", In::Everything, "chunk", &[]),
    word("slabs", In::Everything, "chunks", &[]),
    word("Slab", In::Identifiers, "Chunk", &[]),
    word("Facts", In::Identifiers, "DeviceConstants", &[]),
    word("KernelKey", In::Identifiers, "ShaderKey", &[]),
    word("Geometric", In::Identifiers, "Norm", &[]),
    word("keep_statistics", In::Identifiers, "save_for_backward", &[]),
    word("param_dtype", In::Identifiers, "affine_dtype", &[]),
    word("grad_param_dtype", In::Identifiers, "grad_affine_dtype", &[]),
    word("native_halves", In::Identifiers, "native_f16", &[]),
    word("wide_lane_packs", In::Identifiers, "lane_packs_many_rows", &[]),
    word("sum_rounds", In::Identifiers, "grad_rows_per_team", &[]),
    word("least_sum_rounds", In::Identifiers, "min_grad_rows_per_team", &[]),
    word("rounds", In::Identifiers, "rows_per_team", &["benches", "xtask/src", "docs/performance.md", "examples"]),
    word("halves", In::Everything, "half precision", &[]),
    word("HALVES", In::Identifiers, "HALF_PRECISION", &[]),
    word("slope", In::Everything, "derivative", &[]),
    word("pull", In::Identifiers, "product_share", &[]),
    word("lost", In::Identifiers, "coefficients", &[]),
    word("Place", In::Identifiers, "RowIndex", &[]),
    word("x_K", In::Identifiers, "x[k]", &[]),
];

/// Phrases of prose, in lower case.
const PHRASES: &[(&str, &str)] = &[
    ("of a copy", "% of copy bandwidth"),
    ("times a copy", "% of copy bandwidth"),
    ("in turns of rows", "alignment phase"),
];

/// Prints what is wrong; an error where something is.
pub fn words() -> Result<i32, String> {
    let found = check(Path::new("."))?;
    if found.is_empty() {
        println!("every word is in the glossary's sense, every line within {COLUMNS} columns");
        return Ok(0);
    }
    Err(format!("old words, or long lines:\n{found}"))
}

/// A line for each finding.
fn check(root: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    for path in ROOTS {
        visit(root, Path::new(path), &mut files)?;
    }
    files.sort();
    let mut found = String::new();
    for path in &files {
        let text = fs::read_to_string(root.join(path)).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = path.display().to_string();
        for (number, line) in text.lines().enumerate() {
            for problem in problems(&name, line) {
                // Writing to a String does not fail.
                let _ = writeln!(found, "{name}:{}: {problem}", number + 1);
            }
        }
    }
    Ok(found)
}

fn visit(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if SKIPPED.iter().any(|skipped| path == Path::new(skipped)) {
        return Ok(());
    }
    let full = root.join(path);
    if !full.is_dir() {
        let is_text = matches!(path.extension().and_then(|e| e.to_str()), Some("rs" | "wgsl" | "md"));
        files.extend(is_text.then(|| path.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(&full).map_err(|e| format!("{}: {e}", full.display()))? {
        let entry = entry.map_err(|e| e.to_string())?;
        visit(root, &path.join(entry.file_name()), files)?;
    }
    Ok(())
}

fn problems(file: &str, line: &str) -> Vec<String> {
    let mut problems = Vec::new();
    // Rows of a table can't be broken, and composed shaders are as they are composed.
    if line.chars().count() > COLUMNS && !line.trim_start().starts_with('|') && !file.starts_with("tests/snapshots") {
        problems.push(format!("{} columns", line.chars().count()));
    }
    for word in WORDS.iter().filter(|word| word.allowed.iter().all(|allowed| !file.starts_with(allowed))) {
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        let has = line.split(|c| !is_word(c)).any(|identifier| match word.place {
            In::Identifiers => identifier == word.old,
            In::Everything => identifier.split('_').any(|part| part == word.old),
        });
        if has {
            problems.push(format!("`{}`: write `{}`", word.old, word.instead));
        }
    }
    let lower = line.to_lowercase();
    for (old, instead) in PHRASES.iter().filter(|(old, _)| lower.contains(old)) {
        problems.push(format!("`{old}`: write `{instead}`"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_in_the_sense_of_the_glossary() {
        let found = check(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root")).expect("files");
        assert!(found.is_empty(), "`cargo xtask words`:\n{found}");
    }

    #[test]
    fn old_words_and_long_lines_are_found() {
        assert_eq!(problems("src/lib.rs", "let rounds = 3;"), ["`rounds`: write `rows_per_team`"]);
        assert!(problems("benches/x.rs", "let rounds = 3;").is_empty());
        assert!(problems("src/lib.rs", "let background_rounds_off = 3;").is_empty());
        assert_eq!(problems("src/lib.rs", "fn rows_of_halves() {}").len(), 1);
        assert_eq!(problems("src/lib.rs", &"x".repeat(121)), ["121 columns"]);
        assert!(problems("README.md", &format!("| {} |", "x".repeat(121))).is_empty());
    }
}
