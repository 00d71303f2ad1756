//! Writes every shader of this crate to a folder, as a WGSL file each, for tools that look at shaders:
//!
//! `cargo run --example shaders -- FOLDER`

use std::{fs, io, path::PathBuf, process::ExitCode};

use clap::Parser;
use wgpu_norm::{shaders, wgpu::Features};

#[derive(Parser)]
struct Args {
    /// Where the files go; made where it is not there.
    #[arg(default_value = "target/shaders")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let folder = Args::parse().folder;
    match write(&folder) {
        Ok(count) => {
            println!("{count} shaders in {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("shaders: {}: {e}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &PathBuf) -> io::Result<usize> {
    fs::create_dir_all(folder)?;
    let shaders = shaders::all();
    for (i, shader) in shaders.iter().enumerate() {
        // naga has subgroup operations without this line and does not know it; others want it.
        let enable = if shader.features().contains(Features::SUBGROUP) { "enable subgroups;\n" } else { "" };
        fs::write(folder.join(format!("{i:04}.wgsl")), format!("{enable}// {shader}\n{}", shader.wgsl()))?;
    }
    Ok(shaders.len())
}
