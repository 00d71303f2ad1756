// A team is one subgroup, of whatever size the driver chose: no barrier.
// Provides Builtins, Team, team_of, team_sum, team_sum2. Needs the SUBGROUP feature.
// Relies on subgroups that are full: a workgroup is a multiple of the largest one.
// Uniformity: team_sum and team_sum2 are called by every lane of the subgroup.

struct Builtins {
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(num_subgroups) num_subgroups: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
}

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_of(b: Builtins) -> Team {
    let workgroup = b.workgroup_id.y * b.num_workgroups.x + b.workgroup_id.x;
    return Team(workgroup * b.num_subgroups + b.subgroup_id, b.subgroup_lane, b.subgroup_size);
}

fn team_sum(v: f32, team: Team) -> f32 {
    return subgroupAdd(v);
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    return subgroupAdd(v);
}
