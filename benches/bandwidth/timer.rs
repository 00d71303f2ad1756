//! Seconds of GPU work, and what to make of many of them.

use std::time::Instant;

use wgpu_norm::{Error, host::Gpu, wgpu};

/// The GPU's clock where the device has one, else the host's.
pub struct Timer(Option<(wgpu::QuerySet, wgpu::Buffer)>);

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
                count: 2,
            });
            let resolved = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16,
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

    /// Seconds of a compute pass.
    pub fn pass(&self, gpu: &Gpu, record: impl FnOnce(&mut wgpu::ComputePass<'_>)) -> Result<f64, Error> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let timestamp_writes = self.0.as_ref().map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }));
        self.submit(gpu, encoder, self.clock())
    }

    /// Seconds of commands outside of passes.
    pub fn commands(&self, gpu: &Gpu, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<f64, Error> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let clock = self.encoder_clock(gpu);
        let mark = |encoder: &mut wgpu::CommandEncoder, index| {
            if let (Clock::Gpu, Some((queries, _))) = (clock, &self.0) {
                encoder.write_timestamp(queries, index);
            }
        };
        mark(&mut encoder, 0);
        record(&mut encoder);
        mark(&mut encoder, 1);
        self.submit(gpu, encoder, clock)
    }

    fn submit(&self, gpu: &Gpu, mut encoder: wgpu::CommandEncoder, clock: Clock) -> Result<f64, Error> {
        let queries = self.0.as_ref().filter(|_| clock == Clock::Gpu);
        if let Some((queries, resolved)) = queries {
            encoder.resolve_query_set(queries, 0..2, resolved, 0);
        }
        let commands = encoder.finish();
        let start = Instant::now();
        gpu.queue().submit([commands]);
        gpu.device().poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Device(e.to_string()))?;
        let wall = start.elapsed().as_secs_f64();
        let Some((_, resolved)) = queries else { return Ok(wall) };
        let ticks = bytemuck::pod_collect_to_vec::<u8, u64>(&gpu.download(resolved, 16)?);
        // Coarse clocks see no time go by in the smallest passes.
        let passed = ticks[1].saturating_sub(ticks[0]).max(1);
        Ok(passed as f64 * f64::from(gpu.queue().get_timestamp_period()) * 1e-9)
    }
}

/// The median, and the distance between the quartiles in parts of it.
pub fn median(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    (at(0.5), (at(0.75) - at(0.25)) / at(0.5))
}
