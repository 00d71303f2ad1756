//! Writes every shader of this crate to a folder, as a WGSL file each and if asked to as naga translates it, for tools
//! that look at shaders:
//!
//! `cargo run --example shaders -- FOLDER [--translate]`

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use wgpu_norm::{
    shaders::{self, Backend, translate},
    wgpu::Features,
};

#[derive(Parser)]
struct Args {
    /// Where the files go; made where it is not there.
    #[arg(default_value = "target/shaders")]
    folder: PathBuf,
    /// In SPIR-V and HLSL, too.
    #[arg(long)]
    translate: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match write(&args.folder, args.translate) {
        Ok(count) => {
            println!("{count} shaders in {}", args.folder.display());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("shaders: {}: {e}", args.folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, translated: bool) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let shaders = shaders::all();
    for (i, shader) in shaders.iter().enumerate() {
        let file = |extension| folder.join(format!("{i:04}.{extension}"));
        let wgsl = shader.wgsl();
        // naga has subgroup operations without this line and does not know it; others want it.
        let enable = if shader.features().contains(Features::SUBGROUP) { "enable subgroups;\n" } else { "" };
        fs::write(file("wgsl"), format!("{enable}// {shader}\n{wgsl}"))?;
        if translated {
            fs::write(file("hlsl"), translate(&wgsl, Backend::Hlsl)?)?;
            let words = translate(&wgsl, Backend::SpirV)?;
            let words: Result<Vec<u32>, _> = words.lines().map(|word| u32::from_str_radix(word, 16)).collect();
            fs::write(file("spv"), words?.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())?;
        }
    }
    Ok(shaders.len())
}
