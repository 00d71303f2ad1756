// Quantized output: int8 with a scale for each row, or for each block of neighbours in a row.
//
// The largest magnitude of a block is its peak: the bits of an f32 as a signed integer. These compare as magnitudes do,
// and a NaN is the largest. SIMD units of CPUs do not compare unsigned integers.
//
// A word has four elements, the first one in the lowest byte, and each row begins at a word.

// ---- quantized: not_quantized
//
// The output is not quantized.

const QUANTIZED__not_quantized: bool = false;

const QUANTIZED_PACKS__not_quantized: u32 = 1u;

const QUANTIZED_STEP__not_quantized: u32 = 1u;

fn peak_of_block__not_quantized(peak: i32, team: Team) -> i32 {
    return peak;
}

fn quantized_factor__not_quantized(peak: i32) -> f32 {
    return 0.0;
}

fn put_quantized__not_quantized(row: u32, column: Column, k: u32, u: Pack, factor: f32) {
}

fn put_sum__not_quantized(at: At, x: Pack) {
}

fn put_quantized_scale__not_quantized(row: u32, column: Column, lane: u32, peak: i32) {
}

// ---- quantized: quantized
//
// QUANTIZED_BLOCK elements share a scale: QUANTIZED_PACKS packs of each of QUANTIZED_LANES neighbouring lanes.

const QUANTIZED__quantized: bool = true;

fn peak_of_block__quantized(peak: i32, team: Team) -> i32 {
    return team_peak(peak, team);
}

// Elements times the factor are at most 127. The scale of smaller peaks would be no normal number of f32.
const LEAST_PEAK: i32 = 0x03fe0000;

fn quantized_factor__quantized(peak: i32) -> f32 {
    return select(127.0 / bitcast<f32>(peak), 0.0, peak < LEAST_PEAK);
}

fn put_sum__quantized(at: At, x: Pack) {
    if !EARLY_SUM {
        store_sum(at, x);
    }
}

fn put_quantized_scale__quantized(row: u32, column: Column, lane: u32, peak: i32) {
    if lane % QUANTIZED_LANES == 0u {
        let blocks = (params.elements + (QUANTIZED_BLOCK - 1u)) / QUANTIZED_BLOCK;
        let scale = select(bitcast<f32>(peak) / 127.0, 0.0, peak < LEAST_PEAK);
        store_quantized_scale(row * blocks + element_of(column, 0u) / QUANTIZED_BLOCK, scale);
    }
}

// Words of a row.
fn quantized_words() -> u32 {
    return (params.elements + 3u) / 4u;
}

// The low bits of v + ROUNDED are those of an integer v, and the sum is exact. `round` rounds ties to even: how a sum
// is rounded is the device's choice.
const ROUNDED: f32 = 12582912.0;

// ---- quantized elements: quantized_bytes
//
// A pack is one element, in a word that other lanes share.

// The last element of a row writes the zeros behind it too.
fn put_quantized__quantized_bytes(row: u32, column: Column, k: u32, u: Pack, factor: f32) {
    let i = element_of(column, 0u);
    let shift = 8u * (i % 4u);
    let mask = select(0xffu, 0xffffffffu, i + 1u == params.elements) << shift;
    let bits = bitcast<u32>(round(u * factor) + ROUNDED) & 0xffu;
    store_quantized_output(row * quantized_words() + i / 4u, vec2<u32>(mask, bits << shift));
}

// ---- word of a pack

// Two neighbours are one integer of 16 bits, the second one 256 times: 128 added to each makes two bytes of it, without
// a sign. In f32 that is exact, and half as many integers are shifted.
const PAIR: f32 = ROUNDED + 128.0 * 257.0;

// What a pair has above its 16 bits, and what makes the bytes signed.
const NOT_OF_PAIRS: u32 = 0x4b400000u ^ 0x80808080u;

// The factor 0 makes zeros of all numbers: without a selection, one compiler packs the word of each lane on its own.
fn word_of(u: Pack, factor: f32) -> u32 {
    let v = round(u * factor);
    let pairs = bitcast<vec2<u32>>(v.xz + 256.0 * v.yw + PAIR);
    let word = (pairs.x ^ (pairs.y << 16u)) ^ NOT_OF_PAIRS;
    return select(word, 0u, factor == 0.0);
}

// ---- quantized elements: quantized_words
//
// A pack is a word.

fn put_quantized__quantized_words(row: u32, column: Column, k: u32, u: Pack, factor: f32) {
    store_quantized_output(row * quantized_words() + number_of(column), word_of(u, factor));
}

// ---- quantized elements: quantized_fours
//
// A lane has four neighbouring words one after the other, which end at a k that is a constant. Rows are of whole fours.

var<private> words_of_lane__quantized_fours: vec4<u32>;

fn put_quantized__quantized_fours(row: u32, column: Column, k: u32, u: Pack, factor: f32) {
    let words = vec4<u32>(words_of_lane__quantized_fours.yzw, word_of(u, factor));
    words_of_lane__quantized_fours = words;
    if k % 4u == 3u {
        store_quantized_output((row * quantized_words() + number_of(column)) / 4u, words);
    }
}
