//! Every shader through Tint, the compiler of Chromium: it alone refuses a barrier in divergent control flow.

use std::fs;
use std::process::Command;

use crate::{adapter, cargo, root, run};

/// Where Tint is installed, relative to the root of the repository.
const FOLDER: &str = "target/validate";
/// Shaders that one process compiles.
const AT_ONCE: usize = 300;

pub fn validate() -> Result<i32, String> {
    adapter::ensure_node()?;
    let folder = root().join(FOLDER);
    let shaders = folder.join("wgsl");
    if shaders.is_dir() {
        fs::remove_dir_all(&shaders).map_err(|e| format!("cannot remove {}: {e}", shaders.display()))?;
    }
    fs::create_dir_all(&shaders).map_err(|e| format!("cannot make {}: {e}", shaders.display()))?;
    for (name, text) in
        [("package.json", include_str!("../validate/package.json")), ("tint.mjs", include_str!("../validate/tint.mjs"))]
    {
        fs::write(folder.join(name), text).map_err(|e| format!("cannot write {name}: {e}"))?;
    }
    let shaders = shaders.display().to_string();
    if cargo(&["run", "--quiet", "--example", "shaders", "--", &shaders])? != 0 {
        return Err("the shaders could not be written".into());
    }
    run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
    let count = fs::read_dir(&shaders).map_err(|e| format!("cannot list {shaders}: {e}"))?.count();
    for first in (0..count).step_by(AT_ONCE) {
        let (first, end) = (first.to_string(), (first + AT_ONCE).to_string());
        run(Command::new("node").args(["tint.mjs", &shaders, &first, &end]).current_dir(&folder))?;
    }
    println!("\nTint takes all of {count} shaders");
    Ok(0)
}
