// Statistics of the parts of a batch, which the caller gives.
// Provides partial_at.

fn partial_at(i: u32) -> vec4<f32> {
    return moments[i];
}
