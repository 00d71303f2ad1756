// The result goes to a tensor of its own.
// Provides store_result.

fn store_result(at: u32, y: Pack) {
    store_output(at, y);
}
