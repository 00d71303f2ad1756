// Counts one batch. This is a dispatch of its own, so that every channel of finalize sees the same count.

@compute @workgroup_size(1)
fn main() {
    store_num_batches_tracked(0u, load_num_batches_tracked(0u) + 1u);
}
