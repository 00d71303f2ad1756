// What is normalized is the sum that the forward pass wrote.
// Provides load_x.

fn load_x(input_at: At, at: At) -> Pack {
    return load_residual_output(at);
}
