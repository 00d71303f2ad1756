// Where a pack is, in rows of f32 that are no whole packs: at any element. The last pack of a row is its last four elements; those that
// the pack before has as well are left out.
// Provides At, column_at, indices_of, first_of, at_of, first_inside, element_of, elements_of. Requires pack of four, params.elements, which is at
// least 4.

struct At {
    i: u32, // of its first element
    inside: vec4<bool>,
}

// Of a row's pack in the row. `middle`: it is known to be neither the first nor the last.
fn column_at(pack: u32, middle: bool) -> At {
    let i = pack * 4u;
    if middle {
        return At(i, vec4<bool>(true));
    }
    let first = min(i, params.elements - 4u);
    return At(first, vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(i));
}

// Of a column's elements, in the row.
fn indices_of(column: At) -> vec4<u32> {
    return vec4<u32>(column.i) + vec4<u32>(0u, 1u, 2u, 3u);
}

// Where a row begins, of rows that are `stride` apart.
fn first_of(row: u32, stride: u32) -> u32 {
    return row * stride;
}

// Of a column in the row that begins at `first`.
fn at_of(first: u32, column: At) -> At {
    return At(first + column.i, column.inside);
}

// The first element of a row, from its first pack.
fn first_inside(v: Pack, column: At) -> f32 {
    return v.x;
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return column.i + i;
}

// Elements in the first packs of a row.
fn elements_of(packs: u32) -> f32 {
    return f32(min(packs * 4u, params.elements));
}
