// Running statistics, as batch norm inference uses them.
// Provides normalize. Requires Pack, Stat, params.eps.

@group(0) @binding(7) var<storage, read> running_mean: array<Stat>; // [channels]
@group(0) @binding(8) var<storage, read> running_var: array<Stat>; // [channels]

fn normalize(x: Pack, i: u32) -> Pack {
    return (x - running_mean[i]) * inverseSqrt(running_var[i] + params.eps);
}
