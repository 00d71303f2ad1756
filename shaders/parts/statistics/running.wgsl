// Running statistics, as batch norm inference uses them.
// Provides normalize, rstd_at. Requires params.eps.

fn normalize(x: Pack, i: u32) -> Pack {
    return (x - load_running_mean(i)) * rstd_at(i);
}

fn rstd_at(i: u32) -> Stat {
    return inverseSqrt(load_running_var(i) + params.eps);
}
