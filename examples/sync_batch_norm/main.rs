//! Batch norm over processes, each with a part of the batch, and a small network that learns so:
//!
//! `cargo run --example sync_batch_norm [-- --processes 4]`
//!
//! The program starts the processes itself, and they exchange tables over loopback TCP. It prints how far forward pass,
//! running statistics and gradients are from those of one process in f64, what was sent, and how long it took. It fails
//! where an error is above the bound, or where the processes do not learn what one process learns.
//!
//! The parts are even, uneven, and with an empty one. docs/distributed.md says what is exchanged, and when. The program
//! in `mpi/` does the same by MPI, on several machines.

pub mod parallel;
pub mod tcp;

use std::{
    collections::hash_map::RandomState,
    env,
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use wgpu_norm::host::Gpu;

use parallel::{Result, run};
use tcp::{Hub, Peer};

/// How long a process waits for another. Compilers of some drivers are slow.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Parser)]
struct Args {
    /// The number of processes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    processes: u32,
    /// What the program tells the processes that it starts: their number, and where the first one listens.
    #[arg(long, hide = true, num_args = 2)]
    worker: Option<Vec<String>>,
}

/// The variable with the number that the processes of a run know each other by.
const TOKEN: &str = "SYNC_BATCH_NORM_TOKEN";

fn main() -> ExitCode {
    let args = Args::parse();
    let processes = args.processes as usize;
    let result = match &args.worker {
        None => first(processes),
        Some(worker) => other(processes, worker),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let rank = args.worker.as_ref().map_or("0", |worker| &worker[0]);
            eprintln!("sync_batch_norm, process {rank}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The processes that this one has started. They end with it.
struct Workers(Vec<Child>);

impl Workers {
    /// Fails if one of them has ended.
    fn check(&mut self) -> Result<()> {
        for (i, child) in self.0.iter_mut().enumerate() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("process {} has ended early ({status})", i + 1).into());
            }
        }
        Ok(())
    }

    /// Waits until all have ended, and fails if one did not succeed.
    fn finish(mut self) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        for (i, child) in self.0.iter_mut().enumerate() {
            let status = loop {
                match child.try_wait()? {
                    Some(status) => break status,
                    None if Instant::now() > deadline => return Err(format!("process {} does not end", i + 1).into()),
                    None => thread::sleep(Duration::from_millis(5)),
                }
            };
            if !status.success() {
                return Err(format!("process {} has failed ({status})", i + 1).into());
            }
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended is not there any more.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn first(processes: usize) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?.to_string();
    let token = RandomState::new().build_hasher().finish();
    let mut workers = Workers(Vec::new());
    for rank in 1..processes {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--processes", &processes.to_string(), "--worker", &rank.to_string(), &address]);
        workers.0.push(command.env(TOKEN, token.to_string()).spawn()?);
    }
    let mut hub = Hub::accept(&listener, processes, token, TIMEOUT, || workers.check())?;
    run(&Gpu::new()?, &mut hub)?;
    workers.finish()
}

fn other(processes: usize, worker: &[String]) -> Result<()> {
    let [rank, address] = worker else { return Err("--worker takes a number and an address".into()) };
    let token = env::var(TOKEN)?.parse()?;
    let mut peer = Peer::connect(address, rank.parse()?, processes, token, TIMEOUT)?;
    run(&Gpu::new()?, &mut peer)
}
