// Partial sums of g and of g * y of a pack of columns, to which more rows are added.
// Provides SUMS, add_partial_sums.

const SUMS: bool = true;

// `to` counts elements. The `first` are what the others are added to.
fn add_partial_sums(to: u32, g: Pack, gy: Pack, first: bool) {
    for (var i = 0u; i < PACK; i += 1u) {
        var sums = vec2<f32>(pack_component(g, i), pack_component(gy, i));
        if !first {
            sums += partial_sums[to + i];
        }
        partial_sums[to + i] = sums;
    }
}
