// The output tensor, stored as f32.
// Provides store_output. Requires Pack.

@group(0) @binding(4) var<storage, read_write> output: array<Pack>;

fn store_output(i: u32, v: Pack) {
    output[i] = v;
}
