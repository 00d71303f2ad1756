// Local response norm: an element is divided by a power of the squares in its window.
// Provides put. Requires power_of.

fn put(at: u32, first: u32, channel: u32) {
    store_output(at, load_input(at) * power_of(first, channel).inverse);
}
