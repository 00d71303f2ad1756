// What an element is divided by, from the squares of its window.
// Provides Power, power_of_squares. Requires Pack, finite, params.

struct Power {
    base: Pack, // k + alpha * squares of the window
    inverse: Pack, // base to the power of -beta
}

fn power_of_squares(squares: Pack) -> Power {
    let base = params.k + params.alpha * squares;
    // What any beta above 0 makes of zero, infinity, NaN and negative numbers. exp2 and log2 may lose a NaN, log2 makes
    // none of a negative number on every device, and a subnormal beta, read as zero, makes one of infinity.
    let limit = inverseSqrt(base);
    let power = select(limit, exp2(-params.beta * log2(base)), base > Pack(0.0));
    return Power(base, select(limit, power, is_finite(base)));
}
