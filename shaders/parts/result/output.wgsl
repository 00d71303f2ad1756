// The result goes to a tensor of its own.
// Provides store_result.

fn store_result(at: At, y: Pack) {
    store_output(at, y);
}
