// Tensors: how a shader loads and stores the packs of a tensor, whatever its type, by the vector layout.
//
// Each variant is made into the tensors of a shader: `tensor` becomes the tensor's name, `half` its type, f16 or bf16,
// and binding and access mode become its own. Kernels call load_input(i), store_output(i, v), .. with the index of the
// layout.

// ---- f32

@group(0) @binding(0) var<storage, read_write> tensor__scalar_f32: array<f32>;

fn load_tensor__scalar_f32(i: u32) -> f32 {
    return tensor__scalar_f32[i];
}

fn store_tensor__scalar_f32(i: u32, v: f32) {
    tensor__scalar_f32[i] = v;
}

@group(0) @binding(0) var<storage, read_write> tensor__vec4_f32: array<vec4<f32>>;

fn load_tensor__vec4_f32(i: u32) -> vec4<f32> {
    return tensor__vec4_f32[i];
}

fn store_tensor__vec4_f32(i: u32, v: vec4<f32>) {
    tensor__vec4_f32[i] = v;
}

@group(0) @binding(0) var<storage, read_write> tensor__vec4x2_f32: array<vec4<f32>>;

fn load_tensor__vec4x2_f32(at: At) -> vec4<f32> {
    return tensor__vec4x2_f32[number_of(at)];
}

fn store_tensor__vec4x2_f32(at: At, v: vec4<f32>) {
    tensor__vec4x2_f32[number_of(at)] = v;
}

// A table that a pack reads at four indices.
@group(0) @binding(0) var<storage, read_write> tensor__gather_f32: array<f32>;

fn load_tensor__gather_f32(i: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        tensor__gather_f32[i.x],
        tensor__gather_f32[i.y],
        tensor__gather_f32[i.z],
        tensor__gather_f32[i.w],
    );
}

// A pack of two pairs of neighbours, at an index of each.
@group(0) @binding(0) var<storage, read_write> tensor__partners_f32: array<vec2<f32>>;

fn load_tensor__partners_f32(i: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(tensor__partners_f32[i.x], tensor__partners_f32[i.y]);
}

fn store_tensor__partners_f32(i: vec2<u32>, v: vec4<f32>) {
    tensor__partners_f32[i.x] = v.xy;
    tensor__partners_f32[i.y] = v.zw;
}

// A pack of four elements anywhere, at an index of each.
@group(0) @binding(0) var<storage, read_write> tensor__singles_f32: array<f32>;

fn load_tensor__singles_f32(i: vec4<u32>) -> vec4<f32> {
    let first = vec2<f32>(tensor__singles_f32[i.x], tensor__singles_f32[i.y]);
    return vec4<f32>(first, tensor__singles_f32[i.z], tensor__singles_f32[i.w]);
}

fn store_tensor__singles_f32(i: vec4<u32>, v: vec4<f32>) {
    tensor__singles_f32[i.x] = v.x;
    tensor__singles_f32[i.y] = v.y;
    tensor__singles_f32[i.z] = v.z;
    tensor__singles_f32[i.w] = v.w;
}

// ---- u32

@group(0) @binding(0) var<storage, read_write> tensor__word: array<u32>;

fn load_tensor__word(i: u32) -> u32 {
    return tensor__word[i];
}

fn store_tensor__word(i: u32, v: u32) {
    tensor__word[i] = v;
}

@group(0) @binding(0) var<storage, read_write> tensor__four_words: array<vec4<u32>>;

fn store_tensor__four_words(i: u32, v: vec4<u32>) {
    tensor__four_words[i] = v;
}

// Bytes of words. The other bytes of a word may belong to other invocations, and change between load and exclusive or.
@group(0) @binding(0) var<storage, read_write> tensor__bytes: array<atomic<u32>>;

// `v` is a mask of bits, and these bits.
fn store_tensor__bytes(i: u32, v: vec2<u32>) {
    let was = atomicLoad(&tensor__bytes[i]) & v.x;
    atomicXor(&tensor__bytes[i], was ^ v.y);
}

// ---- half precision: two elements a word

@group(0) @binding(0) var<storage, read_write> tensor__scalar_half_read: array<u32>;

fn load_tensor__scalar_half_read(i: u32) -> f32 {
    return decode1_half(tensor__scalar_half_read[i / 2u], i);
}

@group(0) @binding(0) var<storage, read_write> tensor__scalar_half: array<atomic<u32>>;

fn load_tensor__scalar_half(i: u32) -> f32 {
    return decode1_half(atomicLoad(&tensor__scalar_half[i / 2u]), i);
}

// The neighbour in the word may belong to another invocation, and change between load and exclusive or; this element
// does not.
fn store_tensor__scalar_half(i: u32, v: f32) {
    let shift = 16u * (i & 1u);
    let was = (atomicLoad(&tensor__scalar_half[i / 2u]) >> shift) & 0xffffu;
    atomicXor(&tensor__scalar_half[i / 2u], (was ^ encode1_half(v)) << shift);
}

@group(0) @binding(0) var<storage, read_write> tensor__vec4_half: array<vec2<u32>>;

fn load_tensor__vec4_half(i: u32) -> vec4<f32> {
    return decode4_half(tensor__vec4_half[i]);
}

fn store_tensor__vec4_half(i: u32, v: vec4<f32>) {
    tensor__vec4_half[i] = encode4_half(v);
}

@group(0) @binding(0) var<storage, read_write> tensor__vec4x2_half: array<vec4<u32>>;
// A lane stores the two packs of a pair one after the other: the first waits for the second.
var<private> first_of_tensor__vec4x2_half: vec2<u32>;

// Both packs load the same 16 bytes. Compilers load them once: no store is in between, and `second` is a constant.
fn load_tensor__vec4x2_half(at: At) -> vec4<f32> {
    let words = tensor__vec4x2_half[at.pair];
    return decode4_half(select(words.xy, words.zw, at.second));
}

fn store_tensor__vec4x2_half(at: At, v: vec4<f32>) {
    let words = encode4_half(v);
    if at.second {
        tensor__vec4x2_half[at.pair] = vec4<u32>(first_of_tensor__vec4x2_half, words);
    } else {
        first_of_tensor__vec4x2_half = words;
    }
}

@group(0) @binding(0) var<storage, read_write> tensor__unaligned_half_read: array<u32>;

fn load_tensor__unaligned_half_read(at: At) -> vec4<f32> {
    let words = vec2<u32>(tensor__unaligned_half_read[at.words.x], tensor__unaligned_half_read[at.words.y]);
    return decode4_half(words);
}

@group(0) @binding(0) var<storage, read_write> tensor__unaligned_half: array<atomic<u32>>;

fn load_tensor__unaligned_half(at: At) -> vec4<f32> {
    let first = atomicLoad(&tensor__unaligned_half[at.words.x]);
    return decode4_half(vec2<u32>(first, atomicLoad(&tensor__unaligned_half[at.words.y])));
}

// An edge word holds an element of another row, which another invocation may store at the same time: its bits stay.
fn store_tensor__unaligned_half(at: At, v: vec4<f32>) {
    let words = encode4_half(v);
    if at.bits.x == 0xffffffffu {
        atomicStore(&tensor__unaligned_half[at.words.x], words.x);
    } else if at.bits.x != 0u {
        atomicAnd(&tensor__unaligned_half[at.words.x], ~at.bits.x);
        atomicOr(&tensor__unaligned_half[at.words.x], words.x & at.bits.x);
    }
    if at.bits.y == 0xffffffffu {
        atomicStore(&tensor__unaligned_half[at.words.y], words.y);
    } else if at.bits.y != 0u {
        atomicAnd(&tensor__unaligned_half[at.words.y], ~at.bits.y);
        atomicOr(&tensor__unaligned_half[at.words.y], words.y & at.bits.y);
    }
}

// A table that a pack reads at four indices, each the one before it or the next. They lie in three words at most: the
// third index in the second's word or in the last one's.
@group(0) @binding(0) var<storage, read_write> tensor__gather_half: array<u32>;

fn load_tensor__gather_half(i: vec4<u32>) -> vec4<f32> {
    let at = i / 2u;
    let second = tensor__gather_half[at.y];
    let last = tensor__gather_half[at.w];
    let words = vec4<u32>(tensor__gather_half[at.x], second, select(last, second, at.z == at.y), last);
    let shift = vec4<u32>(16u) * (i & vec4<u32>(1u));
    return values_half((words >> shift) & vec4<u32>(0xffffu));
}

@group(0) @binding(0) var<storage, read_write> tensor__partners_half: array<u32>;

fn load_tensor__partners_half(i: vec2<u32>) -> vec4<f32> {
    return decode4_half(vec2<u32>(tensor__partners_half[i.x], tensor__partners_half[i.y]));
}

fn store_tensor__partners_half(i: vec2<u32>, v: vec4<f32>) {
    let words = encode4_half(v);
    tensor__partners_half[i.x] = words.x;
    tensor__partners_half[i.y] = words.y;
}

@group(0) @binding(0) var<storage, read_write> tensor__singles_half_read: array<u32>;

fn load_tensor__singles_half_read(i: vec4<u32>) -> vec4<f32> {
    let at = i / 2u;
    let first = vec2<u32>(tensor__singles_half_read[at.x], tensor__singles_half_read[at.y]);
    let words = vec4<u32>(first, tensor__singles_half_read[at.z], tensor__singles_half_read[at.w]);
    let shift = vec4<u32>(16u) * (i & vec4<u32>(1u));
    return values_half((words >> shift) & vec4<u32>(0xffffu));
}

@group(0) @binding(0) var<storage, read_write> tensor__singles_half: array<atomic<u32>>;

fn load_tensor__singles_half(i: vec4<u32>) -> vec4<f32> {
    let at = i / 2u;
    let first = vec2<u32>(atomicLoad(&tensor__singles_half[at.x]), atomicLoad(&tensor__singles_half[at.y]));
    let last = vec2<u32>(atomicLoad(&tensor__singles_half[at.z]), atomicLoad(&tensor__singles_half[at.w]));
    let shift = vec4<u32>(16u) * (i & vec4<u32>(1u));
    return values_half((vec4<u32>(first, last) >> shift) & vec4<u32>(0xffffu));
}

// The neighbour in the word may belong to another invocation, and change between load and exclusive or; this element
// does not.
fn put_tensor__singles_half(i: u32, half: u32) {
    let shift = 16u * (i & 1u);
    let was = (atomicLoad(&tensor__singles_half[i / 2u]) >> shift) & 0xffffu;
    atomicXor(&tensor__singles_half[i / 2u], (was ^ (half & 0xffffu)) << shift);
}

fn store_tensor__singles_half(i: vec4<u32>, v: vec4<f32>) {
    let words = encode4_half(v);
    put_tensor__singles_half(i.x, words.x);
    put_tensor__singles_half(i.y, words.x >> 16u);
    put_tensor__singles_half(i.z, words.y);
    put_tensor__singles_half(i.w, words.y >> 16u);
}
