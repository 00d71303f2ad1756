// Adds up the sums of a team's lanes, as hi + lo: what team_sum adds up has so few digits that nothing is rounded, and
// the rest is small.
// Provides team_sums. Requires exact_sums, group_sums, pack, real as wide as pack, team.
// Uniformity: as team_sum.

// 1.5 times a power of two, of which v + it - it is a multiple of a digit so coarse that f32 holds any sum of those v.
// Where it would be an infinity, zero, which leaves all of v.
fn grid_of(sum_of_magnitudes: f32) -> f32 {
    let power = (bitcast<u32>(sum_of_magnitudes) & 0x7f800000u) + 0x01000000u;
    return select(1.5 * bitcast<f32>(power), 0.0, !(sum_of_magnitudes < 1e37));
}

fn team_sums(sums: Sums, team: Team) -> GroupSums {
    let magnitudes = vec4<f32>(pack_sum(abs(sums.g.hi)), pack_sum(abs(sums.gy.hi)), pack_sum(abs(sums.y.hi)), 0.0);
    let all = team_sum4(magnitudes, team);
    let grid = vec3<f32>(grid_of(all.x), grid_of(all.y), grid_of(all.z));
    let g = opaque(sums.g.hi + grid.x) - grid.x;
    let gy = opaque(sums.gy.hi + grid.y) - grid.y;
    let y = opaque(sums.y.hi + grid.z) - grid.z;
    let hi = team_sum4(vec4<f32>(pack_sum(g), pack_sum(gy), pack_sum(y), 0.0), team);
    let rest_g = pack_sum((sums.g.hi - g) + sums.g.lo);
    let rest_gy = pack_sum((sums.gy.hi - gy) + sums.gy.lo);
    let rest_y = pack_sum((sums.y.hi - y) + sums.y.lo);
    let lo = team_sum4(vec4<f32>(rest_g, rest_gy, rest_y, 0.0), team);
    return GroupSums(vec2<f32>(hi.x, lo.x), vec2<f32>(hi.y, lo.y), vec2<f32>(hi.z, lo.z));
}
