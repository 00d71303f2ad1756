// Which numbers are NaNs, where the device's compiler leaves comparisons of floats as they are.
// Provides are_nan.

fn are_nan(v: vec4<f32>) -> vec4<bool> {
    return v != v;
}
