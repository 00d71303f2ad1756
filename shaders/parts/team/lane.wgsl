// A team is one invocation: no reduction, no barrier. Every invocation of the workgroup is a team.
// Provides Builtins, Team, team_of, team_sum, team_sum2. Requires WORKGROUP_SIZE.

struct Builtins {
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
}

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_of(b: Builtins) -> Team {
    let workgroup = b.workgroup_id.y * b.num_workgroups.x + b.workgroup_id.x;
    return Team(workgroup * WORKGROUP_SIZE + b.local_index, 0u, 1u);
}

fn team_sum(v: f32, team: Team) -> f32 {
    return v;
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    return v;
}
