// Where a pack is that has an element of each of four rows: its number in them. They have a pack for each element.
// Provides At, column_at, number_of, first_of, at_of, elements_of. Requires pack of four, params.stride.

alias At = u32;

// Of the rows' pack in the rows.
fn column_at(pack: u32) -> At {
    return pack;
}

// Of a column, among the packs of its rows.
fn number_of(column: At) -> u32 {
    return column;
}

// Where four rows begin: so many fours are neighbours as are between one element of a row and the next.
fn first_of(row: u32, stride: u32) -> u32 {
    return row / stride * stride * params.packs + row % stride;
}

// Of a column in the rows that begin at `first`.
fn at_of(first: u32, column: At) -> At {
    return first + column * params.stride;
}

// Elements in the first packs of a row.
fn elements_of(packs: u32) -> f32 {
    return f32(packs);
}
