// The input tensor, stored as f32.
// Provides load_input. Requires Pack.

@group(0) @binding(1) var<storage, read> input: array<Pack>;

fn load_input(i: u32) -> Pack {
    return input[i];
}
