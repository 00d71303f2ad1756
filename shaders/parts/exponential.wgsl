// Exponentials of numbers that are not positive, and what is made of them without losing digits at either end.
// Provides exp_minus, sigmoid, sigmoid_slope. Requires pack.

// exp(-a), and 0 where that would be less than 1.7e-38: before numbers become subnormal, of which each device makes what it likes.
fn exp_minus(a: Pack) -> Pack {
    let ends = a > Pack(87.0);
    return select(exp(-select(a, Pack(87.0), ends)), Pack(0.0), ends);
}

fn sigmoid(u: Pack) -> Pack {
    let e = exp_minus(abs(u));
    return pack_nan_of(u, select(Pack(1.0), e, u < Pack(0.0)) / (1.0 + e));
}

// s * (1 - s), where 1 - s would lose all digits at large u.
fn sigmoid_slope(u: Pack) -> Pack {
    let e = exp_minus(abs(u));
    return pack_nan_of(u, e / ((1.0 + e) * (1.0 + e)));
}
