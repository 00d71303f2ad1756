// Statistics of this batch, written by kernels/finalize.wgsl: three regions, the mean as hi and lo, and rstd.
// Provides normalize. Requires Pack, Stat, opaque, params.stats_stride (a region's length in Stats).

@group(0) @binding(11) var<storage, read> statistics: array<Stat>;

// x - hi comes first and stays on its own: f32 can't hold hi + lo for data with a large offset.
fn normalize(x: Pack, i: u32) -> Pack {
    let d = opaque(x - statistics[i]);
    return (d - statistics[params.stats_stride + i]) * statistics[2u * params.stats_stride + i];
}
