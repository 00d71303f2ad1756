// The scale is made of magnitudes.
// Provides measure, slope.

// What is summed up of a value.
fn measure(d: Pack) -> Pack {
    return abs(d);
}

// The direction in which the normalized y changes the scale.
fn slope(y: Pack) -> Pack {
    return sign(y);
}
