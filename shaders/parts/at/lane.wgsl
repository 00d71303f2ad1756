// Packs of a lane that go round the lanes of a team.
// Provides pack_of, column_of_lane. Requires column_at.

// The pack number k of a lane.
fn pack_of(k: u32, lane: u32, lanes: u32) -> u32 {
    return lane + k * lanes;
}

// Where it is. One that is not there is the first of the row. `row` and `middle` are for rows that begin inside of words.
fn column_of_lane(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> At {
    return column_at(select(0u, pack_of(k, lane, lanes), is_there));
}
