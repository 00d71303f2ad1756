// The word in which two rows of halves meet is both rows': the last one of an even row and the first one of the next. A team goes through both,
// first through even rows, then through odd ones. Its lanes are turned in between, so that one lane has the word in both turns: no store is
// atomic.
// Provides run, row_of. Requires Team, run_turn, params.packs.

const TURNS: u32 = 2u;

// The row that has the number `index` in a turn.
fn row_of(index: u32, turn: u32) -> u32 {
    return index * TURNS + turn;
}

fn run(team: Team) {
    var in_turn = team;
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        run_turn(in_turn, turn);
        // Who had the last pack of a row has the first one of the next.
        in_turn.lane = (team.lane + team.lanes - (params.packs - 1u) % team.lanes) % team.lanes;
    }
}
