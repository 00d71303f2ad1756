// A team goes through neighbours that begin each in its own way, one in each turn. Its lanes are turned in between, so that one lane has what two
// rows share in both turns: no store is atomic.
// Provides run. Requires TURNS, Team, run_turn, last_pack.

fn run(team: Team) {
    var in_turn = team;
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        run_turn(in_turn, turn);
        // Who had the last pack of a row has the first one of the next.
        in_turn.lane = (in_turn.lane + team.lanes - last_pack(turn) % team.lanes) % team.lanes;
    }
}
