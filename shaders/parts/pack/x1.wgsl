// A pack is one element: for rows whose length is not a multiple of four.
// Provides Pack, PACK, pack_first, pack_sum, pack_component.

alias Pack = f32;
const PACK: u32 = 1u;

fn pack_first(v: Pack) -> f32 {
    return v;
}

fn pack_sum(v: Pack) -> f32 {
    return v;
}

fn pack_component(v: Pack, i: u32) -> f32 {
    return v;
}
