// A pack is one element: for rows whose length is not a multiple of four.
// Provides Pack, PACK, pack_first, pack_sum, pack_component, pack_nan_of.

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

// v, or u where that is a NaN. By its bits: compilers may take a comparison of floats for one of numbers, and some do.
fn pack_nan_of(u: Pack, v: Pack) -> Pack {
    return select(v, u, (bitcast<u32>(u) & u32(0x7fffffffu)) > u32(0x7f800000u));
}
