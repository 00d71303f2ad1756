// The sum of two numbers without a rounding error, as hi + lo (Knuth's TwoSum).
// Provides Pair, two_sum. Requires Real, opaque.

struct Pair {
    hi: Real,
    lo: Real,
}

fn two_sum(a: Real, b: Real) -> Pair {
    let hi = opaque(a + b);
    let b_part = opaque(hi - a);
    let a_part = opaque(hi - b_part);
    return Pair(hi, (a - a_part) + (b - b_part));
}
