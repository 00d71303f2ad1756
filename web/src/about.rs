//! The crate: its version, and where it is.

use serde::Serialize;

use crate::ops::{OPS, Op};

const MANIFEST: &str = include_str!("../../Cargo.toml");
const DOCUMENTATION: &str = "https://docs.rs/wgpu-norm";

/// What the page shows before there is a GPU.
#[derive(Serialize)]
pub struct About {
    version: String,
    documentation: &'static str,
    /// The address of the repository, if it has one.
    repository: Option<&'static str>,
    /// Where reports go to.
    issues: Option<String>,
    ops: [Op; OPS.len()],
    activations: Vec<&'static str>,
}

pub fn about() -> About {
    About {
        version: version(),
        documentation: DOCUMENTATION,
        repository: field("repository"),
        issues: issues(),
        ops: OPS,
        activations: wgpu_norm::Activation::ALL.iter().map(|activation| activation.name()).collect(),
    }
}

/// Where reports go to, if the repository has an address.
pub fn issues() -> Option<String> {
    field("repository").map(|repository| format!("{}/issues", repository.trim_end_matches('/')))
}

/// The crate with its version and, where `cargo xtask web` built the page, its commit.
pub fn version() -> String {
    let commit = option_env!("WGPU_NORM_COMMIT").map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!("wgpu-norm {}{commit}", field("version").unwrap_or_default())
}

/// The first field of this name in the manifest, which is the package's.
fn field(name: &str) -> Option<&'static str> {
    MANIFEST.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim().split('"').nth(1))
}
