// Sums of two parts, at three scales, and their counts, make those of both.
// Provides merge.

fn merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a + b;
}
