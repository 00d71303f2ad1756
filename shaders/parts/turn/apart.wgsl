// A team goes through rows that all begin in the same way. What its rows share with their neighbours is stored by two teams.
// Provides run. Requires TURNS, Team, run_turn.

fn run(team: Team) {
    var of_turn = team;
    of_turn.index = team.index / TURNS;
    run_turn(of_turn, team.index % TURNS);
}
