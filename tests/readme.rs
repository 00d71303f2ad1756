//! What the documents show: code that compiles and runs, links that resolve, pictures as they are in `docs/plots`.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Pages whose blocks are parts of programs, and the files that compile these. rustdoc runs the other blocks.
const PARTS: [(&str, &[&str]); 5] = [
    ("docs/burn.md", &["burn/src/lib.rs", "burn/src/modules.rs", "burn/tests/suite/main.rs"]),
    ("docs/changing-shapes.md", &["tests/pages.rs"]),
    ("docs/distributed.md", &["examples/sync_batch_norm/parallel/layers.rs"]),
    ("docs/embedding.md", &["tests/pages.rs"]),
    ("docs/onnx.md", &["tests/onnx.rs"]),
];

const ACCEPT: &str = "UPDATE_SNAPSHOTS=1 cargo test --test readme";

fn path_of(file: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn read(file: impl AsRef<Path>) -> String {
    let path = path_of(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The Markdown files of a folder, relative to the root of the repository.
fn documents(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path_of(folder)).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let paths = entries.map(|name| Path::new(folder).join(name));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The blocks of a page, each with what follows its fence, and the lines outside of them.
fn split(page: &str) -> (Vec<(String, Vec<&str>)>, Vec<&str>) {
    let (mut blocks, mut text, mut inside) = (Vec::new(), Vec::new(), false);
    for line in page.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(info) if !inside => blocks.push((info.to_owned(), Vec::new())),
            None if inside => blocks.last_mut().expect("a block").1.push(line),
            None => text.push(line),
            Some(_) => {}
        }
        inside ^= line.trim_start().starts_with("```");
    }
    (blocks, text)
}

#[test]
fn the_code_of_the_readme_is_the_example() {
    let (readme, example) = (read("README.md"), read("examples/layer_norm.rs"));
    let code = &example[example.find("use wgpu_norm").expect("code")..];
    assert!(readme.contains(&format!("```rust\n{code}```\n")), "README.md does not show examples/layer_norm.rs");
    let (blocks, _) = split(&readme);
    let (_, own_device) = blocks.iter().filter(|(info, _)| info == "rust").nth(1).expect("a second block");
    let code: Vec<&str> = own_device.iter().copied().filter(|line| !line.starts_with("use ")).collect();
    assert_eq!(missing(&code, &read("tests/pages.rs")), None, "tests/pages.rs does not have this line of README.md");
}

/// The first line of a block that a file does not have behind the line before it. A file may have the code in a comment
/// that rustdoc compiles.
fn missing<'a>(block: &[&'a str], file: &str) -> Option<&'a str> {
    let bare = |line: &str| line.trim().trim_start_matches("//! ").trim_start_matches("/// ").trim().to_owned();
    let mut lines = file.lines().map(bare);
    let code = block.iter().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("// "));
    code.copied().find(|line| !lines.any(|other| other == bare(line)))
}

#[test]
fn the_code_of_the_pages_is_compiled() {
    for page in documents("docs") {
        let files = PARTS.iter().find(|(name, _)| page == Path::new(name)).map_or(&[][..], |(_, files)| *files);
        let text = read(&page);
        let (blocks, _) = split(&text);
        for (info, block) in &blocks {
            let fails: Vec<_> = match info.as_str() {
                "rust" | "sh" | "text" => continue,
                "rust,ignore" => files.iter().map(|file| (file, missing(block, &read(file)))).collect(),
                _ => panic!("{}: a block begins with ```{info}", page.display()),
            };
            assert!(fails.iter().any(|(_, line)| line.is_none()), "{}: no file has all of {fails:?}", page.display());
        }
        let has_parts = blocks.iter().any(|(info, _)| info == "rust,ignore");
        assert_eq!(has_parts, !files.is_empty(), "{}: the files of its code", page.display());
    }
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut documents = documents("docs");
    documents.extend(["README.md", "CHANGELOG.md"].map(PathBuf::from));
    for document in documents {
        for word in read(&document).split(|c: char| c.is_whitespace() || "`()[],;:".contains(c)) {
            let folders = ["src/", "tests/", "docs/", "examples/", "benches/", "cli/", "shaders/", ".github/", ".ci/"];
            if folders.iter().any(|folder| word.starts_with(folder))
                && !word.contains(['<', '*'])
                && !word.contains("my_op")
            {
                let path = path_of(word.trim_end_matches(['.', '/']));
                assert!(path.exists(), "{}: {word} is not there", document.display());
            }
        }
    }
}

/// A page without the text between backticks.
fn without_code(lines: &[&str]) -> String {
    lines.join("\n").split('`').step_by(2).collect::<Vec<_>>().join("")
}

/// The anchors that GitHub makes of the headings, and rustdoc too.
fn anchors(page: &str) -> Vec<String> {
    let (_, lines) = split(page);
    let headings = lines.iter().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || "-_ ".contains(c);
    headings.map(|heading| heading.to_lowercase().replace(|c| !kept(c), "").replace(' ', "-")).collect()
}

/// The label of a link reference definition, and where it leads.
fn definition(line: &str) -> Option<(String, &str)> {
    let (label, target) = line.strip_prefix('[')?.split_once("]: ")?;
    Some((label.to_lowercase(), target.trim()))
}

/// Where the links of a page lead, and the labels that have no definition.
fn links(page: &str) -> (Vec<String>, Vec<String>) {
    let (_, lines) = split(page);
    let defined: Vec<_> = lines.iter().filter_map(|line| definition(line)).collect();
    let prose: Vec<&str> = lines.iter().copied().filter(|line| definition(line).is_none()).collect();
    let mut targets: Vec<String> = defined.iter().map(|(_, target)| (*target).to_owned()).collect();
    let prose = prose.join("\n");
    targets.extend(prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    let labels = prose.split("][").skip(1).filter_map(|rest| rest.split_once(']'));
    let labels = labels.map(|(label, _)| label.replace('\n', " ").to_lowercase());
    (targets, labels.filter(|label| !defined.iter().any(|(name, _)| name == label)).collect())
}

#[test]
fn every_link_of_a_document_resolves() {
    let mut all = vec![PathBuf::from("README.md"), "CHANGELOG.md".into(), "CONTRIBUTING.md".into()];
    all.extend(["docs", "docs/notebook", "examples", "shaders"].into_iter().flat_map(documents));
    let mut local = 0;
    for document in all {
        let text = read(&document);
        let (targets, undefined) = links(&text);
        let shown = document.display();
        assert!(undefined.is_empty(), "{shown}: labels without a definition: {undefined:?}");
        for target in targets.iter().filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').map_or((&**target, None), |(file, name)| (file, Some(name)));
            let path = match file {
                "" => path_of(&document),
                file => path_of(&document).parent().expect("a folder").join(file),
            };
            assert!(path.exists(), "{shown}: {target} is not there");
            if let Some(anchor) = anchor {
                let found = anchors(&read(&path)).iter().any(|name| name == anchor);
                assert!(found, "{shown}: {target} has no such heading");
            }
            local += 1;
        }
    }
    assert!(local > 50, "{local} links");
}

/// Every label of a link of a guide leads somewhere in rustdoc too: none is left to the file that it names on GitHub.
#[test]
fn the_links_of_the_guides_lead_to_guides() {
    let here = read("src/guide/links.md") + &read("docs/plots/embedded.md");
    let here: Vec<_> = here.lines().filter_map(definition).collect();
    let modules = read("src/guide/mod.rs");
    for page in documents("docs") {
        if !modules.contains(&format!("{:?}", page.file_name().expect("a name"))) {
            continue;
        }
        let text = read(&page);
        for (label, target) in split(&text).1.iter().filter_map(|line| definition(line)) {
            let known = here.iter().any(|(name, _)| *name == label);
            assert!(known || target.starts_with("http"), "{}: src/guide/links.md lacks [{label}]", page.display());
        }
        // GitHub shows a label without a definition as it is written.
        let undefined = here.iter().find(|(label, _)| {
            let prose = text.to_lowercase();
            let shortcut = format!("[{label}]");
            prose.split(&shortcut).skip(1).any(|rest| !rest.starts_with('['))
                && !prose.contains(&format!("\n[{label}]: "))
        });
        assert!(undefined.is_none(), "{}: a label without a definition: {undefined:?}", page.display());
        let inline = without_code(&split(&text).1);
        let inline = inline.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let unlabelled = inline.filter(|target| !target.starts_with('#') && !target.starts_with("http"));
        assert_eq!(unlabelled.collect::<Vec<_>>(), [""; 0], "{}: links without a label", page.display());
    }
}

/// docs.rs has no files beside the pages: pictures are in the text, as URLs that contain them.
#[test]
fn the_pictures_of_the_guides_are_those_of_the_files() {
    let mut text = String::new();
    for page in documents("docs") {
        if page.ends_with("paper.md") {
            continue;
        }
        for (label, target) in read(&page).lines().filter_map(definition).filter(|(_, target)| target.ends_with(".svg"))
        {
            write!(text, "[{label}]: data:image/svg+xml,").expect("a string");
            for byte in read(Path::new("docs").join(target)).bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'/' | b':' | b'=' | b',' => {
                        text.push(char::from(byte));
                    }
                    _ => write!(text, "%{byte:02X}").expect("a string"),
                }
            }
            text.push('\n');
        }
    }
    let file = "docs/plots/embedded.md";
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path_of(file), &text).expect("written");
    }
    assert!(text == read(file), "{file} has other pictures than docs/plots: {ACCEPT}");
}
