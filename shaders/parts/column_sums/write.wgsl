// The sums of a pack of columns are left for the pass that merges them.
// Provides put_column_sums. Requires pack, exact_sums, group_sums.

// Those of a row of columns begin at `first`.
fn put_column_sums(first: u32, column: u32, sums: Sums) {
    for (var i = 0u; i < PACK; i += 1u) {
        let g = vec2<f32>(pack_component(sums.g.hi, i), pack_component(sums.g.lo, i));
        let gy = vec2<f32>(pack_component(sums.gy.hi, i), pack_component(sums.gy.lo, i));
        let y = vec2<f32>(pack_component(sums.y.hi, i), pack_component(sums.y.lo, i));
        partial_sums[first + column * PACK + i] = whole_or_part(GroupSums(g, gy, y));
    }
}
