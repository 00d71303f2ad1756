//! Batch norm over the processes of an MPI job: what `examples/sync_batch_norm` does over TCP, on as many machines as
//! the job has. `cargo xtask mpi` builds it and starts 1, 2 and 4 processes on this machine.

#[path = "../../examples/sync_batch_norm/parallel/mod.rs"]
mod parallel;

use mpi::{
    datatype::PartitionMut,
    topology::SimpleCommunicator,
    traits::{Communicator, CommunicatorCollectives},
};
use parallel::{Exchange, Result};
use wgpu_norm::host::Gpu;

struct World(SimpleCommunicator);

impl Exchange for World {
    fn rank(&self) -> usize {
        self.0.rank() as usize
    }

    fn processes(&self) -> usize {
        self.0.size() as usize
    }

    fn gather(&mut self, own: &[f32]) -> Result<Vec<Vec<f32>>> {
        let mut lens = vec![0; self.processes()];
        self.0.all_gather_into(&i32::try_from(own.len())?, &mut lens[..]);
        let firsts: Vec<i32> = lens.iter().scan(0, |first, len| Some(std::mem::replace(first, *first + len))).collect();
        let mut all = vec![0.0_f32; lens.iter().map(|&len| len as usize).sum()];
        self.0.all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], &lens[..], &firsts[..]));
        let table = |(&first, &len): (&i32, &i32)| all[first as usize..][..len as usize].to_vec();
        Ok(firsts.iter().zip(&lens).map(table).collect())
    }
}

fn main() {
    let Some(universe) = mpi::initialize() else {
        eprintln!("mpi: MPI was initialized before");
        std::process::exit(1);
    };
    let mut world = World(universe.world());
    let result = Gpu::new().map_err(Into::into).and_then(|gpu| parallel::run(&gpu, &mut world));
    if let Err(e) = result {
        eprintln!("mpi, process {}: {e}", world.rank());
        // The others wait for this one.
        world.0.abort(1);
    }
}
