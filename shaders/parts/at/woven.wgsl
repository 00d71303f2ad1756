// Where a pack is, in rows that end, and so begin, anywhere: four rows are a whole number of the tensor's packs, and the first and the last
// one of a row may have elements that are another row's. Those are left out: what is read there does not count, and a store keeps it.
// Provides At, column_at, indices_of, first_of, at_of, first_inside, element_of, elements_of, last_pack. Requires pack of four, params.elements.

struct At {
    pack: u32,
    in_row: vec4<u32>, // its elements, from the begin of the row; a neighbour in the row, where they are outside
    inside: vec4<bool>,
    whole: bool, // known when the kernel is made: all of them are
}

// Elements of its first pack that are not a row's.
fn phase_of(row: u32) -> u32 {
    return (row * params.elements) & 3u;
}

// The number of a row's last pack.
fn last_pack(row: u32) -> u32 {
    return (phase_of(row) + params.elements - 1u) / 4u;
}

// Of a row's pack, from the one where the row begins. `middle`: it is known to be neither the first nor the last.
fn column_at(pack: u32, row: u32, middle: bool) -> At {
    let phase = phase_of(row);
    let i = vec4<u32>(pack * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    if middle {
        return At(pack, i - phase, vec4<bool>(true), true);
    }
    let end = phase + params.elements;
    let inside = (i >= vec4<u32>(phase)) & (i < vec4<u32>(end));
    return At(pack, clamp(i, vec4<u32>(phase), vec4<u32>(end - 1u)) - phase, inside, false);
}

// Of a column's elements, in the row.
fn indices_of(column: At) -> vec4<u32> {
    return column.in_row;
}

// The pack where a row begins: four rows are `stride` packs.
fn first_of(row: u32, stride: u32) -> u32 {
    return row / 4u * stride + row % 4u * stride / 4u;
}

// Of a column in the row that begins in the pack `first`.
fn at_of(first: u32, column: At) -> At {
    return At(first + column.pack, column.in_row, column.inside, column.whole);
}

// The first element of a row, from its first pack. Another lane may have stored that pack over, and kept this element as it was.
fn first_inside(v: Pack, column: At) -> f32 {
    return select(select(select(v.w, v.z, column.inside.z), v.y, column.inside.y), v.x, column.inside.x);
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return column.in_row[i];
}

// Elements in the first packs of a row.
fn elements_of(packs: u32, row: u32) -> f32 {
    return f32(min(packs * 4u - phase_of(row), params.elements));
}
