// Partial sums of g and of g * y of a pack of columns, to which more rows are added.
// Provides SUMS, add_partial_sums. Requires at.

const SUMS: bool = true;

// Those of a row of columns begin at `first`. The `fresh` ones are what the others are added to.
fn add_partial_sums(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
    for (var i = 0u; i < PACK; i += 1u) {
        if has_element(column, i) {
            let to = first + element_of(column, i);
            var sums = vec2<f32>(pack_component(g, i), pack_component(gy, i));
            if !fresh {
                sums += partial_sums[to];
            }
            partial_sums[to] = sums;
        }
    }
}
