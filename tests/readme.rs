//! The README shows an example that compiles and runs.

use std::{fs, path::Path};

#[test]
fn the_code_of_the_readme_is_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let example = fs::read_to_string(root.join("examples/layer_norm.rs")).expect("the example");
    let code = &example[example.find("use wgpu_norm").expect("code")..];
    assert!(readme.contains(&format!("```rust\n{code}```\n")), "README.md does not show examples/layer_norm.rs");
}

/// Each line of a block stands in one of the files, behind the line before it.
#[test]
fn the_code_of_distributed_md_is_that_of_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
    let page = read("docs/distributed.md");
    let code = read("examples/sync_batch_norm/parallel/layers.rs");
    let blocks: Vec<&str> = page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "the page shows code");
    for block in blocks {
        let mut rest = code.lines().map(str::trim);
        for line in block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
            assert!(rest.any(|other| other == line), "examples/sync_batch_norm does not have, in this order: {line}");
        }
    }
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    documents.extend(fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("an entry").path()));
    for document in documents.into_iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(&document).expect("a document");
        for word in text.split(|c: char| c.is_whitespace() || "`()[],;:".contains(c)) {
            let folders = ["src/", "tests/", "docs/", "examples/", "benches/", "cli/", "shaders/", ".github/", ".ci/"];
            if folders.iter().any(|folder| word.starts_with(folder))
                && !word.contains(['<', '*'])
                && !word.contains("my_op")
            {
                let path = root.join(word.trim_end_matches(['.', '/']));
                assert!(path.exists(), "{}: {word} is not there", document.display());
            }
        }
    }
}
