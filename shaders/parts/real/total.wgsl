// Provides total_of. Requires Real, Pair.

// A sum as one number. What is lost of an infinity is a NaN.
fn total_of(sum: Pair) -> Real {
    return select(sum.hi + sum.lo, sum.hi, abs(sum.hi) > Real(3e38));
}
