// What two_sum and opaque work on: one number.
// Provides Real, opaque. Requires params.zero.

alias Real = f32;

// Returns v. The compiler does not know that params.zero is 0, so it can't merge the arithmetic before with that after.
fn opaque(v: Real) -> Real {
    return bitcast<f32>(bitcast<u32>(v) ^ params.zero);
}
