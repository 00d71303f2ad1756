// Counts one batch. A dispatch of its own, so that every channel of the finalize kernel sees the same count.

@group(0) @binding(9) var<storage, read_write> num_batches_tracked: array<u32>; // [1]

@compute @workgroup_size(1)
fn main() {
    num_batches_tracked[0] += 1u;
}
