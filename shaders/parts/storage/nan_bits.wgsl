// Which numbers are NaNs, by their bits: compilers may take a comparison of floats for one of numbers, and some do.
// Provides are_nan.

// Signed, as SIMD units of CPUs compare no unsigned integers.
fn are_nan(v: vec4<f32>) -> vec4<bool> {
    return vec4<i32>(bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<i32>(0x7f800000);
}
