//! Batch norm over processes, whatever carries their tables: `examples/sync_batch_norm` has TCP, `mpi/` has MPI.

mod checks;
mod layers;
mod training;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use wgpu_norm::host::Gpu;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What carries tables between the processes of a run. All processes make the same calls in the same order.
pub trait Exchange {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn processes(&self) -> usize;

    /// Sends `own`, of any length, to all processes, and returns what each of them sent, in the order of their ranks.
    fn gather(&mut self, own: &[f32]) -> Result<Vec<Vec<f32>>>;
}

/// An exchange that counts.
pub struct Meter<'a> {
    exchange: &'a mut dyn Exchange,
    pub exchanges: usize,
    /// Sent by this process.
    pub bytes: usize,
    pub time: Duration,
}

impl<'a> Meter<'a> {
    pub fn new(exchange: &'a mut dyn Exchange) -> Self {
        Self { exchange, exchanges: 0, bytes: 0, time: Duration::ZERO }
    }

    pub fn rank(&self) -> usize {
        self.exchange.rank()
    }

    pub fn processes(&self) -> usize {
        self.exchange.processes()
    }

    /// Whether this process prints.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// [`Exchange::gather`], counted.
    pub fn gather(&mut self, own: &[f32]) -> Result<Vec<Vec<f32>>> {
        let start = Instant::now();
        let all = self.exchange.gather(own)?;
        self.time += start.elapsed();
        self.exchanges += 1;
        self.bytes += size_of_val(own);
        Ok(all)
    }

    /// Gathers the tables of several layers by one exchange. Returns for each layer the tables of all processes, one
    /// after the other in the order of their ranks.
    pub fn gather_tables(&mut self, tables: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let all = self.gather(&tables.concat())?;
        let ends = tables.iter().scan(0, |end, table| {
            *end += table.len();
            Some(*end)
        });
        let ranges = tables.iter().zip(ends).map(|(table, end)| end - table.len()..end);
        Ok(ranges.map(|range| all.iter().flat_map(|part| part[range.clone()].to_vec()).collect()).collect())
    }

    /// Fails unless all processes have the same bits.
    pub fn hold_alike(&mut self, what: &str, own: &[f32]) -> Result<()> {
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        match self.gather(own)?.iter().position(|other| bits(other) != bits(own)) {
            None => Ok(()),
            Some(rank) => Err(format!("{what} of processes {} and {rank} differ", self.rank()).into()),
        }
    }
}

/// The samples of each process, for `samples` in all.
#[derive(Clone, Copy)]
pub enum Split {
    Even,
    /// As 1 to 2 to 3 and so on.
    Uneven,
    /// The first process has none, unless it is alone.
    Empty,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Even, Self::Uneven, Self::Empty];

    pub fn of(self, samples: usize, processes: usize) -> Vec<usize> {
        let share = |rank| match self {
            Self::Even => 1,
            Self::Uneven => rank + 1,
            Self::Empty => usize::from(rank > 0 || processes == 1),
        };
        let total: usize = (0..processes).map(share).sum();
        let ends = (0..processes).scan(0, |shares, rank| {
            *shares += share(rank);
            Some(samples * *shares / total)
        });
        ends.scan(0, |first, end| Some(end - std::mem::replace(first, end))).collect()
    }
}

/// Runs everything in each process. The first one prints.
pub fn run(gpu: &Gpu, exchange: &mut dyn Exchange) -> Result<()> {
    let mut meter = Meter::new(exchange);
    if meter.is_first() {
        println!("processes: {}, each on {}", meter.processes(), gpu.device().adapter_info().name);
    }
    checks::run(gpu, &mut meter)?;
    checks::time(gpu, &mut meter)?;
    training::run(gpu, &mut meter)
}
