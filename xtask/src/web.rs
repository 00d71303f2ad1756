//! The page in `web/`, and the tests in a browser.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tiny_http::{Header, Response, Server};

use crate::{adapter, cargo_command, joined, root, run};

const TARGET: &str = "wasm32-unknown-unknown";
const MODULE: &str = "wgpu_norm_web";
/// The built page, relative to the root of the repository.
const SITE: &str = "target/web/site";
/// What it has from `web/`, beside the module.
const PAGE: [&str; 3] = ["index.html", "page.css", "page.js"];
/// Where the site is too, since a host may have it in any folder.
const FOLDER: &str = "/wgpu-norm";
const TOOLS: &str = "target/web/tools";
/// Names of Chromium.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Builds the page and serves it to this machine, or puts it into a folder for any host of static files.
pub fn web(args: &[OsString]) -> Result<i32, String> {
    match args {
        [] => serve(8080),
        [flag, port] if flag == "--port" => {
            let port = port.to_string_lossy();
            serve(port.parse().map_err(|e| format!("--port: {port}: {e}"))?)
        }
        [flag, folder] if flag == "--out" => {
            let folder = env::current_dir().map_err(|e| e.to_string())?.join(folder);
            // Before the build, which takes longer.
            fs::create_dir_all(&folder).map_err(|e| format!("--out: cannot make {}: {e}", folder.display()))?;
            build()?;
            copy_site(&folder)?;
            println!("\n{}: files for any host, with index.html", folder.display());
            Ok(0)
        }
        _ => Err(format!("web takes --port N or --out DIR, not `{}`", joined(args))),
    }
}

fn serve(port: u16) -> Result<i32, String> {
    build()?;
    let server = listen(port)?;
    println!("\nhttp://{}/ until Ctrl-C", server.server_addr());
    answer(&server);
    Ok(0)
}

/// The tests in Chromium: those of the crate, and the page as a visitor uses it.
pub fn test() -> Result<i32, String> {
    let browser = installed_browser()?;
    let driver =
        adapter::found(&["chromedriver"]).ok_or("no chromedriver, which Debian's package chromium-driver brings")?;
    adapter::ensure_node()?;
    let tools = tools()?;
    // In the folder of webdriver.json, which the runner reads.
    let mut tests = in_web(&["test", "--release", "--target", TARGET, "--test", "conformance"]);
    tests
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools.join("wasm-bindgen-test-runner"))
        .env("CHROMEDRIVER", driver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "900");
    run(&mut tests)?;

    build()?;
    let server = listen(0)?;
    let url = format!("http://{}{FOLDER}/", server.server_addr());
    thread::spawn(move || answer(&server));
    let folder = root().join("target/web/page");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    for (name, text) in
        [("package.json", include_str!("../web/package.json")), ("page.mjs", include_str!("../web/page.mjs"))]
    {
        fs::write(folder.join(name), text).map_err(|e| format!("cannot write {name}: {e}"))?;
    }
    run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
    run(Command::new("node")
        .arg("page.mjs")
        .args([browser.as_os_str(), url.as_ref(), root().as_os_str()])
        .arg(folder.join("page.png"))
        .current_dir(&folder))?;
    Ok(0)
}

/// Compiles the module and puts the site together.
fn build() -> Result<(), String> {
    let tools = tools()?;
    let mut build = in_web(&["build", "--release", "--target", TARGET]);
    // Reports say what they are of. Without git, the version alone does.
    let commit = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).current_dir(root()).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if !commit.is_empty() {
        build.env("WGPU_NORM_COMMIT", commit);
    }
    run(&mut build)?;
    let site = root().join(SITE);
    run(Command::new(tools.join("wasm-bindgen"))
        .args(["--target", "web", "--no-typescript", "--out-dir"])
        .arg(&site)
        .arg(root().join(format!("target/web/{TARGET}/release/{MODULE}.wasm"))))?;
    for name in PAGE {
        let from = root().join("web").join(name);
        fs::copy(&from, site.join(name)).map_err(|e| format!("cannot copy {}: {e}", from.display()))?;
    }
    Ok(())
}

/// Copies the site, which is one folder without others.
fn copy_site(folder: &Path) -> Result<(), String> {
    let site = root().join(SITE);
    for entry in fs::read_dir(&site).map_err(|e| format!("cannot read {}: {e}", site.display()))? {
        let from = entry.map_err(|e| e.to_string())?.path();
        let to = folder.join(from.file_name().unwrap_or_default());
        fs::copy(&from, &to).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))?;
    }
    Ok(())
}

/// A cargo command in `web/`, which is a workspace of its own.
fn in_web(args: &[&str]) -> Command {
    let mut command = cargo_command(args);
    command.current_dir(root().join("web")).env("CARGO_TARGET_DIR", root().join("target/web"));
    command
}

/// wasm-bindgen of the version that the lock file has, and the standard library for WebAssembly; installed where they
/// are not there.
fn tools() -> Result<PathBuf, String> {
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = libraries.map_err(|e| format!("cannot start rustc: {e}"))?.stdout;
    if !Path::new(String::from_utf8_lossy(&libraries).trim()).is_dir() {
        run(Command::new("rustup").args(["target", "add", TARGET]))?;
    }
    let lock = root().join("web/Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|e| format!("cannot read {}: {e}", lock.display()))?;
    let version = locked(&lock, "wasm-bindgen").ok_or("web/Cargo.lock has no wasm-bindgen")?;
    let tools = root().join(TOOLS);
    let program = tools.join("bin/wasm-bindgen");
    let there = Command::new(program).arg("--version").output();
    if !there.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(&format!(" {version}"))) {
        println!("installing wasm-bindgen {version} below target, which takes some minutes");
        // Without optimization, which would take longer than it saves on one small module.
        let install = ["install", "--debug", "--quiet", "wasm-bindgen-cli", "--version", version, "--root"];
        run(cargo_command(&install).arg(&tools).env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    }
    Ok(tools.join("bin"))
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}

/// Chromium and its driver, installed where they are not there.
fn installed_browser() -> Result<PathBuf, String> {
    if adapter::found(&BROWSERS).is_none() || adapter::found(&["chromedriver"]).is_none() {
        adapter::apt_install("chromium chromium-driver")?;
    }
    adapter::found(&BROWSERS).ok_or_else(|| format!("none of {} in the path", BROWSERS.join(", ")))
}

/// A server that only this machine can reach.
fn listen(port: u16) -> Result<Server, String> {
    Server::http(("127.0.0.1", port)).map_err(|e| format!("port {port}: {e}"))
}

/// Answers requests for the files of the site.
fn answer(server: &Server) {
    for request in server.incoming_requests() {
        let path = request.url().split(['?', '#']).next().unwrap_or_default();
        let name = path.strip_prefix(FOLDER).unwrap_or(path).trim_start_matches('/');
        let name = if name.is_empty() { "index.html" } else { name };
        let kind = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript",
            Some("wasm") => "application/wasm",
            _ => "application/octet-stream",
        };
        // The site is one folder without others.
        let file = if name.contains('/') || name.contains('\\') {
            None
        } else {
            File::open(root().join(SITE).join(name)).ok()
        };
        let header = Header::from_bytes("Content-Type", kind);
        // A visitor who has gone needs no answer.
        let _ = match (file, header) {
            (Some(file), Ok(header)) => request.respond(Response::from_file(file).with_header(header)),
            _ => request.respond(Response::empty(404)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_itself() {
        let lock =
            "name = \"wasm-bindgen-macro\"\nversion = \"1.0.0\"\n\nname = \"wasm-bindgen\"\nversion = \"0.2.3\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.3"));
        assert_eq!(locked(lock, "wasm"), None);
    }
}
