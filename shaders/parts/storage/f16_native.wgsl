// Tensors of IEEE 754 half precision, converted by the device's own instructions, where those keep subnormals and round to nearest, ties to even.
// Provides values_f16, decode1_f16, decode4_f16, encode1_f16, encode4_f16.

fn values_f16(half: vec4<u32>) -> vec4<f32> {
    return decode4_f16(half.xz | (half.yw << vec2<u32>(16u)));
}

fn decode1_f16(word: u32, i: u32) -> f32 {
    return unpack2x16float(word >> (16u * (i & 1u))).x;
}

fn decode4_f16(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn encode1_f16(v: f32) -> u32 {
    return pack2x16float(vec2<f32>(v, 0.0));
}

fn encode4_f16(v: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));
}
