// A team is one workgroup: each subgroup adds up its lanes, then every subgroup adds up the subgroups.
// Provides Team, team_sum, team_sum2, team_sum4, main. Requires run, WORKGROUP_SIZE. Needs the SUBGROUP feature.
// Uniformity: sums are called by every invocation of the workgroup.

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
    subgroup: u32,
    subgroups: u32,
    subgroup_lane: u32,
    subgroup_size: u32,
}

// No subgroup is smaller than four lanes. Two of them, in turns: who adds up the one waits for nobody who still reads the other.
const SUBGROUPS: u32 = WORKGROUP_SIZE / 4u;
var<workgroup> subgroup_sums: array<vec4<f32>, 2u * SUBGROUPS>;
var<private> first_sum: u32 = 0u;

fn team_sum(v: f32, team: Team) -> f32 {
    return team_sum2(vec2<f32>(v, 0.0), team).x;
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    let first = share(vec4<f32>(subgroupAdd(v), 0.0, 0.0), team);
    var total = vec2<f32>();
    for (var i = team.subgroup_lane; i < team.subgroups; i += team.subgroup_size) {
        total += subgroup_sums[first + i].xy;
    }
    return subgroupAdd(total);
}

fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    let first = share(subgroupAdd(v), team);
    var total = vec4<f32>();
    for (var i = team.subgroup_lane; i < team.subgroups; i += team.subgroup_size) {
        total += subgroup_sums[first + i];
    }
    return subgroupAdd(total);
}

// Tells all subgroups the sum of this one. Says where the first of them is.
fn share(sum: vec4<f32>, team: Team) -> u32 {
    let first = first_sum;
    first_sum = SUBGROUPS - first;
    if team.subgroup_lane == 0u {
        subgroup_sums[first + team.subgroup] = sum;
    }
    // Who comes here has read the sums of the call before, and those of the call before that one are read by all.
    workgroupBarrier();
    return first;
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(num_subgroups) num_subgroups: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup, local_index, WORKGROUP_SIZE, subgroup_id, num_subgroups, subgroup_lane, subgroup_size));
}
