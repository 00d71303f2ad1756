// Partial sums of g and of g * y of a pack of columns.
// Provides SUMS, put_partial_sums. Requires at, mask.

const SUMS: bool = true;

// Those of a row of columns begin at `first`.
fn put_partial_sums(first: u32, column: At, g: Pack, gy: Pack) {
    for (var i = 0u; i < PACK; i += 1u) {
        if has_element(column, i) {
            partial_sums[first + element_of(column, i)] = vec2<f32>(pack_component(g, i), pack_component(gy, i));
        }
    }
}
