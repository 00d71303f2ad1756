// The packs of a row in two loops: those that are its own alone, which are stored as they are, and then its first and its last one, which keep
// what is another row's. Each pack is the lane's that has it in one loop.
// Provides EDGES_APART, packs_of_lane. Requires Packs, Team.

// Whether the first loop has none of the edges.
const EDGES_APART: bool = true;

fn packs_of_lane(part: u32, packs: u32, team: Team) -> Packs {
    let last = packs - 1u;
    let has_first = team.lane == 0u;
    if part == 0u {
        return Packs(select(team.lane, team.lanes, has_first), last, team.lanes);
    }
    // At most two: a stride leads from the first one to the last one, or to the end.
    let end_of_first = select(0u, 1u, has_first);
    let end = select(end_of_first, packs, team.lane == last % team.lanes);
    return Packs(select(last, 0u, has_first), end, max(last, 1u));
}
