// Where a pack is, in rows of halves that begin and end anywhere in a word: a pack is two whole words. The first and the last pack of a row have
// elements that are not its own, which are masked; a word that two rows share is stored atomically by both.
// Provides At, pack_of, column_of_lane, indices_of, first_of, at_of, first_inside, element_of. Requires pack of four, params.elements.

struct At {
    words: vec2<u32>, // of its first two elements and of the others; the first word twice, if all of the others are outside
    bits: vec2<u32>, // of the words, that are inside
    in_row: vec4<u32>, // its elements; a neighbour in the row, where they are outside
    inside: vec4<bool>,
}

// The pack number k of a lane.
fn pack_of(k: u32, lane: u32, lanes: u32) -> u32 {
    return lane + k * lanes;
}

// Where it is, from the word where `row` begins, in its upper half or not. One that is not there is the first of the row. `middle`: it is known to
// be neither the first nor the last.
fn column_of_lane(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> At {
    let pack = select(0u, pack_of(k, lane, lanes), is_there);
    let phase = (row * params.elements) & 1u;
    let words = vec2<u32>(pack * 2u) + vec2<u32>(0u, 1u);
    let i = vec4<u32>(pack * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    if middle {
        return At(words, vec2<u32>(0xffffffffu), i - phase, vec4<bool>(true));
    }
    let end = phase + params.elements;
    let inside = (i >= vec4<u32>(phase)) & (i < vec4<u32>(end));
    let halves = select(vec4<u32>(), vec4<u32>(0xffffu, 0xffff0000u, 0xffffu, 0xffff0000u), inside);
    let bits = halves.xz | halves.yw;
    let in_row = clamp(i, vec4<u32>(phase), vec4<u32>(end - 1u)) - phase;
    return At(vec2<u32>(words.x, select(words.x, words.y, bits.y != 0u)), bits, in_row, inside);
}

// Of a column's elements, in the row.
fn indices_of(column: At) -> vec4<u32> {
    return column.in_row;
}

// The word where a row begins, of rows that are `stride` elements apart.
fn first_of(row: u32, stride: u32) -> u32 {
    return row * stride / 2u;
}

// Of a column in the row that begins at the word `first`.
fn at_of(first: u32, column: At) -> At {
    return At(first + column.words, column.bits, column.in_row, column.inside);
}

// The first element of a row, from its first pack.
fn first_inside(v: Pack, column: At) -> f32 {
    return select(v.y, v.x, column.inside.x);
}

// In elements from the begin of the row.
fn element_of(column: At, i: u32) -> u32 {
    return column.in_row[i];
}
