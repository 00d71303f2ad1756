// relu: max(u, 0), where a NaN stays one. Its slope at 0 is 0.
// Provides activate, activation_slope.

fn activate(u: Pack) -> Pack {
    return pack_nan_of(u, select(u, Pack(0.0), u < Pack(0.0)));
}

fn activation_slope(u: Pack) -> Pack {
    return select(Pack(1.0), Pack(0.0), u <= Pack(0.0));
}
