// Tensors of the upper halves of f32s: two elements share a word, the first in its lower half.
// Provides values_bf16, decode1_bf16, decode4_bf16, encode1_bf16, encode4_bf16.

fn values_bf16(half: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(half << vec4<u32>(16u));
}

fn decode1_bf16(word: u32, i: u32) -> f32 {
    return bitcast<f32>((word >> (16u * (i & 1u))) << 16u);
}

fn decode4_bf16(words: vec2<u32>) -> vec4<f32> {
    let low = words << vec2<u32>(16u);
    let high = words & vec2<u32>(0xffff0000u);
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}

// In the upper half, rounded to nearest, ties to even; what is below does not count. Half of what that counts is added, unless that would make an
// even number of a tie odd. A carry out of the mantissa is the next exponent, or infinity. A NaN, whose carry might go on to the sign, is left as it
// is: one that arithmetic made has bits in the upper half. Signed integers tell it, as SIMD units of CPUs compare no unsigned ones.
fn bits_bf16(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let is_no_even_tie = ((bits ^ vec4<u32>(0x8000u)) & vec4<u32>(0x1ffffu)) != vec4<u32>();
    let is_number = vec4<i32>(bits & vec4<u32>(0x7fffffffu)) <= vec4<i32>(0x7f800000);
    return select(bits, bits + 0x8000u, is_no_even_tie & is_number);
}

fn encode1_bf16(v: f32) -> u32 {
    return bits_bf16(vec4<f32>(v)).x >> 16u;
}

fn encode4_bf16(v: vec4<f32>) -> vec2<u32> {
    let bits = bits_bf16(v);
    return (bits.xz >> vec2<u32>(16u)) | (bits.yw & vec2<u32>(0xffff0000u));
}
