// Teams: the invocations that reduce together, and those that merge together.

// ---- team

struct Team {
    index: u32, // of this team in the dispatch
    lane: u32, // of this invocation in its team
    lanes: u32, // of a team
}

// ---- team: lane
//
// A team is one invocation: no reduction, no barrier. Every invocation of the workgroup is a team.

fn team_sum__lane(v: f32, team: Team) -> f32 {
    return v;
}

fn team_sum2__lane(v: vec2<f32>, team: Team) -> vec2<f32> {
    return v;
}

fn team_sum4__lane(v: vec4<f32>, team: Team) -> vec4<f32> {
    return v;
}

fn team_peak__lane(v: i32, team: Team) -> i32 {
    return v;
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__lane(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup * WORKGROUP_SIZE + local_index, 0u, 1u));
}

// ---- team: cluster
//
// A team is CLUSTER adjacent lanes of a subgroup, a power of two from 4 to 64: no barrier, and no dependence on the
// size of the subgroup.
//
// Needs the SUBGROUP feature, subgroups of at least CLUSTER lanes, and full ones: a workgroup is a multiple of the
// largest size.
//
// Uniformity: every lane of the subgroup calls the sums.

// Two lanes add the same two numbers, so that all lanes have the same bits. Lanes exchange faster over a distance that
// is a constant.
fn team_sum__cluster(v: f32, team: Team) -> f32 {
    var sum = v + subgroupShuffleXor(v, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    if CLUSTER > 4u {
        sum += subgroupShuffleXor(sum, 4u);
    }
    if CLUSTER > 8u {
        sum += subgroupShuffleXor(sum, 8u);
    }
    if CLUSTER > 16u {
        sum += subgroupShuffleXor(sum, 16u);
    }
    if CLUSTER > 32u {
        sum += subgroupShuffleXor(sum, 32u);
    }
    return sum;
}

fn team_sum2__cluster(v: vec2<f32>, team: Team) -> vec2<f32> {
    var sum = v + subgroupShuffleXor(v, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    if CLUSTER > 4u {
        sum += subgroupShuffleXor(sum, 4u);
    }
    if CLUSTER > 8u {
        sum += subgroupShuffleXor(sum, 8u);
    }
    if CLUSTER > 16u {
        sum += subgroupShuffleXor(sum, 16u);
    }
    if CLUSTER > 32u {
        sum += subgroupShuffleXor(sum, 32u);
    }
    return sum;
}

fn team_sum4__cluster(v: vec4<f32>, team: Team) -> vec4<f32> {
    var sum = v + subgroupShuffleXor(v, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    if CLUSTER > 4u {
        sum += subgroupShuffleXor(sum, 4u);
    }
    if CLUSTER > 8u {
        sum += subgroupShuffleXor(sum, 8u);
    }
    if CLUSTER > 16u {
        sum += subgroupShuffleXor(sum, 16u);
    }
    if CLUSTER > 32u {
        sum += subgroupShuffleXor(sum, 32u);
    }
    return sum;
}

fn team_peak__cluster(v: i32, team: Team) -> i32 {
    var peak = v;
    if QUANTIZED_LANES > 1u && CLUSTER > 1u {
        peak = max(peak, subgroupShuffleXor(peak, 1u));
    }
    if QUANTIZED_LANES > 2u && CLUSTER > 2u {
        peak = max(peak, subgroupShuffleXor(peak, 2u));
    }
    if QUANTIZED_LANES > 4u && CLUSTER > 4u {
        peak = max(peak, subgroupShuffleXor(peak, 4u));
    }
    if QUANTIZED_LANES > 8u && CLUSTER > 8u {
        peak = max(peak, subgroupShuffleXor(peak, 8u));
    }
    if QUANTIZED_LANES > 16u && CLUSTER > 16u {
        peak = max(peak, subgroupShuffleXor(peak, 16u));
    }
    if QUANTIZED_LANES > 32u && CLUSTER > 32u {
        peak = max(peak, subgroupShuffleXor(peak, 32u));
    }
    return peak;
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
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
    run(Team(subgroup * (subgroup_size / CLUSTER) + subgroup_lane / CLUSTER, subgroup_lane % CLUSTER, CLUSTER));
}

// ---- team: subgroup
//
// A team is one subgroup of a device whose subgroups have one size: no barrier.
//
// Needs the SUBGROUP feature, and full subgroups: a workgroup is a multiple of their size.
//
// Uniformity: every lane of the subgroup calls the sums.

fn team_sum__subgroup(v: f32, team: Team) -> f32 {
    return subgroupAdd(v);
}

fn team_sum2__subgroup(v: vec2<f32>, team: Team) -> vec2<f32> {
    return subgroupAdd(v);
}

fn team_sum4__subgroup(v: vec4<f32>, team: Team) -> vec4<f32> {
    return subgroupAdd(v);
}

fn team_peak__subgroup(v: i32, team: Team) -> i32 {
    if QUANTIZED_LANES > 128u {
        return subgroupMax(v);
    }
    var peak = v;
    if QUANTIZED_LANES > 1u {
        peak = max(peak, subgroupShuffleXor(peak, 1u));
    }
    if QUANTIZED_LANES > 2u {
        peak = max(peak, subgroupShuffleXor(peak, 2u));
    }
    if QUANTIZED_LANES > 4u {
        peak = max(peak, subgroupShuffleXor(peak, 4u));
    }
    if QUANTIZED_LANES > 8u {
        peak = max(peak, subgroupShuffleXor(peak, 8u));
    }
    if QUANTIZED_LANES > 16u {
        peak = max(peak, subgroupShuffleXor(peak, 16u));
    }
    if QUANTIZED_LANES > 32u {
        peak = max(peak, subgroupShuffleXor(peak, 32u));
    }
    if QUANTIZED_LANES > 64u {
        peak = max(peak, subgroupShuffleXor(peak, 64u));
    }
    return peak;
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
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
    run(Team(workgroup * num_subgroups + subgroup_id, subgroup_lane, subgroup_size));
}

// ---- peaks of a workgroup
//
// The largest of some neighbouring lanes of a workgroup, through workgroup memory.
//
// Uniformity: every invocation of the workgroup calls it.

var<workgroup> peaks: array<atomic<i32>, WORKGROUP_SIZE>;

fn largest_of_lanes(v: i32, lane: u32) -> i32 {
    let first = lane / QUANTIZED_LANES * QUANTIZED_LANES;
    // All lanes have read what the call before wrote.
    workgroupBarrier();
    if lane == first {
        atomicStore(&peaks[first], v);
    }
    workgroupBarrier();
    if lane != first {
        atomicMax(&peaks[first], v);
    }
    workgroupBarrier();
    return atomicLoad(&peaks[first]);
}

// ---- team: workgroup
//
// A team is one workgroup without subgroup operations: sums go through workgroup memory in two steps. WORKGROUP_SIZE is
// a multiple of FAN_IN.
//
// Uniformity: every invocation of the workgroup calls the sums.

const FAN_IN: u32 = 16u;

var<workgroup> leaves: array<vec2<f32>, WORKGROUP_SIZE>;

var<workgroup> branches: array<vec2<f32>, WORKGROUP_SIZE / FAN_IN>;

fn team_sum__workgroup(v: f32, team: Team) -> f32 {
    return team_sum2__workgroup(vec2<f32>(v, 0.0), team).x;
}

fn team_sum2__workgroup(v: vec2<f32>, team: Team) -> vec2<f32> {
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
    // No lane reads `leaves` any more, and the next call writes `branches` after its first barrier.
    return total;
}

// One half after the other: `leaves` of vec4 would exceed the workgroup memory that every device has.
fn team_sum4__workgroup(v: vec4<f32>, team: Team) -> vec4<f32> {
    let first = team_sum2__workgroup(v.xy, team);
    return vec4<f32>(first, team_sum2__workgroup(v.zw, team));
}

fn team_peak__workgroup(v: i32, team: Team) -> i32 {
    return largest_of_lanes(v, team.lane);
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main__workgroup(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    run(Team(workgroup, local_index, WORKGROUP_SIZE));
}

// ---- team: workgroup_subgroups
//
// A team is one workgroup: each subgroup adds its lanes, then every subgroup adds the sums of all.
//
// Needs the SUBGROUP feature.
//
// Uniformity: every invocation of the workgroup calls the sums.

struct Team__workgroup_subgroups {
    index: u32,
    lane: u32,
    lanes: u32,
    subgroup: u32,
    subgroups: u32,
    subgroup_lane: u32,
    subgroup_size: u32,
}

// At most: no subgroup is smaller than four lanes.
const SUBGROUPS: u32 = WORKGROUP_SIZE / max(SUBGROUP_SIZE, 4u);

// A lane adds so few sums faster than lanes exchange them.
const FEW: bool = SUBGROUP_SIZE > 0u && SUBGROUPS <= 16u;

// Double-buffered, so that one barrier a reduction is enough.
var<workgroup> subgroup_sums: array<vec4<f32>, WORKGROUP_SIZE / 2u>;

var<private> first_sum: u32 = 0u;

fn team_sum__workgroup_subgroups(v: f32, team: Team__workgroup_subgroups) -> f32 {
    let part = part_of(share(vec4<f32>(subgroupAdd(v), 0.0, 0.0, 0.0), team), team).x;
    if FEW {
        return part;
    }
    return subgroupAdd(part);
}

fn team_sum2__workgroup_subgroups(v: vec2<f32>, team: Team__workgroup_subgroups) -> vec2<f32> {
    let part = part_of(share(vec4<f32>(subgroupAdd(v), 0.0, 0.0), team), team).xy;
    if FEW {
        return part;
    }
    return subgroupAdd(part);
}

fn team_sum4__workgroup_subgroups(v: vec4<f32>, team: Team__workgroup_subgroups) -> vec4<f32> {
    let part = part_of(share(subgroupAdd(v), team), team);
    if FEW {
        return part;
    }
    return subgroupAdd(part);
}

// The sum over all subgroups, or this lane's part of it.
fn part_of(first: u32, team: Team__workgroup_subgroups) -> vec4<f32> {
    var sum = vec4<f32>();
    let end = select(team.subgroups, SUBGROUPS, FEW);
    for (var i = select(team.subgroup_lane, 0u, FEW); i < end; i += select(team.subgroup_size, 1u, FEW)) {
        sum += subgroup_sums[first + i];
    }
    return sum;
}

// Writes the sum of this subgroup. Returns the index of the first one.
fn share(sum: vec4<f32>, team: Team__workgroup_subgroups) -> u32 {
    let first = first_sum;
    first_sum = SUBGROUPS - first;
    if team.subgroup_lane == 0u {
        subgroup_sums[first + team.subgroup] = sum;
    }
    // A lane here has read the sums of the previous call. All lanes have read those of the call before it.
    workgroupBarrier();
    return first;
}

fn team_peak__workgroup_subgroups(v: i32, team: Team__workgroup_subgroups) -> i32 {
    // The lanes of a subgroup need not be neighbours in their workgroup.
    if QUANTIZED_LANES < WORKGROUP_SIZE {
        return largest_of_lanes(v, team.lane);
    }
    return largest_of_lanes(subgroupMax(v), team.lane);
}

// Builtins are arguments: naga 30 writes no HLSL for builtins in a struct.
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
    run(Team__workgroup_subgroups(
        workgroup,
        local_index,
        WORKGROUP_SIZE,
        subgroup_id,
        num_subgroups,
        subgroup_lane,
        subgroup_size,
    ));
}

// ---- merging: merge_by_lane
//
// One lane merges a group: no barrier.

const LANES__merge_by_lane: u32 = 1u;

fn merged__merge_by_lane(own: vec4<f32>, index: u32) -> vec4<f32> {
    return own;
}

// ---- merging: merge_by_workgroup
//
// Lanes of a workgroup merge a group together: one lane would wait too long for its loads.
//
// Uniformity: every invocation of the workgroup calls merged.

const LANES__merge_by_workgroup: u32 = 32u; // of a group, a power of two

var<workgroup> results: array<vec4<f32>, WORKGROUP_SIZE>;

// Lanes of a group are GROUPS apart.
fn merged__merge_by_workgroup(own: vec4<f32>, index: u32) -> vec4<f32> {
    results[index] = own;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half >= GROUPS; half /= 2u) {
        if index < half {
            results[index] = merge(results[index], results[index + half]);
        }
        workgroupBarrier();
    }
    return results[index];
}
