// Ops over a window of more channels than registers hold. The tensor is [outer, channels, stride] in packs. A lane owns
// a pack.
//
// Numerics: blocks are added as hi + lo, since there may be thousands.

struct Params {
    packs: u32, // in the tensor
    channels: u32,
    stride: u32, // packs from one channel to the next
    before: u32, // channels of a window before its own
    after: u32, // and after it
    alpha: f32, // divided by the size of the window
    beta: f32,
    k: f32,
    zero: u32, // always 0
}

@group(0) @binding(0) var<uniform> params: Params;

// Channels from `before` lower to `after` higher, cut at the ends.
fn window(channel: u32, before: u32, after: u32) -> vec2<u32> {
    return vec2<u32>(channel - min(channel, before), min(channel + after, params.channels - 1u));
}

// hi is the plain sum, which may be infinite or NaN. lo is then a NaN, so only `total` adds it.
fn add_pack(sum: Pair, v: Pack) -> Pair {
    let added = two_sum(sum.hi, v);
    return Pair(added.hi, sum.lo + added.lo);
}

fn total(sum: Pair) -> Pack {
    return select(sum.hi, sum.hi + sum.lo, is_finite(sum.hi));
}

fn power_of(first: u32, channel: u32) -> Power {
    let reach = window(channel, params.before, params.after);
    var squares = Pair();
    for (var first_i = reach.x; first_i <= reach.y; first_i += BLOCK) {
        var block = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let i = first_i + k;
            let x = load_input(first + min(i, reach.y) * params.stride);
            block += select(Pack(0.0), x * x, i <= reach.y);
        }
        squares = add_pack(squares, block);
    }
    return power_of_squares(total(squares));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    let at = workgroup * WORKGROUP_SIZE + local_index;
    if at < params.packs {
        let channel = at / params.stride % params.channels;
        write_element(at, at - channel * params.stride, channel);
    }
}
