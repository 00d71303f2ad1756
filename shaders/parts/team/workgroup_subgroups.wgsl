// A team is one workgroup: each subgroup adds up its lanes, then every subgroup adds up the subgroups.
// Provides Team, team_sum, team_sum2, team_sum4, main. Requires run, WORKGROUP_SIZE, SUBGROUP_SIZE: lanes of each subgroup, 0 if they may differ.
// Needs the SUBGROUP feature.
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

// At most: no subgroup is smaller than four lanes.
const SUBGROUPS: u32 = WORKGROUP_SIZE / max(SUBGROUP_SIZE, 4u);
// So few that a lane adds them up sooner than lanes tell each other what they have.
const FEW: bool = SUBGROUP_SIZE > 0u && SUBGROUPS <= 16u;
// Two of them, in turns: who adds up the one waits for nobody who still reads the other.
var<workgroup> subgroup_sums: array<vec4<f32>, WORKGROUP_SIZE / 2u>;
var<private> first_sum: u32 = 0u;

fn team_sum(v: f32, team: Team) -> f32 {
    let part = part_of(share(vec4<f32>(subgroupAdd(v), 0.0, 0.0, 0.0), team), team).x;
    if FEW {
        return part;
    }
    return subgroupAdd(part);
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    let part = part_of(share(vec4<f32>(subgroupAdd(v), 0.0, 0.0), team), team).xy;
    if FEW {
        return part;
    }
    return subgroupAdd(part);
}

fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    let part = part_of(share(subgroupAdd(v), team), team);
    if FEW {
        return part;
    }
    return subgroupAdd(part);
}

// The sum of all subgroups, or the lane's part of it.
fn part_of(first: u32, team: Team) -> vec4<f32> {
    var sum = vec4<f32>();
    let end = select(team.subgroups, SUBGROUPS, FEW);
    for (var i = select(team.subgroup_lane, 0u, FEW); i < end; i += select(team.subgroup_size, 1u, FEW)) {
        sum += subgroup_sums[first + i];
    }
    return sum;
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
