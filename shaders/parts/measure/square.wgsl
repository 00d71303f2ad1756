// The scale is made of squares.
// Provides measure, slope.

// What is summed up of a deviation.
fn measure(d: Pack) -> Pack {
    return d * d;
}

// The direction in which the normalized y changes the scale.
fn slope(y: Pack) -> Pack {
    return y;
}
