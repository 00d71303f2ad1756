// What of a pack counts, where all of its elements lie inside its row: all or nothing.
// Provides Inside, inside_of, counted, has_element. Requires At, Pack.

alias Inside = bool;

// What of a pack counts, if the pack does.
fn inside_of(column: At, counts: bool) -> Inside {
    return counts;
}

// What counts of v.
fn counted(v: Pack, inside: Inside) -> Pack {
    return select(Pack(0.0), v, inside);
}

fn has_element(column: At, i: u32) -> bool {
    return true;
}
