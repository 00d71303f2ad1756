//! Puts the crate's shaders through the compiler of a Vulkan driver, and keeps what the compiler says of the kernels.
//! Nothing is executed, so the driver needs no GPU: RADV has a null device, and Mesa's other drivers have drm-shims.
//!
//! `RADV_FORCE_FAMILY=gfx1100 VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/radeon_icd.x86_64.json \
//! cargo run -p wgpu-norm-drivers -- radv:gfx1100 [--ops-only]`

#![deny(unsafe_code)]
#![warn(clippy::pedantic)]

mod children;
mod ops;
mod statistics;
mod table;
mod through_wgpu;
#[allow(unsafe_code, reason = "Vulkan is C")]
mod vulkan;

use std::{fmt::Write as _, process::ExitCode, time::Instant};

use clap::Parser;
use wgpu_norm::{Caps, shaders::Shader, wgpu};

use children::Failure;
use ops::{Kernel, Kernels};
use statistics::{Names, Statistics};
use table::Table;

/// Puts the crate's shaders through the compiler of a Vulkan driver, on its first device. The environment says which
/// driver: `VK_ICD_FILENAMES`, `RADV_FORCE_FAMILY`, `LD_PRELOAD`.
#[derive(Parser)]
struct Args {
    /// What the device is called in tables: `radv:gfx1100`, `intel:dg2`.
    name: String,
    /// Makes the pipelines through wgpu, without statistics.
    #[arg(long)]
    wgpu: bool,
    /// Only the kernels of ops, not those of `shaders::all()`.
    #[arg(long)]
    ops_only: bool,
    /// Compiles shaders for its parent.
    #[arg(long, hide = true)]
    child: bool,
}

/// What is known of a device.
struct DeviceInfo {
    /// The device, its driver and subgroup sizes, on a line.
    title: String,
    /// The version of the driver: `22.3.6`.
    version: String,
    caps: Caps,
    /// What is not as on other devices.
    notes: Vec<&'static str>,
    /// The names of the driver's statistics, if it has any that are known.
    names: Option<&'static Names>,
}

impl DeviceInfo {
    fn new(info: &wgpu::AdapterInfo, caps: Caps) -> Self {
        let wgpu::AdapterInfo { name, driver, driver_info, .. } = info;
        let mut title = format!("{name}, {driver} {driver_info}, ");
        match caps.subgroup_size {
            Some((least, most)) => drop(write!(title, "subgroups of {least} to {most}")),
            None => title.push_str("no subgroups"),
        }
        Self { title, version: version(driver_info), caps, notes: Vec::new(), names: None }
    }
}

/// The digits of `Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)`.
fn version(driver_info: &str) -> String {
    let digits = driver_info.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
}

fn main() -> ExitCode {
    let args = Args::parse();
    match if args.child { child(&args) } else { run(&args) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) if args.child => {
            // Without a parent there is nobody to tell.
            let _ = children::say(&e);
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("drivers: {e}");
            ExitCode::FAILURE
        }
    }
}

fn child(args: &Args) -> Result<bool, String> {
    if args.wgpu {
        let (adapter, _) = through_wgpu::Adapter::open()?;
        children::serve(|wgsl, layout| adapter.compile(wgsl, layout).map(|()| None))?;
    } else {
        let (driver, _) = vulkan::Driver::open(&args.name)?;
        children::serve(|wgsl, layout| driver.compile(wgsl, layout))?;
    }
    Ok(true)
}

/// Whether all went well.
fn run(args: &Args) -> Result<bool, String> {
    let start = Instant::now();
    let info = if args.wgpu { through_wgpu::Adapter::open()?.1 } else { vulkan::Driver::open(&args.name)?.1 };
    println!("{}", info.title);
    for note in &info.notes {
        println!("{note}");
    }
    let kernels = Kernels::of(&info.caps, args.ops_only);
    println!(
        "{} shaders, of {} ops{}, in {:.1} s",
        kernels.list.len(),
        kernels.ops,
        if args.ops_only { "" } else { " and of shaders::all()" },
        start.elapsed().as_secs_f64()
    );
    if let Some((count, first)) = &kernels.refused {
        println!("{count} ops are beyond the device's limits: {first}");
    }
    if kernels.left_out > 0 {
        println!("{} shaders of shaders::all() are beyond the device's limits", kernels.left_out);
    }
    let shaders: Vec<Shader> = kernels.list.iter().map(|kernel| kernel.shader).collect();
    let arguments = [args.name.as_str(), "--child", "--wgpu"];
    let outcomes = children::compile(&shaders, &arguments[..if args.wgpu { 3 } else { 2 }])?;

    let failed =
        kernels.list.iter().zip(&outcomes).filter_map(|(kernel, outcome)| Some((kernel, outcome.as_ref().err()?)));
    let mut failures = 0;
    for (kernel, failure) in failed {
        println!("{failure}: {} <{}>", kernel.name, kernel.shader);
        if let Failure::Refused(why) = failure {
            println!("{why}");
        }
        failures += 1;
    }
    let found: Vec<Option<Statistics>> = outcomes.into_iter().map(|outcome| outcome.ok().flatten()).collect();
    let spills = spills(&kernels.list, &found);
    let red = if info.names.is_some() { tables(args, &info, &kernels, &found)? } else { 0 };
    println!(
        "{}: {} shaders in {:.0} s, {failures} failures, {spills} kernels of ops spill, {red} worse than in the table",
        args.name,
        shaders.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(failures + spills + red == 0)
}

/// Prints the kernels of ops that spill, the worst first. Returns how many there are.
fn spills(kernels: &[Kernel], found: &[Option<Statistics>]) -> usize {
    let all = kernels.iter().zip(found).filter_map(|(kernel, found)| Some((kernel, (*found)?)));
    let (mut of_ops, others): (Vec<_>, Vec<_>) =
        all.filter(|(_, found)| found.spills > 0).partition(|(kernel, _)| kernel.ops > 0);
    of_ops.sort_by_key(|(_, found)| std::cmp::Reverse(found.spills));
    for (kernel, found) in &of_ops {
        let Statistics { registers, spills, occupancy, .. } = found;
        println!(
            "SPILLS {spills} (registers {registers}, occupancy {occupancy}): {}, of {} ops <{}>",
            kernel.name, kernel.ops, kernel.shader
        );
    }
    if !others.is_empty() {
        println!("{} shaders that are only in shaders::all() spill too", others.len());
    }
    of_ops.len()
}

/// Compares the bench's kernels with the committed table. Returns how many are worse.
fn tables(args: &Args, info: &DeviceInfo, kernels: &Kernels, found: &[Option<Statistics>]) -> Result<usize, String> {
    let lines = kernels.bench.iter().filter_map(|(key, index)| Some((key.clone(), found[*index]?)));
    let failed = kernels.bench.iter().filter(|(_, index)| found[*index].is_none()).map(|(key, _)| key.clone());
    let Some(changes) = table::check(&args.name, info, &lines.collect::<Table>(), &failed.collect())? else {
        println!("no table of this version of the driver; {} writes one", table::ACCEPT);
        return Ok(0);
    };
    for line in &changes.red {
        println!("RED {line}");
    }
    if changes.others > 0 {
        println!("{} kernels differ otherwise: {} accepts", changes.others, table::ACCEPT);
    }
    Ok(changes.red.len())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_digits() {
        assert_eq!(version("Mesa 22.3.6 (LLVM 15.0.6)"), "22.3.6");
        assert_eq!(version("Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)"), "25.0.7");
        assert_eq!(version("550.54.14"), "550.54.14");
    }
}
