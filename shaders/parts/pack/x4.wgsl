// A pack is four neighbouring elements, moved by one 16-byte load.
// Provides Pack, PACK, pack_first, pack_sum, pack_component.

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
