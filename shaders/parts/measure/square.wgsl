// The scale is made of squares.
// Provides measured, measure, slope.

// What statistics are taken of.
fn measured(x: Pack) -> Pack {
    return x;
}

// What is summed up of a deviation.
fn measure(d: Pack) -> Pack {
    return d * d;
}

// The direction in which the normalized y changes the scale.
fn slope(y: Pack) -> Pack {
    return y;
}
