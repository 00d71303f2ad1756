// The words of a pack of halves.
// Provides words_of.

// What of them is of elements that are inside.
fn words_of(inside: vec4<bool>) -> vec2<u32> {
    let halves = select(vec4<u32>(), vec4<u32>(0xffffu, 0xffff0000u, 0xffffu, 0xffff0000u), inside);
    return halves.xz | halves.yw;
}
