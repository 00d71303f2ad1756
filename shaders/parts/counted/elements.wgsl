// What of a pack counts, where elements lie outside its row.
// Provides Inside, inside_of, counted, has_element. Requires pack of four, At with `inside`, a vec4<bool>.

alias Inside = vec4<u32>; // of each element all bits or none

// What of a pack counts, if the pack does.
fn inside_of(column: At, counts: bool) -> Inside {
    return select(vec4<u32>(), vec4<u32>(0xffffffffu), column.inside & vec4<bool>(counts));
}

// What counts of v. By its bits, for which SwiftShader takes less time than for a select.
fn counted(v: Pack, inside: Inside) -> Pack {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) & inside);
}

fn has_element(column: At, i: u32) -> bool {
    return column.inside[i];
}
