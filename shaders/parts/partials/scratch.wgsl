// Partial statistics that an earlier pass of this op wrote.
// Provides partial_at.

fn partial_at(i: u32) -> vec4<f32> {
    return partials[i];
}
