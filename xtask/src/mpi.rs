//! Batch norm over the processes of an MPI job.

use std::ffi::OsString;
use std::process::Command;

use crate::{adapter, cargo, root, run};

/// Those of the packages below that are looked for.
const PROGRAMS: [&str; 2] = ["mpicc", "mpirun"];
const PACKAGES: &str = "libopenmpi-dev openmpi-bin libclang-dev";
/// Where the program is built, relative to the root of the repository.
const TARGET: &str = "target/mpi";
/// Processes of the jobs where none are named.
const USUAL: [usize; 3] = [1, 2, 4];

pub fn mpi(args: &[OsString]) -> Result<i32, String> {
    let jobs = jobs(args)?;
    adapter::ensure(&[])?;
    if PROGRAMS.iter().any(|program| adapter::found(&[program]).is_none()) || !has_libclang() {
        adapter::apt_install(PACKAGES)?;
    }
    let code = cargo(&["build", "--release", "--manifest-path", "mpi/Cargo.toml", "--target-dir", TARGET])?;
    if code != 0 {
        return Ok(code);
    }
    let program = root().join(TARGET).join("release/wgpu-norm-mpi");
    for processes in jobs {
        // More processes than cores, also as root: both are usual in a container.
        let mut job = Command::new(PROGRAMS[1]);
        job.args(["--oversubscribe", "--allow-run-as-root", "-n", &processes.to_string()]).arg(&program);
        run(&mut job)?;
    }
    Ok(0)
}

/// The numbers of processes.
fn jobs(args: &[OsString]) -> Result<Vec<usize>, String> {
    if args.is_empty() {
        return Ok(USUAL.to_vec());
    }
    let number = |arg: &OsString| match arg.to_string_lossy().parse() {
        Ok(processes @ 1..=64) => Ok(processes),
        _ => Err(format!("mpi takes numbers of processes from 1 to 64, not `{}`", arg.to_string_lossy())),
    };
    args.iter().map(number).collect()
}

/// Whether the library is there with which the crate `mpi` reads MPI's headers.
fn has_libclang() -> bool {
    // Not libclang-cpp.
    let is_it = |line: &str| {
        let rest = line.trim().strip_prefix("libclang").map(|rest| rest.trim_start_matches('-'));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c == '.' || c.is_ascii_digit()))
    };
    let known = Command::new("ldconfig").arg("-p").output();
    let is_known = known.is_ok_and(|known| String::from_utf8_lossy(&known.stdout).lines().any(is_it));
    is_known || std::env::var_os("LIBCLANG_PATH").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_numbers_of_processes() {
        let of = |args: &[&str]| jobs(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&[]), Ok(vec![1, 2, 4]));
        assert_eq!(of(&["3", "64"]), Ok(vec![3, 64]));
        for wrong in ["0", "65", "-n", "x"] {
            assert!(of(&["2", wrong]).is_err_and(|e| e.contains(wrong)), "{wrong}");
        }
    }
}
