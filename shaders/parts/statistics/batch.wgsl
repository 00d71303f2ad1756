// Statistics that an earlier pass took: three regions, the mean as hi and lo, and rstd.
// Provides normalize, rstd_at. Requires opaque, params.stats_stride (from one region to the next, in what load_statistics gives).

// x - hi comes first and stays on its own: f32 can't hold hi + lo for data with a large offset.
fn normalize(x: Pack, i: u32) -> Pack {
    let d = opaque(x - load_statistics(i));
    return (d - load_statistics(params.stats_stride + i)) * load_statistics(2u * params.stats_stride + i);
}

fn rstd_at(i: u32) -> Stat {
    return load_statistics(2u * params.stats_stride + i);
}
