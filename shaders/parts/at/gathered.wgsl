// The elements of a pack, where each looks its weight or statistic up.
// Provides indices_of. Requires pack of four, at/whole.

// In elements from the begin of the row.
fn indices_of(column: At) -> vec4<u32> {
    return vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
}
