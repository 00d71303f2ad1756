// Partial sums of g and of g * y of a pack of columns, to which more rows are added.
// Provides SUMS, add_partial_sums. Requires at.

const SUMS: bool = true;

// Those of a row of columns begin at `first`. The `fresh` ones are what the others are added to. No branch around the load: Microsoft's FXC takes
// it for one around the barriers that come later in the loop.
fn add_partial_sums(first: u32, column: At, g: Pack, gy: Pack, fresh: bool) {
    for (var i = 0u; i < PACK; i += 1u) {
        let to = first + element_of(column, i);
        let before = select(partial_sums[to], vec2<f32>(), fresh);
        partial_sums[to] = before + vec2<f32>(pack_component(g, i), pack_component(gy, i));
    }
}
