// A team is four lanes of a subgroup, so that a subgroup has several short rows: no barrier.
// Provides Team, team_sum, team_sum2, team_sum4, main. Requires run, WORKGROUP_SIZE. Needs the SUBGROUP feature.
// Relies on subgroups that are full: a workgroup is a multiple of the largest one. No subgroup is smaller than four lanes.
// Uniformity: sums are called by every lane of the subgroup.

const CLUSTER: u32 = 4u;

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_sum(v: f32, team: Team) -> f32 {
    let pairs = v + subgroupShuffleXor(v, 1u);
    return pairs + subgroupShuffleXor(pairs, 2u);
}

// Each lane adds what another one has, which adds the same the other way round: all have the same bits.
fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    let pairs = v + subgroupShuffleXor(v, 1u);
    return pairs + subgroupShuffleXor(pairs, 2u);
}

fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    let pairs = v + subgroupShuffleXor(v, 1u);
    return pairs + subgroupShuffleXor(pairs, 2u);
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
    let subgroup = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * num_subgroups + subgroup_id;
    run(Team(subgroup * (subgroup_size / CLUSTER) + subgroup_lane / CLUSTER, subgroup_lane % CLUSTER, CLUSTER));
}
