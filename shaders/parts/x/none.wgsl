// Nothing that is computed depends on what is normalized.
// Provides load_x.

fn load_x(input_at: u32, at: u32) -> Pack {
    return Pack();
}
