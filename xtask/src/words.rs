//! The words of the project: one each for a thing. Looks for those that the glossary of `docs/architecture.md` replaced,
//! and for lines that are too long to read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Columns of a line.
const COLUMNS: usize = 120;

/// What is looked through, relative to the root.
const ROOTS: [&str; 18] = [
    "src",
    "shaders",
    "tests",
    "examples",
    "benches",
    "cli/src",
    "cli/tests",
    "cli/README.md",
    "drivers/src",
    "vulkan/src",
    "xtask/src",
    "web/src",
    "burn/src",
    "burn/tests",
    "burn/examples",
    "docs",
    "README.md",
    "CHANGELOG.md",
];

/// The notebook records experiments in the words and the lines of their time; golden data and plots are data.
const SKIPPED: [&str; 4] = ["docs/notebook", "docs/plots", "tests/golden", "xtask/src/words.rs"];

/// Where a word is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// Code: a whole identifier, not in a comment.
    Code,
    /// Everywhere, as a part of identifiers too.
    All,
}

/// An old word, where it is looked for, what to write instead, and the files that may have it, with the reason.
struct Word(&'static str, In, &'static str, &'static [&'static str]);

/// It says which names are new.
const CHANGES: &str = "CHANGELOG.md";
/// They repeat a measurement, and have no teams.
const REPEAT: &[&str] = &["benches", "cli", "xtask/src", "examples"];
/// Words of a user's program: a line has a slope, a network a loss.
const PROGRAMS: &[&str] = &["examples", "tests"];

const WORDS: &[Word] = &[
    Word("Fold", In::Code, "Reduction", &[]),
    Word("kept_len", In::Code, "group_count", &[]),
    Word("kept", In::Code, "groups", &["examples", "benches", "cli", "tests"]),
    Word("Width", In::Code, "VectorLayout", &[]),
    Word("Across", In::Code, "Perpendicular", &[]),
    Word("woven", In::All, "masked", &[]),
    Word("Hold", In::Code, "Residency", &[]),
    Word("slab", In::All, "chunk", &[]),
    Word("slabs", In::All, "chunks", &[]),
    Word("Slab", In::Code, "Chunk", &[]),
    Word("Facts", In::Code, "DeviceConstants", &[]),
    Word("KernelKey", In::Code, "ShaderKey", &[]),
    Word("Geometric", In::Code, "Norm", &[]),
    Word("keep_statistics", In::Code, "save_for_backward", &[CHANGES]),
    Word("param_dtype", In::Code, "affine_dtype", &[CHANGES]),
    Word("grad_param_dtype", In::Code, "grad_affine_dtype", &[CHANGES]),
    Word("native_halves", In::Code, "native_f16", &[CHANGES]),
    Word("wide_lane_packs", In::Code, "lane_packs_many_rows", &[CHANGES]),
    Word("sum_rounds", In::Code, "grad_rows_per_team", &[CHANGES]),
    Word("least_sum_rounds", In::Code, "min_grad_rows_per_team", &[CHANGES]),
    Word("rounds", In::Code, "rows_per_team", REPEAT),
    Word("halves", In::All, "half precision", &[CHANGES]),
    Word("HALVES", In::Code, "HALF_PRECISION", &[]),
    Word("slope", In::All, "derivative", PROGRAMS),
    Word("pull", In::Code, "product_share", &[]),
    Word("lost", In::Code, "coefficients", PROGRAMS),
    Word("x_K", In::Code, "x[k]", &[]),
];

/// Phrases of prose, in lower case.
const PHRASES: &[(&str, &str)] =
    &[("times a copy", "% of copy bandwidth"), (" copies of as many", "% of copy bandwidth"), ("goes by", "an actor")];

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
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    // Prose is no code, and neither is what follows a comment's slashes.
    let is_prose = Path::new(file).extension().is_some_and(|extension| extension == "md");
    let code = if is_prose { "" } else { line.split("//").next().unwrap_or_default() };
    for Word(old, place, instead, allowed) in WORDS {
        let has = match place {
            In::Code => code.split(|c| !is_word(c)).any(|identifier| identifier == *old),
            In::All => line.split(|c: char| !c.is_alphanumeric()).any(|part| part == *old),
        };
        if has && allowed.iter().all(|allowed| !file.starts_with(allowed)) {
            problems.push(format!("`{old}`: write `{instead}`"));
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
        assert!(problems("src/lib.rs", "let background_rounds_off = 3; // it rounds").is_empty());
        assert_eq!(problems("src/lib.rs", "fn rows_of_halves() {}").len(), 1);
        assert_eq!(problems("src/lib.rs", &"x".repeat(121)), ["121 columns"]);
        assert!(problems("README.md", &format!("| {} |", "x".repeat(121))).is_empty());
    }
}
