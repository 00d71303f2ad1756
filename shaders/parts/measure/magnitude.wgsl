// The scale is made of magnitudes.
// Provides measured, measure, slope.

// What statistics are taken of.
fn measured(x: Pack) -> Pack {
    return abs(x);
}

// What is summed up of a value.
fn measure(d: Pack) -> Pack {
    return abs(d);
}

// The direction in which the normalized y changes the scale.
fn slope(y: Pack) -> Pack {
    return sign(y);
}
