//! Seconds of GPU work, and what to make of many of them.

use std::time::Instant;

use wgpu_norm::{Error, host::Gpu, wgpu};

/// The GPU's clock where the device has one, else the host's.
pub struct Timer(Option<(wgpu::QuerySet, wgpu::Buffer)>);

/// The most that is timed in one submission.
const AT_ONCE: usize = 256;

/// What is timed.
pub enum Work<'a> {
    Pass(Box<dyn Fn(&mut wgpu::ComputePass<'_>) + 'a>),
    /// Commands outside of passes.
    Commands(Box<dyn Fn(&mut wgpu::CommandEncoder) + 'a>),
}

impl<'a> Work<'a> {
    pub fn pass(record: impl Fn(&mut wgpu::ComputePass<'_>) + 'a) -> Self {
        Self::Pass(Box::new(record))
    }
}

/// What a timer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Gpu,
    /// From submission until the device is idle.
    Wall,
}

impl Clock {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "timestamp",
            Self::Wall => "wall",
        }
    }
}

impl Timer {
    /// The features that it makes use of.
    pub const FEATURES: wgpu::Features =
        wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

    pub fn new(device: &wgpu::Device) -> Self {
        Self(device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2 * AT_ONCE as u32,
            });
            let resolved = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16 * AT_ONCE as u64,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (queries, resolved)
        }))
    }

    /// The clock for passes.
    pub fn clock(&self) -> Clock {
        if self.0.is_some() { Clock::Gpu } else { Clock::Wall }
    }

    /// The clock for commands outside of passes.
    pub fn encoder_clock(&self, gpu: &Gpu) -> Clock {
        if gpu.device().features().contains(Self::FEATURES) { self.clock() } else { Clock::Wall }
    }

    /// Seconds of each. What the GPU's clock times is submitted at once, as a GPU that waits for the host is slow to
    /// wake up.
    pub fn run(&self, gpu: &Gpu, works: &[Work<'_>]) -> Result<Vec<f64>, Error> {
        let outside = self.encoder_clock(gpu) == Clock::Gpu;
        let by_gpu = |work: &Work<'_>| self.0.is_some() && (outside || matches!(work, Work::Pass(_)));
        let mut times = Vec::with_capacity(works.len());
        for works in works.chunk_by(|one, next| by_gpu(one) && by_gpu(next)) {
            for works in works.chunks(AT_ONCE) {
                times.extend(submit(gpu, works, self.0.as_ref().filter(|_| by_gpu(&works[0])))?);
            }
        }
        Ok(times)
    }
}

/// Seconds of each by the GPU's clock, or of all by the host's.
fn submit(gpu: &Gpu, works: &[Work<'_>], queries: Option<&(wgpu::QuerySet, wgpu::Buffer)>) -> Result<Vec<f64>, Error> {
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for (first, work) in (0..).step_by(2).zip(works) {
        match (work, queries) {
            (Work::Pass(record), _) => {
                let timestamp_writes = queries.map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
                    query_set,
                    beginning_of_pass_write_index: Some(first),
                    end_of_pass_write_index: Some(first + 1),
                });
                record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }));
            }
            (Work::Commands(record), Some((queries, _))) => {
                encoder.write_timestamp(queries, first);
                record(&mut encoder);
                encoder.write_timestamp(queries, first + 1);
            }
            (Work::Commands(record), None) => record(&mut encoder),
        }
    }
    if let Some((queries, resolved)) = queries {
        encoder.resolve_query_set(queries, 0..2 * works.len() as u32, resolved, 0);
    }
    let commands = encoder.finish();
    let start = Instant::now();
    gpu.queue().submit([commands]);
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Device(e.to_string()))?;
    let wall = start.elapsed().as_secs_f64();
    let Some((_, resolved)) = queries else { return Ok(vec![wall]) };
    let ticks = bytemuck::pod_collect_to_vec::<u8, u64>(&gpu.download(resolved, 16 * works.len() as u64)?);
    let seconds = |ticks: &[u64]| {
        // Coarse clocks see no time go by in the smallest passes.
        let passed = ticks[1].saturating_sub(ticks[0]).max(1);
        passed as f64 * f64::from(gpu.queue().get_timestamp_period()) * 1e-9
    };
    Ok(ticks.chunks_exact(2).map(seconds).collect())
}

/// The median, and the distance between the quartiles in parts of it.
pub fn median(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    (at(0.5), (at(0.75) - at(0.25)) / at(0.5))
}
