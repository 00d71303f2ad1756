//! Builds the documentation of the crate and looks for links that lead nowhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// The crate, as rustdoc names its folder.
const CRATE: &str = "wgpu_norm";

/// Prints the links that lead out, and what is wrong; an error where something is.
pub fn docs() -> Result<i32, String> {
    let folder = target()?.join("doc");
    // Pages of items that are no more, whose links nobody keeps.
    let old = folder.join(CRATE);
    if old.exists() {
        fs::remove_dir_all(&old).map_err(|e| format!("cannot remove {}: {e}", old.display()))?;
    }
    let mut build = super::cargo_command(&["doc", "--no-deps", "--workspace", "--all-features"]);
    super::run(build.env("RUSTDOCFLAGS", "-D warnings"))?;

    let pages = pages(&folder)?;
    let Found { links, outside, broken } = check(&folder, &pages);
    println!("links out of the documentation, which are not opened:");
    for (site, count) in sites(&outside) {
        println!("{count:6}  {site}");
    }
    if links == 0 || !broken.is_empty() {
        return Err(format!("of {links} links these lead nowhere:\n{}", broken.join("\n")));
    }
    println!("{} pages, {links} links: each leads to a page and a heading", pages.len());
    Ok(0)
}

/// The folder that cargo builds into.
fn target() -> Result<PathBuf, String> {
    let output = super::cargo_command(&["metadata", "--no-deps", "--format-version", "1"]).output();
    let output = output.map_err(|e| format!("cannot start cargo: {e}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target_directory")?;
    Ok(folder.into())
}

/// What the check needs of a page.
#[derive(Default)]
struct Page {
    /// Where its links and pictures lead.
    targets: Vec<String>,
    anchors: BTreeSet<String>,
}

#[derive(Default)]
struct Found {
    links: usize,
    outside: Vec<String>,
    broken: Vec<String>,
}

/// All pages of the crate, by their path in the folder of the documentation.
fn pages(folder: &Path) -> Result<HashMap<PathBuf, Page>, String> {
    let mut pages = HashMap::new();
    let mut folders = vec![PathBuf::from(CRATE), Path::new("src").join(CRATE)];
    while let Some(path) = folders.pop() {
        let entries = fs::read_dir(folder.join(&path)).map_err(|e| format!("{}: {e}", path.display()))?;
        for entry in entries {
            let path = path.join(entry.map_err(|e| e.to_string())?.file_name());
            let full = folder.join(&path);
            if full.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                let text = fs::read_to_string(&full).map_err(|e| format!("{}: {e}", full.display()))?;
                pages.insert(path, page(&text));
            }
        }
    }
    Ok(pages)
}

fn check(folder: &Path, pages: &HashMap<PathBuf, Page>) -> Found {
    let mut found = Found::default();
    for (name, page) in pages {
        for target in &page.targets {
            if target.starts_with("https:") || target.starts_with("http:") {
                found.outside.push(target.clone());
            } else if !target.starts_with("data:") && !target.starts_with("javascript:") {
                found.links += 1;
                let problem = problem(folder, pages, name, target);
                found.broken.extend(problem.map(|problem| format!("{}: {target}: {problem}", name.display())));
            }
        }
    }
    found.broken.sort();
    found
}

/// Why a link of a page leads nowhere.
fn problem(folder: &Path, pages: &HashMap<PathBuf, Page>, name: &Path, target: &str) -> Option<&'static str> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = file.split('?').next().unwrap_or_default();
    let path = if file.is_empty() { name.to_owned() } else { joined(name.parent()?, file) };
    if !folder.join(&path).is_file() {
        return Some("no such file");
    }
    // A script makes the ranges of lines, and the pages beside the crate.
    let page = pages.get(&path).filter(|_| !path.starts_with("src"));
    let missing = page.is_some_and(|page| !anchor.is_empty() && !page.anchors.contains(anchor));
    missing.then_some("no such heading")
}

/// A path with its `..` resolved.
fn joined(folder: &Path, file: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path
}

/// How many links lead to each site.
fn sites(outside: &[String]) -> BTreeMap<String, usize> {
    let mut sites = BTreeMap::new();
    for link in outside {
        // The documentation of Rust and of other crates is many pages.
        let parts = if link.contains("//doc.rust-lang.org/") || link.contains("//docs.rs/") { 4 } else { usize::MAX };
        let site: Vec<&str> = link.splitn(parts.saturating_add(1), '/').take(parts).collect();
        *sites.entry(site.join("/")).or_default() += 1;
    }
    sites
}

/// The links and anchors of a page. Scripts have tags in their texts.
fn page(html: &str) -> Page {
    let mut page = Page::default();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        for skipped in ["script", "style"] {
            let end = format!("</{skipped}>");
            if rest.starts_with(skipped) {
                let tag = rest.find('>').unwrap_or(rest.len());
                attributes(&rest[..tag], &mut page);
                rest = &rest[rest.find(&end).unwrap_or(rest.len())..];
            }
        }
        if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            rest = attributes(rest, &mut page);
        }
    }
    page
}

/// Reads the attributes of a tag. Returns what follows them.
fn attributes<'a>(tag: &'a str, page: &mut Page) -> &'a str {
    let mut rest = tag.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>').unwrap_or(rest.len());
        let name = &rest[..end];
        let Some(after) = rest[end..].strip_prefix('=') else {
            if end == 0 {
                return rest;
            }
            rest = &rest[end..];
            continue;
        };
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => after.split_at(after.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(after.len())),
        };
        let value = decoded(value);
        match name {
            "href" | "src" => page.targets.push(value),
            "id" => drop(page.anchors.insert(value)),
            _ => {}
        }
        rest = after;
    }
}

/// A value without entities and percent signs.
fn decoded(value: &str) -> String {
    let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r##"<script>x = `<a href="../${f}">`</script><a class="x" href="a/b.html#here">b</a>
        <a href=a/b.html>b</a><img src='data:image/svg+xml,%3Csvg%3E'><a href="#top">t</a><h1 id="top">1 < 2</h1>
        <a href="https://wgpu.rs/x">w</a><a href="https://docs.rs/a/b/c">d</a>"##;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("no such folder");
        let index = page(INDEX);
        let inside: Vec<_> = index.targets.iter().filter(|target| !target.contains(':')).collect();
        assert_eq!(inside, ["a/b.html#here", "a/b.html", "#top"]);
        assert_eq!(index.anchors, BTreeSet::from(["top".to_owned()]));
        let pages = HashMap::from([(PathBuf::from("c/index.html"), index)]);
        let found = check(&folder, &pages);
        assert_eq!((found.links, found.broken.len(), found.outside.len()), (3, 3, 2), "{:?}", found.broken);
        assert_eq!(sites(&found.outside).len(), 2);
    }

    #[test]
    fn a_heading_that_is_not_there_is_found() {
        // Any file that is there takes the place of a page.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let html = r##"<h1 id="a&lt;b">x</h1><a href="#a%3Cb">a</a>
            <a href="src/../Cargo.toml?q#a<b">b</a><a href="#no">c</a>"##;
        let pages = HashMap::from([(PathBuf::from("Cargo.toml"), page(html))]);
        let found = check(folder, &pages);
        assert_eq!((found.links, found.broken), (3, vec!["Cargo.toml: #no: no such heading".to_owned()]));
        assert_eq!(joined(Path::new("a/b"), "../../c/./d.html"), Path::new("c/d.html"));
    }
}
