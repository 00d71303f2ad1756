// Numbers: packs of elements, and sums of them as hi + lo.

// ---- pack: scalar
//
// A pack is one element: for rows whose length is not a multiple of four.

alias Pack__scalar = f32;

alias PackBool__scalar = bool;

const PACK__scalar: u32 = 1u;

fn pack_first__scalar(v: Pack__scalar) -> f32 {
    return v;
}

fn pack_sum__scalar(v: Pack__scalar) -> f32 {
    return v;
}

fn pack_component__scalar(v: Pack__scalar, i: u32) -> f32 {
    return v;
}

fn pack_peak__scalar(v: Pack__scalar) -> i32 {
    return bitcast<i32>(v) & 0x7fffffff;
}

// A NaN shows in the bits. Compilers may assume that floats are numbers, and some drop a comparison of floats.
fn pack_nan_of__scalar(u: Pack__scalar, v: Pack__scalar) -> Pack__scalar {
    return select(v, u, (bitcast<u32>(u) & u32(0x7fffffffu)) > u32(0x7f800000u));
}

// ---- pack: vec4
//
// A pack is four elements, which one load of 16 bytes moves as f32.

alias Pack__vec4 = vec4<f32>;

alias PackBool__vec4 = vec4<bool>;

const PACK__vec4: u32 = 4u;

fn pack_first__vec4(v: Pack__vec4) -> f32 {
    return v.x;
}

fn pack_sum__vec4(v: Pack__vec4) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn pack_component__vec4(v: Pack__vec4, i: u32) -> f32 {
    return v[i];
}

fn pack_peak__vec4(v: Pack__vec4) -> i32 {
    let m = bitcast<vec4<i32>>(v) & vec4<i32>(0x7fffffff);
    return max(max(m.x, m.y), max(m.z, m.w));
}

// A NaN shows in the bits. Compilers may assume that floats are numbers, and some drop a comparison of floats.
fn pack_nan_of__vec4(u: Pack__vec4, v: Pack__vec4) -> Pack__vec4 {
    return select(v, u, (bitcast<vec4<u32>>(u) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

// ---- finite: scalar
//
// Whether a number is neither infinite nor NaN, from its bits: compilers may assume that there are no such numbers.

fn is_finite__scalar(v: Pack__scalar) -> PackBool__scalar {
    return (bitcast<u32>(v) & 0x7fffffffu) < 0x7f800000u;
}

// ---- finite: vec4
//
// Whether each of four numbers is neither infinite nor NaN, from its bits: compilers may assume that there are no such
// numbers.

fn is_finite__vec4(v: Pack__vec4) -> PackBool__vec4 {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) < vec4<u32>(0x7f800000u);
}

// ---- two sum
//
// The sum of two numbers without a rounding error, as hi + lo: Knuth's TwoSum.

struct Pair {
    hi: Real,
    lo: Real,
}

fn two_sum(a: Real, b: Real) -> Pair {
    let hi = opaque(a + b);
    let b_part = opaque(hi - a);
    let a_part = opaque(hi - b_part);
    return Pair(hi, (a - a_part) + (b - b_part));
}

// ---- total
//
// A double-float sum as one number.

// The rounding error of an infinite sum is a NaN.
fn total_of(sum: Pair) -> Real {
    return select(sum.hi + sum.lo, sum.hi, abs(sum.hi) > Real(3e38));
}

// ---- pairs
//
// Double-float arithmetic: hi + lo have 48 significant bits.

// The upper 12 of 24 significant bits: the product of two such numbers is exact.
fn upper(v: Real) -> Real {
    return real_of(bits_of(v) & Bits(0xfffff000u));
}

fn add(sum: Pair, v: Pair) -> Pair {
    let hi = two_sum(sum.hi, v.hi);
    return Pair(hi.hi, sum.lo + (hi.lo + v.lo));
}

// Exact but for a bit or two of lo. lo is at most half an ulp of hi, since a sum of many larger ones would lose bits.
fn product(a: Real, b: Real) -> Pair {
    let upper_a = upper(a);
    let upper_b = upper(b);
    let most = upper_a * upper_b;
    let rest = upper_a * (b - upper_b) + (a - upper_a) * b;
    let hi = opaque(most + rest);
    return Pair(hi, rest - (hi - most));
}

fn times(v: Pair, factor: Real) -> Pair {
    let hi = product(v.hi, factor);
    return Pair(hi.hi, hi.lo + v.lo * factor);
}

// ---- real: sum_scalar
//
// The arithmetic without rounding errors works on one number.

alias Real__sum_scalar = f32;

alias Bits__sum_scalar = u32;

fn bits_of__sum_scalar(v: Real__sum_scalar) -> Bits__sum_scalar {
    return bitcast<u32>(v);
}

fn real_of__sum_scalar(bits: Bits__sum_scalar) -> Real__sum_scalar {
    return bitcast<f32>(bits);
}

// The compiler does not know that params.zero is 0.
fn opaque__sum_scalar(v: Real__sum_scalar) -> Real__sum_scalar {
    return real_of__sum_scalar(bits_of__sum_scalar(v) ^ Bits__sum_scalar(params.zero));
}

// ---- real: sum_vec2
//
// The arithmetic without rounding errors works on two numbers, each on its own.

alias Real__sum_vec2 = vec2<f32>;

alias Bits__sum_vec2 = vec2<u32>;

fn bits_of__sum_vec2(v: Real__sum_vec2) -> Bits__sum_vec2 {
    return bitcast<vec2<u32>>(v);
}

fn real_of__sum_vec2(bits: Bits__sum_vec2) -> Real__sum_vec2 {
    return bitcast<vec2<f32>>(bits);
}

// The compiler does not know that params.zero is 0.
fn opaque__sum_vec2(v: Real__sum_vec2) -> Real__sum_vec2 {
    return real_of__sum_vec2(bits_of__sum_vec2(v) ^ Bits__sum_vec2(params.zero));
}

// ---- real: sum_vec4
//
// The arithmetic without rounding errors works on four numbers, each on its own.

alias Real__sum_vec4 = vec4<f32>;

alias Bits__sum_vec4 = vec4<u32>;

fn bits_of__sum_vec4(v: Real__sum_vec4) -> Bits__sum_vec4 {
    return bitcast<vec4<u32>>(v);
}

fn real_of__sum_vec4(bits: Bits__sum_vec4) -> Real__sum_vec4 {
    return bitcast<vec4<f32>>(bits);
}

// The compiler does not know that params.zero is 0.
fn opaque__sum_vec4(v: Real__sum_vec4) -> Real__sum_vec4 {
    return real_of__sum_vec4(bits_of__sum_vec4(v) ^ Bits__sum_vec4(params.zero));
}
