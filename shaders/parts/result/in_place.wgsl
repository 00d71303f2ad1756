// The result is written over the input.
// Provides store_result.

fn store_result(at: u32, y: Pack) {
    store_input(at, y);
}
