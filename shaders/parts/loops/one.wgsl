// The packs of a row in one loop.
// Provides EDGES_APART, packs_of_lane. Requires Packs, Team.

const EDGES_APART: bool = false;

fn packs_of_lane(part: u32, packs: u32, team: Team) -> Packs {
    return Packs(team.lane, packs, team.lanes);
}
