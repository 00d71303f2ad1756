// The residual is added to what was normalized: batch norm.
// Provides add_after.

fn add_after(u: Pack, at: At) -> Pack {
    return u + load_residual(at);
}
