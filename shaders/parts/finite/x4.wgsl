// Whether each number of a pack is no infinity and no NaN. By its bits: compilers may assume that there are none.
// Provides is_finite. Requires Pack.

fn is_finite(v: Pack) -> vec4<bool> {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) < vec4<u32>(0x7f800000u);
}
