// Teams: the invocations that reduce together, and those that merge together.

// ---- lane
// A team is one invocation: no reduction, no barrier. Every invocation of the workgroup is a team.

struct Team__lane {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_sum__lane(v: f32, team: Team__lane) -> f32 {
    return v;
}

fn team_sum2__lane(v: vec2<f32>, team: Team__lane) -> vec2<f32> {
    return v;
}

fn team_sum4__lane(v: vec4<f32>, team: Team__lane) -> vec4<f32> {
    return v;
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__lane(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team__lane(workgroup * WORKGROUP_SIZE + local_index, 0u, 1u));
}

// ---- cluster
// A team is four lanes of a subgroup, so that a subgroup has several short rows: no barrier.
// Uniformity: sums are called by every lane of the subgroup.

const CLUSTER__cluster: u32 = 4u;

struct Team__cluster {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_sum__cluster(v: f32, team: Team__cluster) -> f32 {
    let pairs = v + subgroupShuffleXor(v, 1u);
    return pairs + subgroupShuffleXor(pairs, 2u);
}

// Each lane adds what another one has, which adds the same the other way round: all have the same bits.
fn team_sum2__cluster(v: vec2<f32>, team: Team__cluster) -> vec2<f32> {
    let pairs = v + subgroupShuffleXor(v, 1u);
    return pairs + subgroupShuffleXor(pairs, 2u);
}

fn team_sum4__cluster(v: vec4<f32>, team: Team__cluster) -> vec4<f32> {
    let pairs = v + subgroupShuffleXor(v, 1u);
    return pairs + subgroupShuffleXor(pairs, 2u);
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__cluster(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(num_subgroups) num_subgroups: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    let subgroup = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * num_subgroups + subgroup_id;
    run(Team__cluster(subgroup * (subgroup_size / CLUSTER__cluster) + subgroup_lane / CLUSTER__cluster, subgroup_lane % CLUSTER__cluster, CLUSTER__cluster));
}

// ---- subgroup
// A team is one subgroup, of whatever size the driver chose: no barrier.
// Uniformity: sums are called by every lane of the subgroup.

struct Team__subgroup {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

fn team_sum__subgroup(v: f32, team: Team__subgroup) -> f32 {
    return subgroupAdd(v);
}

fn team_sum2__subgroup(v: vec2<f32>, team: Team__subgroup) -> vec2<f32> {
    return subgroupAdd(v);
}

fn team_sum4__subgroup(v: vec4<f32>, team: Team__subgroup) -> vec4<f32> {
    return subgroupAdd(v);
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__subgroup(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(num_subgroups) num_subgroups: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team__subgroup(workgroup * num_subgroups + subgroup_id, subgroup_lane, subgroup_size));
}

// ---- workgroup
// A team is one workgroup, without subgroup operations: sums go through workgroup memory in two steps.
// Uniformity: sums are called by every invocation of the workgroup.

struct Team__workgroup {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
}

const FAN_IN__workgroup: u32 = 16u;

var<workgroup> leaves__workgroup: array<vec2<f32>, WORKGROUP_SIZE>;

var<workgroup> branches__workgroup: array<vec2<f32>, WORKGROUP_SIZE / FAN_IN__workgroup>;

fn team_sum__workgroup(v: f32, team: Team__workgroup) -> f32 {
    return team_sum2__workgroup(vec2<f32>(v, 0.0), team).x;
}

fn team_sum2__workgroup(v: vec2<f32>, team: Team__workgroup) -> vec2<f32> {
    let width = WORKGROUP_SIZE / FAN_IN__workgroup;
    leaves__workgroup[team.lane] = v;
    workgroupBarrier();
    if team.lane < width {
        var sum = leaves__workgroup[team.lane];
        for (var i = 1u; i < FAN_IN__workgroup; i += 1u) {
            sum += leaves__workgroup[team.lane + i * width];
        }
        branches__workgroup[team.lane] = sum;
    }
    workgroupBarrier();
    var total = branches__workgroup[0];
    for (var i = 1u; i < width; i += 1u) {
        total += branches__workgroup[i];
    }
    // The next call writes `leaves`, which nobody reads any more, and `branches` only after its first barrier.
    return total;
}

// One after the other: `leaves` as wide as that would be more than the memory that every device has.
fn team_sum4__workgroup(v: vec4<f32>, team: Team__workgroup) -> vec4<f32> {
    let first = team_sum2__workgroup(v.xy, team);
    return vec4<f32>(first, team_sum2__workgroup(v.zw, team));
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__workgroup(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team__workgroup(workgroup, local_index, WORKGROUP_SIZE));
}

// ---- workgroup_subgroups
// A team is one workgroup: each subgroup adds up its lanes, then every subgroup adds up the subgroups.
// Uniformity: sums are called by every invocation of the workgroup.

struct Team__workgroup_subgroups {
    index: u32, // of this team in the whole dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // in a team
    subgroup: u32,
    subgroups: u32,
    subgroup_lane: u32,
    subgroup_size: u32,
}

// At most: no subgroup is smaller than four lanes.
const SUBGROUPS__workgroup_subgroups: u32 = WORKGROUP_SIZE / max(SUBGROUP_SIZE, 4u);

// So few that a lane adds them up sooner than lanes tell each other what they have.
const FEW__workgroup_subgroups: bool = SUBGROUP_SIZE > 0u && SUBGROUPS__workgroup_subgroups <= 16u;

// Two of them, in turns: who adds up the one waits for nobody who still reads the other.
var<workgroup> subgroup_sums__workgroup_subgroups: array<vec4<f32>, WORKGROUP_SIZE / 2u>;

var<private> first_sum__workgroup_subgroups: u32 = 0u;

fn team_sum__workgroup_subgroups(v: f32, team: Team__workgroup_subgroups) -> f32 {
    let part = part_of__workgroup_subgroups(share__workgroup_subgroups(vec4<f32>(subgroupAdd(v), 0.0, 0.0, 0.0), team), team).x;
    if FEW__workgroup_subgroups {
        return part;
    }
    return subgroupAdd(part);
}

fn team_sum2__workgroup_subgroups(v: vec2<f32>, team: Team__workgroup_subgroups) -> vec2<f32> {
    let part = part_of__workgroup_subgroups(share__workgroup_subgroups(vec4<f32>(subgroupAdd(v), 0.0, 0.0), team), team).xy;
    if FEW__workgroup_subgroups {
        return part;
    }
    return subgroupAdd(part);
}

fn team_sum4__workgroup_subgroups(v: vec4<f32>, team: Team__workgroup_subgroups) -> vec4<f32> {
    let part = part_of__workgroup_subgroups(share__workgroup_subgroups(subgroupAdd(v), team), team);
    if FEW__workgroup_subgroups {
        return part;
    }
    return subgroupAdd(part);
}

// The sum of all subgroups, or the lane's part of it.
fn part_of__workgroup_subgroups(first: u32, team: Team__workgroup_subgroups) -> vec4<f32> {
    var sum = vec4<f32>();
    let end = select(team.subgroups, SUBGROUPS__workgroup_subgroups, FEW__workgroup_subgroups);
    for (var i = select(team.subgroup_lane, 0u, FEW__workgroup_subgroups); i < end; i += select(team.subgroup_size, 1u, FEW__workgroup_subgroups)) {
        sum += subgroup_sums__workgroup_subgroups[first + i];
    }
    return sum;
}

// Tells all subgroups the sum of this one. Says where the first of them is.
fn share__workgroup_subgroups(sum: vec4<f32>, team: Team__workgroup_subgroups) -> u32 {
    let first = first_sum__workgroup_subgroups;
    first_sum__workgroup_subgroups = SUBGROUPS__workgroup_subgroups - first;
    if team.subgroup_lane == 0u {
        subgroup_sums__workgroup_subgroups[first + team.subgroup] = sum;
    }
    // Who comes here has read the sums of the call before, and those of the call before that one are read by all.
    workgroupBarrier();
    return first;
}

// Builtins one by one: naga 30 makes no HLSL of those in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__workgroup_subgroups(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(num_subgroups) num_subgroups: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team__workgroup_subgroups(workgroup, local_index, WORKGROUP_SIZE, subgroup_id, num_subgroups, subgroup_lane, subgroup_size));
}

// ---- merge_by_lane
// A lane merges all of a group: no barrier.

const LANES__merge_by_lane: u32 = 1u;

fn merged__merge_by_lane(own: vec4<f32>, index: u32) -> vec4<f32> {
    return own;
}

// ---- merge_by_workgroup
// Lanes of a workgroup share what they merge of a group: one lane would wait for its loads for too long.
// Uniformity: merged is called by every invocation of the workgroup.

const LANES__merge_by_workgroup: u32 = 32u; // of a group, a power of two

var<workgroup> results__merge_by_workgroup: array<vec4<f32>, WORKGROUP_SIZE>;

// Those of a group are GROUPS apart. The first of them gets what all of them have.
fn merged__merge_by_workgroup(own: vec4<f32>, index: u32) -> vec4<f32> {
    results__merge_by_workgroup[index] = own;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half >= GROUPS; half /= 2u) {
        if index < half {
            results__merge_by_workgroup[index] = merge(results__merge_by_workgroup[index], results__merge_by_workgroup[index + half]);
        }
        workgroupBarrier();
    }
    return results__merge_by_workgroup[index];
}
