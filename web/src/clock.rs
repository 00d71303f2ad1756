//! How long the GPU takes.

use futures_channel::oneshot;
use wgpu_norm::{host::Gpu, wgpu};

/// What a measurement takes at least, in milliseconds, but for the most passes. Browsers round times: to 0.1 ms on the
/// GPU, and to 1 ms outside of it.
const LONG_ENOUGH: f64 = 30.0;
const MOST_PASSES: u32 = 4096;
/// Measurements, of which the median counts.
const ROUNDS: usize = 3;

/// Milliseconds of each of these, once. They take turns, so that what slows the machine down slows all of them.
pub async fn compare<const N: usize>(
    gpu: &Gpu,
    works: [&dyn Fn(&mut wgpu::ComputePass<'_>); N],
) -> Result<[f64; N], String> {
    let clock = Clock::new(gpu);
    let mut passes = [1; N];
    for (work, passes) in works.iter().zip(&mut passes) {
        // The first one is for warming up, too.
        while clock.time(gpu, work, *passes).await? < LONG_ENOUGH && *passes < MOST_PASSES {
            *passes *= 2;
        }
    }
    let mut times = [[0.0; ROUNDS]; N];
    for round in 0..ROUNDS {
        for ((work, &passes), times) in works.iter().zip(&passes).zip(&mut times) {
            times[round] = clock.time(gpu, work, passes).await? / f64::from(passes);
        }
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    }))
}

/// Whether the GPU measures itself.
pub fn has_timestamps(gpu: &Gpu) -> bool {
    gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY)
}

/// Timestamps of the GPU, where it has them.
struct Clock(Option<(wgpu::QuerySet, wgpu::Buffer)>);

impl Clock {
    /// Two timestamps.
    const BYTES: u64 = 16;

    fn new(gpu: &Gpu) -> Self {
        Self(has_timestamps(gpu).then(|| {
            let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("clock"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            let resolved = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("clock"),
                size: Self::BYTES,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (queries, resolved)
        }))
    }

    /// Milliseconds of so many passes, recorded one after the other.
    async fn time(&self, gpu: &Gpu, work: &dyn Fn(&mut wgpu::ComputePass<'_>), passes: u32) -> Result<f64, String> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: self.0.as_ref().map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            }),
        });
        (0..passes).for_each(|_| work(&mut pass));
        drop(pass);
        if let Some((queries, resolved)) = &self.0 {
            encoder.resolve_query_set(queries, 0..2, resolved, 0);
        }
        let commands = encoder.finish();
        let start = now()?;
        gpu.queue().submit([commands]);
        let (sender, receiver) = oneshot::channel();
        gpu.queue().on_submitted_work_done(move || {
            // The receiver waits below; if it is gone, nobody wants to know.
            let _ = sender.send(());
        });
        receiver.await.map_err(|e| e.to_string())?;
        let wall = now()? - start;
        let Some((_, resolved)) = &self.0 else { return Ok(wall) };
        let bytes = gpu.download_async(resolved, Self::BYTES).await.map_err(|e| e.to_string())?;
        let ticks: Vec<_> = bytes.chunks_exact(8).filter_map(|b| b.try_into().ok().map(u64::from_le_bytes)).collect();
        let nanoseconds = ticks[1].saturating_sub(ticks[0]) as f64 * f64::from(gpu.queue().get_timestamp_period());
        // Shorter than what the browser rounds to.
        Ok(if nanoseconds > 0.0 { nanoseconds * 1e-6 } else { wall })
    }
}

fn now() -> Result<f64, String> {
    let window = web_sys::window().ok_or("no window")?;
    Ok(window.performance().ok_or("no clock")?.now())
}
