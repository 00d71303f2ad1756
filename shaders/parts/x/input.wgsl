// What is normalized is the input.
// Provides load_x.

fn load_x(input_at: u32, at: u32) -> Pack {
    return load_input(input_at);
}
