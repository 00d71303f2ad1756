// Where a pack is: its number. It lies inside its row.
// Provides At, column_at, number_of, first_of, at_of, first_inside, element_of, elements_of. Requires pack.

alias At = u32;

// Of a row's pack in the row.
fn column_at(pack: u32) -> At {
    return pack;
}

// Of a column, among the packs of its row.
fn number_of(column: At) -> u32 {
    return column;
}

// Where a row begins, of rows that are `stride` apart.
fn first_of(row: u32, stride: u32) -> u32 {
    return row * stride;
}

// Of a column in the row that begins at `first`.
fn at_of(first: u32, column: At) -> At {
    return first + column;
}

// The first element of a row, from its first pack.
fn first_inside(v: Pack, column: At) -> f32 {
    return pack_first(v);
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return column * PACK + i;
}

// Elements in the first packs of a row.
fn elements_of(packs: u32) -> f32 {
    return f32(packs * PACK);
}
