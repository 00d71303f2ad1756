// Lanes of a workgroup share what they merge of a group: one lane would wait for its loads for too long.
// Provides LANES, merged. Requires merge, GROUPS, WORKGROUP_SIZE.
// Uniformity: merged is called by every invocation of the workgroup.

const LANES: u32 = 32u; // of a group, a power of two
var<workgroup> results: array<vec4<f32>, WORKGROUP_SIZE>;

// Those of a group are GROUPS apart. The first of them gets what all of them have.
fn merged(own: vec4<f32>, index: u32) -> vec4<f32> {
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
