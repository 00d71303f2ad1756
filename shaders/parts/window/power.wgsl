// What an element is divided by, from the squares of its window.
// Provides Power, power_of_squares. Requires Pack, params.

struct Power {
    base: Pack, // k + alpha * squares of the window
    inverse: Pack, // base to the power of -beta
}

fn power_of_squares(squares: Pack) -> Power {
    let base = params.k + params.alpha * squares;
    // exp2 and log2 may lose a NaN, and log2 makes none of a negative number on every device.
    return Power(base, select(inverseSqrt(base), exp2(-params.beta * log2(base)), base > Pack(0.0)));
}
