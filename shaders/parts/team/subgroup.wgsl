// A team is one subgroup, of whatever size the driver chose: no barrier.
// Provides Team, team_sum, team_sum2, team_sum4, main. Requires run, WORKGROUP_SIZE. Needs the SUBGROUP feature.
// Relies on subgroups that are full: a workgroup is a multiple of the largest one.
// Uniformity: sums are called by every lane of the subgroup.

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_sum(v: f32, team: Team) -> f32 {
    return subgroupAdd(v);
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    return subgroupAdd(v);
}

fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    return subgroupAdd(v);
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(num_subgroups) num_subgroups: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup * num_subgroups + subgroup_id, subgroup_lane, subgroup_size));
}
