// Arithmetic with numbers of 48 binary digits, as hi + lo.
// Provides upper, add, product, times. Requires Real, Pair, two_sum.

// The upper 12 of the 24 binary digits of v: a product of two such numbers is exact.
fn upper(v: Real) -> Real {
    return real_of(bits_of(v) & Bits(0xfffff000u));
}

fn add(sum: Pair, v: Pair) -> Pair {
    let hi = two_sum(sum.hi, v.hi);
    return Pair(hi.hi, sum.lo + (hi.lo + v.lo));
}

// Exact but for a digit or two of lo, which is at most half an ulp of hi: a larger one would lose digits where many are
// added up.
fn product(a: Real, b: Real) -> Pair {
    let upper_a = upper(a);
    let upper_b = upper(b);
    let most = upper_a * upper_b;
    let rest = upper_a * (b - upper_b) + (a - upper_a) * b;
    let hi = opaque(most + rest);
    return Pair(hi, rest - (hi - most));
}

fn times(v: Pair, factor: Real) -> Pair {
    let hi = product(v.hi, factor);
    return Pair(hi.hi, hi.lo + v.lo * factor);
}
