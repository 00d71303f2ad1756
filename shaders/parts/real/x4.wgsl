// What two_sum and opaque work on: four numbers, each on its own.
// Provides Real, opaque. Requires params.zero.

alias Real = vec4<f32>;

// Returns v. The compiler does not know that params.zero is 0, so it can't merge the arithmetic before with that after.
fn opaque(v: Real) -> Real {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) ^ vec4<u32>(params.zero));
}
