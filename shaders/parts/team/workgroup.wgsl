// A team is one workgroup, without subgroup operations: sums go through workgroup memory in two steps.
// Provides Team, team_sum, team_sum2, team_sum4, main. Requires run, WORKGROUP_SIZE, a multiple of FAN_IN.
// Uniformity: sums are called by every invocation of the workgroup.

struct Team {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

const FAN_IN: u32 = 16u;
var<workgroup> leaves: array<vec2<f32>, WORKGROUP_SIZE>;
var<workgroup> branches: array<vec2<f32>, WORKGROUP_SIZE / FAN_IN>;

fn team_sum(v: f32, team: Team) -> f32 {
    return team_sum2(vec2<f32>(v, 0.0), team).x;
}

fn team_sum2(v: vec2<f32>, team: Team) -> vec2<f32> {
    let width = WORKGROUP_SIZE / FAN_IN;
    leaves[team.lane] = v;
    workgroupBarrier();
    if team.lane < width {
        var sum = leaves[team.lane];
        for (var i = 1u; i < FAN_IN; i += 1u) {
            sum += leaves[team.lane + i * width];
        }
        branches[team.lane] = sum;
    }
    workgroupBarrier();
    var total = branches[0];
    for (var i = 1u; i < width; i += 1u) {
        total += branches[i];
    }
    // The next call writes `leaves`, which nobody reads any more, and `branches` only after its first barrier.
    return total;
}

// One after the other: `leaves` as wide as that would be more than the memory that every device has.
fn team_sum4(v: vec4<f32>, team: Team) -> vec4<f32> {
    let first = team_sum2(v.xy, team);
    return vec4<f32>(first, team_sum2(v.zw, team));
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup, local_index, WORKGROUP_SIZE));
}
