// A team goes through its rows in one turn.
// Provides run, row_of, row_there, packs_of. Requires Team, run_turn, params.

// The row that has the number `index` in a turn.
fn row_of(index: u32, turn: u32) -> u32 {
    return index;
}

// A row that is there: this one, if it is.
fn row_there(row: u32, turn: u32) -> u32 {
    return min(row, params.rows - 1u);
}

// Packs of a row.
fn packs_of(turn: u32) -> u32 {
    return params.packs;
}

fn run(team: Team) {
    run_turn(team, 0u);
}
