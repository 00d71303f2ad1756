// Where a pack is, in rows that are whole pairs of packs: a lane has both packs of a pair, and halves are loaded and stored by the pair.
// A kernel stores both, the first one first: it waits in a variable for the second.
// Provides At, pack_of, column_of_lane, column_at, number_of, first_of, at_of, first_inside, element_of, elements_of. Requires pack of four.

struct At {
    pair: u32,
    second: bool, // of the two packs
}

// The pack number k of a lane: that after an even one is its neighbour.
fn pack_of(k: u32, lane: u32, lanes: u32) -> u32 {
    return (lane + k / 2u * lanes) * 2u + k % 2u;
}

// Where it is. One that is not there is in the first pair of the row. Which of a pair it is follows from k alone, which is a constant.
fn column_of_lane(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> At {
    return At(select(0u, lane + k / 2u * lanes, is_there), k % 2u == 1u);
}

// Of a row's pack in the row.
fn column_at(pack: u32) -> At {
    return At(pack / 2u, pack % 2u == 1u);
}

// Of a column, among the packs of its row.
fn number_of(column: At) -> u32 {
    return column.pair * 2u + select(0u, 1u, column.second);
}

// Where a row begins, of rows that are `stride` apart.
fn first_of(row: u32, stride: u32) -> u32 {
    return row * stride;
}

// Of a column in the row that begins at the pair `first`.
fn at_of(first: u32, column: At) -> At {
    return At(first + column.pair, column.second);
}

// The first element of a row, from its first pack.
fn first_inside(v: Pack, column: At) -> f32 {
    return v.x;
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return number_of(column) * 4u + i;
}

// Elements in the first packs of a row.
fn elements_of(packs: u32) -> f32 {
    return f32(packs * 4u);
}
