// What is normalized is the sum of input and residual, in f32.
// Provides load_x.

fn load_x(input_at: At, at: At) -> Pack {
    return load_input(input_at) + load_residual(at);
}
