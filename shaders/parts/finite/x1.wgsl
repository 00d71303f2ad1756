// Whether the number of a pack is no infinity and no NaN. By its bits: compilers may assume that there are none.
// Provides is_finite. Requires Pack.

fn is_finite(v: Pack) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) < 0x7f800000u;
}
