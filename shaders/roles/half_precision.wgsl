// Half precision: f16 and bf16 in 32-bit words, two a word.

// ---- storage: f16_by_integers
//
// f16 is IEEE 754 half precision, converted by integer arithmetic.

// unpack2x16float may flush subnormals. The one operation on floats here is exact, on normal numbers. Signed integers:
// the compared numbers are never negative, and SIMD units of CPUs do not compare unsigned ones.
fn values_f16__f16_by_integers(half: vec4<u32>) -> vec4<f32> {
    let m = vec4<i32>(half & vec4<u32>(0x7fffu));
    // The bias of the exponent is 127 in place of 15. Infinity and NaN have the largest exponent.
    let scaled = (m << vec4<u32>(13u)) + select(vec4<i32>(112 << 23u), vec4<i32>(224 << 23u), m >= vec4<i32>(0x7c00));
    // Below 2^-14 there is no implied bit.
    let small = bitcast<vec4<i32>>(bitcast<vec4<f32>>(scaled + (1 << 23u)) - 6.103515625e-5);
    let bits = select(scaled, small, m < vec4<i32>(0x400));
    return bitcast<vec4<f32>>(vec4<u32>(bits) | ((half & vec4<u32>(0x8000u)) << vec4<u32>(16u)));
}

fn decode1_f16__f16_by_integers(word: u32, i: u32) -> f32 {
    return values_f16__f16_by_integers(vec4<u32>((word >> (16u * (i & 1u))) & 0xffffu)).x;
}

fn decode4_f16__f16_by_integers(words: vec2<u32>) -> vec4<f32> {
    let low = words & vec2<u32>(0xffffu);
    let high = words >> vec2<u32>(16u);
    return values_f16__f16_by_integers(vec4<u32>(low.x, high.x, low.y, high.y));
}

// Rounds to nearest, ties to even. pack2x16float rounds as the driver likes.
fn bits_f16(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<i32>>(v);
    let m = bits & vec4<i32>(0x7fffffff);
    // From 65520 on: infinity.
    let finite = min(m, vec4<i32>(0x477ff000));
    // The bias of the exponent is 15 in place of 127, and the lowest 13 bits go. A carry gives the next exponent.
    let odd = (finite >> vec4<u32>(13u)) & vec4<i32>(1);
    let normal = (finite - (112 << 23u) + 0xfff + odd) >> vec4<u32>(13u);
    // Below 2^-14: multiples of 2^-24. The product is exact, and `round` rounds ties to even. A NaN is not used.
    let small = vec4<i32>(round(min(bitcast<vec4<f32>>(m), vec4<f32>(6.103515625e-5)) * 16777216.0));
    var half = select(normal, small, m < vec4<i32>(0x38800000));
    // A NaN stays a NaN.
    half = select(half, vec4<i32>(0x7e00), m > vec4<i32>(0x7f800000));
    return vec4<u32>(half | ((bits >> vec4<u32>(16u)) & vec4<i32>(0x8000)));
}

fn encode1_f16__f16_by_integers(v: f32) -> u32 {
    return bits_f16(vec4<f32>(v)).x;
}

fn encode4_f16__f16_by_integers(v: vec4<f32>) -> vec2<u32> {
    let half = bits_f16(v);
    return half.xz | (half.yw << vec2<u32>(16u));
}

// ---- storage: f16_native
//
// f16 is IEEE 754 half precision, converted by the device's instructions. They must keep subnormals and round to
// nearest, ties to even.

fn values_f16__f16_native(half: vec4<u32>) -> vec4<f32> {
    return decode4_f16__f16_native(half.xz | (half.yw << vec2<u32>(16u)));
}

fn decode1_f16__f16_native(word: u32, i: u32) -> f32 {
    return unpack2x16float(word >> (16u * (i & 1u))).x;
}

fn decode4_f16__f16_native(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn encode1_f16__f16_native(v: f32) -> u32 {
    return pack2x16float(vec2<f32>(v, 0.0));
}

fn encode4_f16__f16_native(v: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));
}

// ---- bf16
//
// bf16 is the upper half of an f32.

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

// The result is in the upper half, the lower half is arbitrary. Adding half a unit rounds to nearest. A tie of an even
// number stays. A carry out of the mantissa gives the next exponent, or infinity. A NaN stays as it is, since its carry
// might reach the sign: a NaN from arithmetic has bits in the upper half. Signed integers: SIMD units of CPUs do not
// compare unsigned ones.
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
