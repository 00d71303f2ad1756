// What of a pack counts, where all of its elements lie inside its row: all or nothing.
// Provides Mask, mask_of, masked, has_element. Requires At, Pack.

alias Mask = bool;

// What of a pack counts, if the pack does.
fn mask_of(column: At, counts: bool) -> Mask {
    return counts;
}

fn masked(v: Pack, mask: Mask) -> Pack {
    return select(Pack(0.0), v, mask);
}

fn has_element(column: At, i: u32) -> bool {
    return true;
}
