// Tensors of IEEE 754 half precision: two elements share a word, the first in its lower half.
// Provides values_f16, decode1_f16, decode4_f16, encode1_f16, encode4_f16.

// By integer arithmetic: unpack2x16float needs more than every device has, and may flush subnormals.
fn values_f16(half: vec4<u32>) -> vec4<f32> {
    let m = half & vec4<u32>(0x7fffu);
    // The exponent's bias is 127 and not 15; infinity and NaN have the largest one; below are multiples of 2^-24.
    var bits = (m << vec4<u32>(13u)) + (112u << 23u);
    bits = select(bits, (m << vec4<u32>(13u)) | vec4<u32>(0x7f800000u), m >= vec4<u32>(0x7c00u));
    bits = select(bits, bitcast<vec4<u32>>(vec4<f32>(m) * 5.9604644775390625e-8), m < vec4<u32>(0x400u));
    return bitcast<vec4<f32>>(bits | ((half & vec4<u32>(0x8000u)) << vec4<u32>(16u)));
}

fn decode1_f16(word: u32, i: u32) -> f32 {
    return values_f16(vec4<u32>((word >> (16u * (i & 1u))) & 0xffffu)).x;
}

fn decode4_f16(words: vec2<u32>) -> vec4<f32> {
    let low = words & vec2<u32>(0xffffu);
    let high = words >> vec2<u32>(16u);
    return values_f16(vec4<u32>(low.x, high.x, low.y, high.y));
}

// Rounds to nearest, ties to even, by integer arithmetic: pack2x16float rounds as the driver likes.
fn bits_f16(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let sign = (bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u);
    let m = bits & vec4<u32>(0x7fffffffu);
    // The exponent's bias is 15 and not 127; the lowest 13 bits go. A carry out of the mantissa is the next exponent.
    let odd = (m >> vec4<u32>(13u)) & vec4<u32>(1u);
    let normal = (m - (112u << 23u) + 0xfffu + odd) >> vec4<u32>(13u);
    // Below 2^-14: multiples of 2^-24. From a shift of 25 on, nothing is left.
    let shift = min(126u - min(m >> vec4<u32>(23u), vec4<u32>(125u)), vec4<u32>(25u));
    let mantissa = (m & vec4<u32>(0x7fffffu)) | vec4<u32>(0x800000u);
    let last = (mantissa >> shift) & vec4<u32>(1u);
    let small = (mantissa + (vec4<u32>(1u) << (shift - 1u)) - 1u + last) >> shift;
    var half = select(normal, small, m < vec4<u32>(0x38800000u));
    // From 65520 on: infinity. A NaN stays one.
    half = select(half, vec4<u32>(0x7c00u), m >= vec4<u32>(0x477ff000u));
    half = select(half, vec4<u32>(0x7e00u), m > vec4<u32>(0x7f800000u));
    return sign | half;
}

fn encode1_f16(v: f32) -> u32 {
    return bits_f16(vec4<f32>(v)).x;
}

fn encode4_f16(v: vec4<f32>) -> vec2<u32> {
    let half = bits_f16(v);
    return half.xz | (half.yw << vec2<u32>(16u));
}
