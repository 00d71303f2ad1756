// A team is one invocation: no reduction, no barrier. Every invocation of the workgroup is a team.
// Provides Team, team_sum, team_sum2, team_sum4, main. Requires run, WORKGROUP_SIZE.

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_sum(v: f32, team: Team) -> f32 {
    return v;
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    return v;
}

fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    return v;
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup * WORKGROUP_SIZE + local_index, 0u, 1u));
}
