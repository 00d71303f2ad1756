// Lanes of a workgroup share what they merge of a group: one lane would wait for its loads for too long.
// Provides LANES, merged. Requires GROUPS, WORKGROUP_SIZE.
// Uniformity: merged is called by every invocation of the workgroup.

const LANES: u32 = 32u; // of a group, a power of two
var<workgroup> shared_sums: array<vec4<f32>, WORKGROUP_SIZE>;

// Those of a group are GROUPS apart. The first of them gets the sum.
fn merged(sums: vec4<f32>, lane: u32) -> vec4<f32> {
    shared_sums[lane] = sums;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half >= GROUPS; half /= 2u) {
        if lane < half {
            shared_sums[lane] += shared_sums[lane + half];
        }
        workgroupBarrier();
    }
    return shared_sums[lane];
}
