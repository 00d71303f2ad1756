// A pack is four neighbouring elements, moved by one 16-byte load.
// Provides Pack, PACK, pack_first, pack_sum, pack_component, pack_nan_of.

alias Pack = vec4<f32>;
const PACK: u32 = 4u;

fn pack_first(v: Pack) -> f32 {
    return v.x;
}

fn pack_sum(v: Pack) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn pack_component(v: Pack, i: u32) -> f32 {
    return v[i];
}

// v, or u where that is a NaN. By its bits: compilers may take a comparison of floats for one of numbers, and some do.
fn pack_nan_of(u: Pack, v: Pack) -> Pack {
    return select(v, u, (bitcast<vec4<u32>>(u) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}
