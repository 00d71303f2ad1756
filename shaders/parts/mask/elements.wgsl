// What of a pack counts, where elements lie outside its row.
// Provides Mask, mask_of, masked, has_element. Requires pack of four, At with `inside`, a vec4<bool>.

alias Mask = vec4<bool>;

// What of a pack counts, if the pack does.
fn mask_of(column: At, counts: bool) -> Mask {
    return column.inside & vec4<bool>(counts);
}

fn masked(v: Pack, mask: Mask) -> Pack {
    return select(Pack(0.0), v, mask);
}

fn has_element(column: At, i: u32) -> bool {
    return column.inside[i];
}
