// Positions: where the packs of a row lie in a tensor, by the vector layout, and which elements of them are in the row.

// ---- column: contiguous
//
// A pack lies inside its row. Its index is its number.

alias Column__contiguous = u32;

fn column_at__contiguous(pack: u32) -> Column__contiguous {
    return pack;
}

fn number_of__contiguous(column: Column__contiguous) -> u32 {
    return column;
}

fn first_inside__contiguous(v: Pack, column: Column__contiguous) -> f32 {
    return pack_first(v);
}

fn element_of__contiguous(column: Column__contiguous, i: u32) -> u32 {
    return column * PACK + i;
}

fn elements_of__contiguous(packs: u32) -> f32 {
    return f32(packs * PACK);
}

// ---- column: contiguous
//
// Each element of a pack looks up its own weight or statistic. The pack has four elements.

fn indices_of__contiguous(column: Column__contiguous) -> vec4<u32> {
    return vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
}

// ---- column: contiguous

// `row` and `middle` matter only if rows begin inside a word.
fn column_of_lane__contiguous(
    k: u32,
    lane: u32,
    lanes: u32,
    is_there: bool,
    row: u32,
    middle: bool,
) -> Column__contiguous {
    return column_at__contiguous(select(0u, pack_of(k, lane, lanes), is_there));
}

// ---- packs of a lane: single_packs
//
// Every so-many-th pack of the row: lanes load neighbours together.

fn pack_of__single_packs(k: u32, lane: u32, lanes: u32) -> u32 {
    return lane + k * lanes;
}

// ---- packs of a lane: pairs_of_packs
//
// Two neighbours, an even k and the next one, which 16 bytes of half precision hold.

fn pack_of__pairs_of_packs(k: u32, lane: u32, lanes: u32) -> u32 {
    return (lane + k / 2u * lanes) * 2u + k % 2u;
}

// ---- packs of a lane: fours_of_packs
//
// Four neighbours, whose int8 are 16 bytes. A lane of a CPU loads and stores on its own, so that fewer and wider ones
// are faster.

fn pack_of__fours_of_packs(k: u32, lane: u32, lanes: u32) -> u32 {
    return (lane + k / 4u * lanes) * 4u + k % 4u;
}

// ---- at: dense
//
// All tensors are dense: one index for all.

alias At__dense = u32;

alias First__dense = u32;

fn first_of__dense(row: u32, stride: u32) -> First__dense {
    return row * stride;
}

fn at_of__dense(first: First__dense, column: Column) -> At__dense {
    return first + column;
}

// ---- at: strided
//
// Tensors have strides of their own: an index for each. Their rows lie at two levels.

struct At__strided {
    input: u32,
    residual: u32,
    residual_output: u32,
    output: u32,
    grad_output: u32,
    grad_residual_output: u32,
    grad_input: u32,
    grad_residual: u32,
    input_bias: u32,
    gate: u32,
    grad_gate: u32,
    next_output: u32,
}

alias First__strided = At__strided;

fn row_at(place: vec4<u32>, outer: u32, inner: u32) -> u32 {
    return place.x + outer * place.y + inner * place.z;
}

// row / places.rows, for rows below 2^31: the high word of 2 * row * places.inverse, shifted. CPUs divide vectors one
// number at a time, which would cost a pack more than its load.
fn outer_of(row: u32) -> u32 {
    let twice = row * 2u;
    let low = places.inverse & 0xffffu;
    let high = places.inverse >> 16u;
    let middle = (twice >> 16u) * low + (((twice & 0xffffu) * low) >> 16u);
    let carried = (twice & 0xffffu) * high + (middle & 0xffffu);
    return ((twice >> 16u) * high + (middle >> 16u) + (carried >> 16u)) >> places.shift;
}

fn first_of__strided(row: u32, stride: u32) -> First__strided {
    let outer = outer_of(row);
    let inner = row - outer * places.rows;
    return First__strided(
        row_at(places.input, outer, inner),
        row_at(places.residual, outer, inner),
        row_at(places.residual_output, outer, inner),
        row_at(places.output, outer, inner),
        row_at(places.grad_output, outer, inner),
        row_at(places.grad_residual_output, outer, inner),
        row_at(places.grad_input, outer, inner),
        row_at(places.grad_residual, outer, inner),
        row_at(places.input_bias, outer, inner),
        row_at(places.gate, outer, inner),
        row_at(places.grad_gate, outer, inner),
        row_at(places.next_output, outer, inner),
    );
}

fn at_of__strided(first: First__strided, column: Column) -> At__strided {
    return At__strided(
        first.input + column,
        first.residual + column,
        first.residual_output + column,
        first.output + column,
        first.grad_output + column,
        first.grad_residual_output + column,
        first.grad_input + column,
        first.grad_residual + column,
        first.input_bias + column,
        first.gate + column,
        first.grad_gate + column,
        first.next_output + column,
    );
}

// ---- at: indexed
//
// The same, but an index says where rows of the input or of the output lie: it names the outer level of the tensor. A
// row is there if all that its indices name is. Other rows read the first one, and write nothing.

struct IndexedRow {
    is_there: bool,
    outer: u32,
    inner: u32,
    input: u32, // the outer index of the input, 0 if the row is not there
    output: u32,
}

fn indexed_row(row: u32) -> IndexedRow {
    let outer = row / places.rows;
    let input = input_outer(outer);
    let output = output_outer(outer);
    let is_there = input < places.input.w && output < places.output.w;
    let inner = row % places.rows;
    return IndexedRow(is_there, outer, inner, select(0u, input, is_there), select(0u, output, is_there));
}

struct At__indexed {
    is_there: bool,
    input: u32,
    residual: u32,
    output: u32,
    input_bias: u32,
    gate: u32,
}

alias First__indexed = At__indexed;

fn first_of__indexed(row: u32, stride: u32) -> First__indexed {
    let place = indexed_row(row);
    return First__indexed(
        place.is_there,
        row_at(places.input, place.input, place.inner),
        row_at(places.residual, place.outer, place.inner),
        row_at(places.output, place.output, place.inner),
        row_at(places.input_bias, place.outer, place.inner),
        row_at(places.gate, place.outer, place.inner),
    );
}

fn at_of__indexed(first: First__indexed, column: Column) -> At__indexed {
    return At__indexed(
        first.is_there,
        first.input + column,
        first.residual + column,
        first.output + column,
        first.input_bias + column,
        first.gate + column,
    );
}

// ---- input index: in_order

fn input_outer__input_in_order(outer: u32) -> u32 {
    return outer;
}

// ---- input index: by_index

fn input_outer__input_by_index(outer: u32) -> u32 {
    return input_index[outer];
}

// ---- output index: in_order

fn output_outer__output_in_order(outer: u32) -> u32 {
    return outer;
}

// ---- output index: by_index

fn output_outer__output_by_index(outer: u32) -> u32 {
    return output_index[outer];
}

// ---- step at: strided

fn step_at__strided(block: u32, step: u32, column: u32) -> At__strided {
    let row = block * params.block_rows + step * params.step_rows;
    return at_of__strided(first_of__strided(row, 0u), column + step * params.column_step);
}

// ---- step at: dense

fn step_at__dense(block: u32, step: u32, column: u32) -> At__dense {
    return (block * params.steps + step) * params.packs + column;
}

// ---- column: vec4x2
//
// Rows of whole pairs of packs: a lane has both packs of a pair, and loads and stores of half precision move the pair
// at once. A kernel stores both packs, the first one first, which waits in a variable for the second.

struct Column__vec4x2 {
    pair: u32,
    second: bool, // the second pack of the pair
}

// `second` depends on k alone, which is a constant, so that compilers drop the other branch of loads and stores.
fn column_of_lane__vec4x2(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> Column__vec4x2 {
    return Column__vec4x2(select(0u, lane + k / 2u * lanes, is_there), k % 2u == 1u);
}

fn number_of__vec4x2(column: Column__vec4x2) -> u32 {
    return column.pair * 2u + select(0u, 1u, column.second);
}

alias At__vec4x2 = Column__vec4x2;

alias First__vec4x2 = u32;

fn first_of__vec4x2(row: u32, stride: u32) -> First__vec4x2 {
    return row * stride;
}

fn at_of__vec4x2(first: First__vec4x2, column: Column__vec4x2) -> At__vec4x2 {
    return At__vec4x2(first + column.pair, column.second);
}

fn first_inside__vec4x2(v: Pack, column: Column__vec4x2) -> f32 {
    return v.x;
}

fn element_of__vec4x2(column: Column__vec4x2, i: u32) -> u32 {
    return number_of__vec4x2(column) * 4u + i;
}

// ---- column: half_unaligned
//
// Rows of half precision that begin and end anywhere in a word: a pack is two whole words. A mask excludes the elements
// of the first and the last pack that are outside the row. If two rows share a word, both store their half of it
// atomically.

struct Column__half_unaligned {
    words: vec2<u32>, // of elements 0 and 1, and of 2 and 3, or the first word twice if 2 and 3 are outside the row
    bits: vec2<u32>, // of the words, those inside the row
    in_row: vec4<u32>, // indices of the elements, or of neighbours inside the row
    inside: vec4<bool>,
}

// Words count from the one in which `row` begins. The alignment phase is 1 if the row begins in its upper half.
fn column_of_lane__half_unaligned(
    k: u32,
    lane: u32,
    lanes: u32,
    is_there: bool,
    row: u32,
    middle: bool,
) -> Column__half_unaligned {
    let pack = select(0u, pack_of(k, lane, lanes), is_there);
    let phase = (row * params.elements) & 1u;
    let words = vec2<u32>(pack * 2u) + vec2<u32>(0u, 1u);
    let i = vec4<u32>(pack * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    if middle {
        return Column__half_unaligned(words, vec2<u32>(0xffffffffu), i - phase, vec4<bool>(true));
    }
    let end = phase + params.elements;
    let inside = (i >= vec4<u32>(phase)) & (i < vec4<u32>(end));
    let owned = select(vec4<u32>(), vec4<u32>(0xffffu, 0xffff0000u, 0xffffu, 0xffff0000u), inside);
    let bits = owned.xz | owned.yw;
    let in_row = clamp(i, vec4<u32>(phase), vec4<u32>(end - 1u)) - phase;
    return Column__half_unaligned(vec2<u32>(words.x, select(words.x, words.y, bits.y != 0u)), bits, in_row, inside);
}

fn indices_of__half_unaligned(column: Column__half_unaligned) -> vec4<u32> {
    return column.in_row;
}

alias At__half_unaligned = Column__half_unaligned;

alias First__half_unaligned = u32;

fn first_of__half_unaligned(row: u32, stride: u32) -> First__half_unaligned {
    return row * stride / 2u;
}

fn at_of__half_unaligned(first: First__half_unaligned, column: Column__half_unaligned) -> At__half_unaligned {
    return At__half_unaligned(first + column.words, column.bits, column.in_row, column.inside);
}

fn first_inside__half_unaligned(v: Pack, column: Column__half_unaligned) -> f32 {
    return select(v.y, v.x, column.inside.x);
}

fn element_of__half_unaligned(column: Column__half_unaligned, i: u32) -> u32 {
    return column.in_row[i];
}

// ---- column: perpendicular
//
// Packs across rows: a pack has an element of each of four neighbouring rows, and its index is its number. Four rows
// have a pack for each of their elements.

alias Column__perpendicular = u32;

fn column_at__perpendicular(pack: u32) -> Column__perpendicular {
    return pack;
}

fn number_of__perpendicular(column: Column__perpendicular) -> u32 {
    return column;
}

// Consecutive groups of four rows are neighbours, up to the stride between two elements of a row.
alias At__perpendicular = Column__perpendicular;

alias First__perpendicular = u32;

fn first_of__perpendicular(row: u32, stride: u32) -> First__perpendicular {
    return row / stride * stride * params.packs + row % stride;
}

fn at_of__perpendicular(first: First__perpendicular, column: Column__perpendicular) -> At__perpendicular {
    return first + column * params.stride;
}

fn elements_of__perpendicular(packs: u32) -> f32 {
    return f32(packs);
}

// ---- column: partners
//
// Packs that a rotary embedding rotates: two neighbours and their partners, which lie half of the rotated elements
// further. Behind the first SPLIT_PACKS packs, a pack is four neighbours. An index counts two neighbours.

alias Column__partners = vec2<u32>;

fn column_at__partners(pack: u32) -> Column__partners {
    let split = Column__partners(pack, pack + SPLIT_PACKS);
    return select(Column__partners(2u * pack, 2u * pack + 1u), split, pack < SPLIT_PACKS);
}

fn number_of__partners(column: Column__partners) -> u32 {
    return select(column.x / 2u, column.x, column.x < SPLIT_PACKS);
}

// ---- column: singles
//
// The same packs, or packs of neighbours alone if SPLIT_PACKS is 0. An index counts elements: rows begin anywhere.

alias Column__singles = vec4<u32>;

fn column_at__singles(pack: u32) -> Column__singles {
    let first = vec2<u32>(2u * pack, 2u * pack + 1u);
    let split = Column__singles(first, first + 2u * SPLIT_PACKS);
    return select(Column__singles(4u * pack) + Column__singles(0u, 1u, 2u, 3u), split, pack < SPLIT_PACKS);
}

fn number_of__singles(column: Column__singles) -> u32 {
    return select(column.x / 4u, column.x / 2u, column.x < 2u * SPLIT_PACKS);
}

// ---- column: apart
//
// Packs of elements that are not all neighbours: a column has an index for each part. Packs are inside of their row.

fn column_of_lane__apart(k: u32, lane: u32, lanes: u32, is_there: bool, row: u32, middle: bool) -> Column {
    return column_at(select(0u, pack_of(k, lane, lanes), is_there));
}

fn first_inside__apart(v: Pack, column: Column) -> f32 {
    return pack_first(v);
}

fn elements_of__apart(packs: u32) -> f32 {
    return f32(packs * PACK);
}

// ---- at: dense_apart
//
// All tensors are dense: one index of each part for all.

alias At__dense_apart = Column;

alias First__dense_apart = u32;

fn first_of__dense_apart(row: u32, stride: u32) -> First__dense_apart {
    return row * stride;
}

fn at_of__dense_apart(first: First__dense_apart, column: Column) -> At__dense_apart {
    return Column(first) + column;
}

// ---- at: strided_apart
//
// Tensors have strides of their own, as in `strided`. Kernels of such packs have an input and an output.

struct At__strided_apart {
    input: Column,
    output: Column,
}

struct First__strided_apart {
    input: u32,
    output: u32,
}

fn first_of__strided_apart(row: u32, stride: u32) -> First__strided_apart {
    let outer = outer_of(row);
    let inner = row - outer * places.rows;
    return First__strided_apart(row_at(places.input, outer, inner), row_at(places.output, outer, inner));
}

fn at_of__strided_apart(first: First__strided_apart, column: Column) -> At__strided_apart {
    return At__strided_apart(Column(first.input) + column, Column(first.output) + column);
}

// ---- at: indexed_apart
//
// The same, but an index says where rows of the input or of the output lie, as in `indexed`.

struct At__indexed_apart {
    is_there: bool,
    input: Column,
    output: Column,
}

struct First__indexed_apart {
    is_there: bool,
    input: u32,
    output: u32,
}

fn first_of__indexed_apart(row: u32, stride: u32) -> First__indexed_apart {
    let place = indexed_row(row);
    return First__indexed_apart(
        place.is_there,
        row_at(places.input, place.input, place.inner),
        row_at(places.output, place.output, place.inner),
    );
}

fn at_of__indexed_apart(first: First__indexed_apart, column: Column) -> At__indexed_apart {
    return At__indexed_apart(first.is_there, Column(first.input) + column, Column(first.output) + column);
}

// ---- mask: mask_packs
//
// The elements of a pack that count: all or none, as packs lie inside their row.

alias Mask__mask_packs = bool;

fn mask_of__mask_packs(column: Column, counts: bool) -> Mask__mask_packs {
    return counts;
}

fn masked__mask_packs(v: Pack, mask: Mask__mask_packs) -> Pack {
    return select(Pack(0.0), v, mask);
}

fn has_element__mask_packs(column: Column, i: u32) -> bool {
    return true;
}

// ---- mask: half_unaligned
//
// The elements of a pack that count, where some of them are outside the row.

alias Mask__half_unaligned = vec4<bool>;

fn mask_of__half_unaligned(column: Column__half_unaligned, counts: bool) -> Mask__half_unaligned {
    return column.inside & vec4<bool>(counts);
}

fn masked__half_unaligned(v: Pack, mask: Mask__half_unaligned) -> Pack {
    return select(Pack(0.0), v, mask);
}

fn has_element__half_unaligned(column: Column__half_unaligned, i: u32) -> bool {
    return column.inside[i];
}
