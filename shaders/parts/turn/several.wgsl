// What two rows meet in is both rows': the last word, or pack, of a row is the first one of the next. So they begin in several ways, which neighbours
// have in turns.
// Provides row_of, row_there, packs_of. Requires TURNS, last_pack, params.

// The row that has the number `index` in a turn.
fn row_of(index: u32, turn: u32) -> u32 {
    return index * TURNS + turn;
}

// A row that is there: this one, if it is. Otherwise the last one of its turn, which begins as this one would, or the last one of all.
fn row_there(row: u32, turn: u32) -> u32 {
    let last = params.rows - 1u;
    // Where the turn has none, this wraps: 2^32 is a multiple of TURNS.
    return min(row, min(last - (last - turn) % TURNS, last));
}

// Packs that have elements of a row.
fn packs_of(turn: u32) -> u32 {
    return last_pack(turn) + 1u;
}
