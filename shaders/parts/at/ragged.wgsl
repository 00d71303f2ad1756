// Where a pack is, in rows of halves that end, and so begin, anywhere: packs are two whole words, and the first and the last of a row have
// elements that are not its own. Those are left out: an index stays inside the row, whatever is read there does not count.
// Provides At, Inside, column_at, indices_of, at_of, inside_of, first_inside, has_element, element_of, elements_of. Requires pack of four,
// params.elements.

struct At {
    i: vec4<u32>, // of its elements; of a neighbour in the row, where they are outside
    inside: vec4<bool>,
}
alias Inside = vec4<bool>;

// Whether a row begins in the upper half of a word: 1 or 0.
fn phase_of(row: u32) -> u32 {
    return (row * params.elements) & 1u;
}

// Of a row's pack in the row. `middle`: it is known to be neither the first nor the last.
fn column_at(pack: u32, row: u32, middle: bool) -> At {
    let phase = vec4<u32>(phase_of(row));
    let i = vec4<u32>(pack * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    if middle {
        return At(i - phase, vec4<bool>(true));
    }
    let end = phase + params.elements;
    return At(clamp(i, phase, end - 1u) - phase, (i >= phase) & (i < end));
}

// Of a column's elements, in the row.
fn indices_of(column: At) -> vec4<u32> {
    return column.i;
}

// Of a column in the row that begins at `first`.
fn at_of(first: u32, column: At) -> At {
    return At(first + column.i, column.inside);
}

// What of a pack counts, if the pack does.
fn inside_of(column: At, counts: bool) -> Inside {
    return column.inside & vec4<bool>(counts);
}

// The first element of a row, from its first pack.
fn first_inside(v: Pack, column: At) -> f32 {
    return select(v.y, v.x, column.inside.x);
}

fn has_element(column: At, i: u32) -> bool {
    return column.inside[i];
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return column.i[i];
}

// Elements in the first packs of a row.
fn elements_of(packs: u32, row: u32) -> f32 {
    return f32(min(packs * 4u - phase_of(row), params.elements));
}
