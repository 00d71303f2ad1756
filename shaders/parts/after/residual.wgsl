// The residual is added to what was normalized: batch norm.
// Provides add_after.

fn add_after(u: Pack, at: u32) -> Pack {
    return u + load_residual(at);
}
