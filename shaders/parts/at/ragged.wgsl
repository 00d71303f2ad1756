// Where a pack is, in rows of halves that end, and so begin, anywhere: packs are two whole words, and the first and the last of a row have
// elements that are not its own. Those are left out: an index stays inside the row, whatever is read there does not count.
// Provides At, column_at, indices_of, first_of, at_of, first_inside, element_of, elements_of, last_pack. Requires pack of four, words_of,
// params.elements.

struct At {
    words: vec2<u32>, // of its first two elements and of the others; the first word twice, if all of the others are outside
    mask: vec2<u32>, // what of the words is inside
    in_tensor: vec4<u32>, // its elements; a neighbour in the row, where they are outside
    in_row: vec4<u32>, // the same
    inside: vec4<bool>,
}

// Whether a row begins in the upper half of a word: 1 or 0.
fn phase_of(row: u32) -> u32 {
    return (row * params.elements) & 1u;
}

// Of a row's pack, from the word where the row begins. `middle`: it is known to be neither the first nor the last.
fn column_at(pack: u32, row: u32, middle: bool) -> At {
    let phase = phase_of(row);
    let words = vec2<u32>(pack * 2u) + vec2<u32>(0u, 1u);
    let i = vec4<u32>(pack * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    if middle {
        return At(words, vec2<u32>(0xffffffffu), i, i - phase, vec4<bool>(true));
    }
    let end = phase + params.elements;
    let inside = (i >= vec4<u32>(phase)) & (i < vec4<u32>(end));
    let mask = words_of(inside);
    let in_row = clamp(i, vec4<u32>(phase), vec4<u32>(end - 1u));
    return At(vec2<u32>(words.x, select(words.x, words.y, mask.y != 0u)), mask, in_row, in_row - phase, inside);
}

// Of a column's elements, in the row.
fn indices_of(column: At) -> vec4<u32> {
    return column.in_row;
}

// The word where a row begins: two rows are `stride` words.
fn first_of(row: u32, stride: u32) -> u32 {
    return row / 2u * stride + row % 2u * (stride / 2u);
}

// Of a column in the row that begins at the word `first`.
fn at_of(first: u32, column: At) -> At {
    return At(first + column.words, column.mask, first * 2u + column.in_tensor, column.in_row, column.inside);
}

// An element of a row, from its first pack: not that of a word that is another row's too, which a lane may have stored over, if there is one.
fn first_inside(v: Pack, column: At) -> f32 {
    return select(select(v.y, v.z, column.inside.z), v.x, column.inside.x);
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return column.in_row[i];
}

// Elements in the first packs of a row.
fn elements_of(packs: u32, row: u32) -> f32 {
    return f32(min(packs * 4u - phase_of(row), params.elements));
}

// The number of a row's last pack.
fn last_pack(row: u32) -> u32 {
    return (phase_of(row) + params.elements - 1u) / 4u;
}
