// Positions: where the packs of a row lie in a tensor, by the vector layout, and which elements of them are in the row.

// ---- contiguous
// Where a pack is: its number. It lies inside its row.

alias At__contiguous = u32;

// Of a row's pack in the row.
fn column_at__contiguous(pack: u32) -> At__contiguous {
    return pack;
}

// Of a column, among the packs of its row.
fn number_of__contiguous(column: At__contiguous) -> u32 {
    return column;
}

// Where a row begins, of rows that are `stride` apart.
fn first_of__contiguous(row: u32, stride: u32) -> u32 {
    return row * stride;
}

// Of a column in the row that begins at `first`.
fn at_of__contiguous(first: u32, column: At__contiguous) -> At__contiguous {
    return first + column;
}

// The first element of a row, from its first pack.
fn first_inside__contiguous(v: Pack, column: At__contiguous) -> f32 {
    return pack_first(v);
}

// In elements from the begin of the row.
fn element_of__contiguous(column: At__contiguous, i: u32) -> u32 {
    return column * PACK + i;
}

// Elements in the first packs of a row.
fn elements_of__contiguous(packs: u32) -> f32 {
    return f32(packs * PACK);
}

// ---- contiguous
// The elements of a pack, where each looks its weight or statistic up.

// In elements from the begin of the row.
fn indices_of__contiguous(column: At__contiguous) -> vec4<u32> {
    return vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
}

// ---- contiguous
// Packs of a lane that go round the lanes of a team.

// The pack number k of a lane.
fn pack_of__contiguous(k: u32, lane: u32, lanes: u32) -> u32 {
    return lane + k * lanes;
}

// Where it is. One that is not there is the first of the row. `row` and `middle` are for rows that begin inside of words.
fn column_of_lane__contiguous(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> At__contiguous {
    return column_at__contiguous(select(0u, pack_of__contiguous(k, lane, lanes), is_there));
}

// ---- vec4x2
// Where a pack is, in rows that are whole pairs of packs: a lane has both packs of a pair, and halves are loaded and
// stored by the pair. A kernel stores both, the first one first: it waits in a variable for the second.

struct At__vec4x2 {
    pair: u32,
    second: bool, // of the two packs
}

// The pack number k of a lane: that after an even one is its neighbour.
fn pack_of__vec4x2(k: u32, lane: u32, lanes: u32) -> u32 {
    return (lane + k / 2u * lanes) * 2u + k % 2u;
}

// Where it is. One that is not there is in the first pair of the row. Which of a pair it is follows from k alone, which is a constant.
fn column_of_lane__vec4x2(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> At__vec4x2 {
    return At__vec4x2(select(0u, lane + k / 2u * lanes, is_there), k % 2u == 1u);
}

// Of a column, among the packs of its row.
fn number_of__vec4x2(column: At__vec4x2) -> u32 {
    return column.pair * 2u + select(0u, 1u, column.second);
}

// Where a row begins, of rows that are `stride` apart.
fn first_of__vec4x2(row: u32, stride: u32) -> u32 {
    return row * stride;
}

// Of a column in the row that begins at the pair `first`.
fn at_of__vec4x2(first: u32, column: At__vec4x2) -> At__vec4x2 {
    return At__vec4x2(first + column.pair, column.second);
}

// The first element of a row, from its first pack.
fn first_inside__vec4x2(v: Pack, column: At__vec4x2) -> f32 {
    return v.x;
}

// In elements from the begin of the row.
fn element_of__vec4x2(column: At__vec4x2, i: u32) -> u32 {
    return number_of__vec4x2(column) * 4u + i;
}

// ---- half_unaligned
// Where a pack is, in rows of halves that begin and end anywhere in a word: a pack is two whole words. The first and
// the last pack of a row have elements that are not its own, which are masked; a word that two rows share is stored
// atomically by both.

struct At__half_unaligned {
    words: vec2<u32>, // of its first two elements and of the others; the first word twice, if all of the others are outside
    bits: vec2<u32>, // of the words, that are inside
    in_row: vec4<u32>, // its elements; a neighbour in the row, where they are outside
    inside: vec4<bool>,
}

// The pack number k of a lane.
fn pack_of__half_unaligned(k: u32, lane: u32, lanes: u32) -> u32 {
    return lane + k * lanes;
}

// Where it is, from the word where `row` begins, in its upper half or not. One that is not there is the first of the row. `middle`: it is known to
// be neither the first nor the last.
fn column_of_lane__half_unaligned(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> At__half_unaligned {
    let pack = select(0u, pack_of__half_unaligned(k, lane, lanes), is_there);
    let phase = (row * params.elements) & 1u;
    let words = vec2<u32>(pack * 2u) + vec2<u32>(0u, 1u);
    let i = vec4<u32>(pack * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    if middle {
        return At__half_unaligned(words, vec2<u32>(0xffffffffu), i - phase, vec4<bool>(true));
    }
    let end = phase + params.elements;
    let inside = (i >= vec4<u32>(phase)) & (i < vec4<u32>(end));
    let halves = select(vec4<u32>(), vec4<u32>(0xffffu, 0xffff0000u, 0xffffu, 0xffff0000u), inside);
    let bits = halves.xz | halves.yw;
    let in_row = clamp(i, vec4<u32>(phase), vec4<u32>(end - 1u)) - phase;
    return At__half_unaligned(vec2<u32>(words.x, select(words.x, words.y, bits.y != 0u)), bits, in_row, inside);
}

// Of a column's elements, in the row.
fn indices_of__half_unaligned(column: At__half_unaligned) -> vec4<u32> {
    return column.in_row;
}

// The word where a row begins, of rows that are `stride` elements apart.
fn first_of__half_unaligned(row: u32, stride: u32) -> u32 {
    return row * stride / 2u;
}

// Of a column in the row that begins at the word `first`.
fn at_of__half_unaligned(first: u32, column: At__half_unaligned) -> At__half_unaligned {
    return At__half_unaligned(first + column.words, column.bits, column.in_row, column.inside);
}

// The first element of a row, from its first pack.
fn first_inside__half_unaligned(v: Pack, column: At__half_unaligned) -> f32 {
    return select(v.y, v.x, column.inside.x);
}

// In elements from the begin of the row.
fn element_of__half_unaligned(column: At__half_unaligned, i: u32) -> u32 {
    return column.in_row[i];
}

// ---- perpendicular
// Where a pack is that has an element of each of four rows: its number in them. They have a pack for each element.

alias At__perpendicular = u32;

// Of the rows' pack in the rows.
fn column_at__perpendicular(pack: u32) -> At__perpendicular {
    return pack;
}

// Of a column, among the packs of its rows.
fn number_of__perpendicular(column: At__perpendicular) -> u32 {
    return column;
}

// Where four rows begin: so many fours are neighbours as are between one element of a row and the next.
fn first_of__perpendicular(row: u32, stride: u32) -> u32 {
    return row / stride * stride * params.packs + row % stride;
}

// Of a column in the rows that begin at `first`.
fn at_of__perpendicular(first: u32, column: At__perpendicular) -> At__perpendicular {
    return first + column * params.stride;
}

// Elements in the first packs of a row.
fn elements_of__perpendicular(packs: u32) -> f32 {
    return f32(packs);
}

// ---- mask_packs
// What of a pack counts, where all of its elements lie inside its row: all or nothing.

alias Mask__mask_packs = bool;

// What of a pack counts, if the pack does.
fn mask_of__mask_packs(column: At, counts: bool) -> Mask__mask_packs {
    return counts;
}

fn masked__mask_packs(v: Pack, mask: Mask__mask_packs) -> Pack {
    return select(Pack(0.0), v, mask);
}

fn has_element__mask_packs(column: At, i: u32) -> bool {
    return true;
}

// ---- mask_elements
// What of a pack counts, where elements lie outside its row.

alias Mask__mask_elements = vec4<bool>;

// What of a pack counts, if the pack does.
fn mask_of__mask_elements(column: At, counts: bool) -> Mask__mask_elements {
    return column.inside & vec4<bool>(counts);
}

fn masked__mask_elements(v: Pack, mask: Mask__mask_elements) -> Pack {
    return select(Pack(0.0), v, mask);
}

fn has_element__mask_elements(column: At, i: u32) -> bool {
    return column.inside[i];
}
