// A lane merges all of a group: no barrier.
// Provides LANES, merged.

const LANES: u32 = 1u;

fn merged(own: vec4<f32>, index: u32) -> vec4<f32> {
    return own;
}
