// What is normalized is the input.
// Provides load_x.

fn load_x(input_at: At, at: At) -> Pack {
    return load_input(input_at);
}
