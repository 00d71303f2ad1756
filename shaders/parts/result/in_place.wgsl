// The result is written over the input.
// Provides store_result.

fn store_result(at: At, y: Pack) {
    store_input(at, y);
}
