// What two_sum and opaque work on: one number.
// Provides Real, Bits, bits_of, real_of, opaque. Requires params.zero.

alias Real = f32;
alias Bits = u32;

fn bits_of(v: Real) -> Bits {
    return bitcast<u32>(v);
}

fn real_of(bits: Bits) -> Real {
    return bitcast<f32>(bits);
}

// Returns v. The compiler does not know that params.zero is 0, so it can't merge the arithmetic before with that after.
fn opaque(v: Real) -> Real {
    return real_of(bits_of(v) ^ Bits(params.zero));
}
