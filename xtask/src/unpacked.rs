//! Graphics drivers other than the system's: where they are, and how they get there. Mesa 25 is unpacked below
//! `target`, where nothing is installed and no rights are needed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::{adapter, root, run};

/// Where Mesa's packages are unpacked, relative to the root of the repository.
const MESA_FOLDER: &str = "target/peers/mesa25";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const BACKPORTS: &str = "bookworm-backports";
const SUITES: [&str; 2] = ["bookworm", BACKPORTS];
/// apt's files while something is downloaded, in the folder that it goes to.
const APT_FOLDER: &str = "apt";
/// `SwiftShader`, as Debian's package chromium-common brings it.
const SWIFTSHADER: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";

/// A Vulkan driver.
#[derive(Debug)]
pub struct Driver {
    /// Its manifest, for `VK_ICD_FILENAMES`.
    pub icd: PathBuf,
    /// Where it finds the libraries that were unpacked with it.
    pub libraries: Option<PathBuf>,
}

/// Whether this system is the one that Mesa 25 can be unpacked for.
pub fn is_debian_12() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| text.lines().any(|line| line == "VERSION_CODENAME=bookworm"))
}

/// Variables of a process and their values.
pub type Variables = Vec<(&'static str, OsString)>;

impl Driver {
    /// The variables that bring a process to this driver and no other.
    pub fn variables(self) -> Result<Variables, String> {
        // Mesa's Vulkan loader asks for the last, and says so on every start without it.
        let folder = || root().join("target").into_os_string();
        let mut variables = vec![
            ("VK_ICD_FILENAMES", self.icd.into_os_string()),
            ("WGPU_BACKEND", "vulkan".into()),
            ("XDG_RUNTIME_DIR", env::var_os("XDG_RUNTIME_DIR").unwrap_or_else(folder)),
        ];
        if let Some(libraries) = self.libraries {
            let others = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
            let paths =
                [libraries].into_iter().chain(env::split_paths(&others).filter(|path| !path.as_os_str().is_empty()));
            variables.push(("LD_LIBRARY_PATH", env::join_paths(paths).map_err(|e| e.to_string())?));
        }
        Ok(variables)
    }
}

/// `SwiftShader`, installed where it is not there.
pub fn installed_swiftshader() -> Result<Driver, String> {
    if !Path::new(SWIFTSHADER).is_file() {
        adapter::apt_install("chromium-common libvulkan1")?;
    }
    swiftshader()
}

pub fn swiftshader() -> Result<Driver, String> {
    let icd = PathBuf::from(SWIFTSHADER);
    if icd.is_file() {
        return Ok(Driver { icd, libraries: None });
    }
    Err(format!(
        "no {SWIFTSHADER}. On Debian it comes with \
         `apt-get install --no-install-recommends chromium-common libvulkan1`; \
         of another build of SwiftShader, set VK_ICD_FILENAMES and take `--adapter system`"
    ))
}

/// The lavapipe of Mesa 25, from Debian 12's backports.
pub fn mesa25() -> Result<Driver, String> {
    mesa25_driver("lvp")
}

/// A driver of Mesa 25 by the name of its library: lvp, radeon or intel.
pub fn mesa25_driver(name: &str) -> Result<Driver, String> {
    // The loader takes a relative path in a manifest as one from there.
    let folder = path::absolute(root().join(MESA_FOLDER)).map_err(|e| e.to_string())?;
    let libraries = folder.join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH));
    let icd = folder.join(format!("{name}.json"));
    if !icd.is_file() {
        // An unpacking that was interrupted leaves apt's folder.
        if !libraries.is_dir() || folder.join(APT_FOLDER).is_dir() {
            if !is_debian_12() {
                return Err(
                    "Mesa 25 is unpacked from the backports of Debian 12, and this system is another. Install \
                            Mesa 25 or later and take `--adapter system`"
                        .into(),
                );
            }
            unpack(&folder)?;
        }
        let library = libraries.join(format!("libvulkan_{name}.so")).display().to_string();
        let manifest =
            json!({"file_format_version": "1.0.0", "ICD": {"api_version": "1.4.0", "library_path": library}});
        fs::write(&icd, manifest.to_string()).map_err(|e| format!("cannot write {}: {e}", icd.display()))?;
    }
    Ok(Driver { icd, libraries: Some(libraries) })
}

/// Downloads Mesa, and what of it this system lacks, and unpacks it.
fn unpack(folder: &Path) -> Result<(), String> {
    let apt = folder.join(APT_FOLDER);
    let options = own_lists(&apt, "deb", &SUITES)?;
    run(Command::new("apt-get")
        .args(&options)
        .args(["-q", "install", "-y", "--download-only", "--no-install-recommends", "-t", BACKPORTS])
        .args(["mesa-vulkan-drivers", "libvulkan1"]))?;

    let archives = apt.join("cache/archives");
    let files = fs::read_dir(&archives).map_err(|e| format!("cannot list {}: {e}", archives.display()))?;
    for file in files {
        let package = file.map_err(|e| e.to_string())?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&package).arg(folder))?;
        }
    }
    fs::remove_dir_all(&apt).map_err(|e| format!("cannot remove {}: {e}", apt.display()))
}

/// Downloads the source of Mesa 25 into a folder, as its authors published it; returns the archive.
pub fn mesa25_source(folder: &Path) -> Result<PathBuf, String> {
    let options = own_lists(&folder.join(APT_FOLDER), "deb-src", &[BACKPORTS])?;
    // Debian's part of the source is not needed, and not every mirror has it.
    run(Command::new("apt-get")
        .args(&options)
        .args(["-q", "source", "--download-only", "--tar-only", &format!("mesa/{BACKPORTS}")])
        .current_dir(folder))?;
    let mut files = fs::read_dir(folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
    let archive = files.find_map(|file| {
        let path = file.ok()?.path();
        path.to_str()?.ends_with(".orig.tar.xz").then_some(path)
    });
    archive.ok_or_else(|| format!("apt-get left no archive of Mesa in {}", folder.display()))
}

/// Lists of packages below a folder (an absolute path), updated; returns the options that bring apt-get to them.
fn own_lists(apt: &Path, kind: &str, suites: &[&str]) -> Result<Vec<String>, String> {
    for below in ["lists/partial", "cache/archives/partial"] {
        let path = apt.join(below);
        fs::create_dir_all(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    }
    let mirror = mirror();
    let line = |suite: &&str| format!("{kind} [signed-by={KEYRING}] {mirror} {suite} main\n");
    let list = apt.join("sources.list");
    fs::write(&list, suites.iter().map(line).collect::<String>())
        .map_err(|e| format!("cannot write {}: {e}", list.display()))?;
    let options = [
        ("Dir::Etc::SourceList", list.as_path()),
        ("Dir::Etc::SourceParts", Path::new("/dev/null")),
        ("Dir::State::Lists", &apt.join("lists")),
        ("Dir::State::status", Path::new("/var/lib/dpkg/status")),
        ("Dir::Cache", &apt.join("cache")),
        // apt's own user may not write below the target folder, and any other may not lock the system's files.
        ("APT::Sandbox::User", Path::new("root")),
        ("Debug::NoLocking", Path::new("1")),
    ]
    .map(|(name, value)| format!("-o{name}={}", value.display()));
    run(Command::new("apt-get").args(&options).args(["-q", "update"]))?;
    Ok(options.into())
}

/// The mirror that this system takes Debian from.
fn mirror() -> String {
    let sites = Command::new("apt-get").args(["indextargets", "--format", "$(SITE)", "Created-By: Packages"]).output();
    let sites = sites.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let own = sites.lines().find(|site| site.trim_end_matches('/').ends_with("/debian"));
    own.unwrap_or("http://deb.debian.org/debian").to_owned()
}
