// Partial sums of g and of g * y of a pack of columns.
// Provides SUMS, put_partial_sums.

const SUMS: bool = true;

// `to` counts elements.
fn put_partial_sums(to: u32, g: Pack, gy: Pack) {
    for (var i = 0u; i < PACK; i += 1u) {
        partial_sums[to + i] = vec2<f32>(pack_component(g, i), pack_component(gy, i));
    }
}
