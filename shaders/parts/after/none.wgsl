// Nothing is added to what was normalized.
// Provides add_after.

fn add_after(u: Pack, at: At) -> Pack {
    return u;
}
