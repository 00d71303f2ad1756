// Local response norm, windows of 5 channels held in registers.
// shaders/kernels/slide.wgsl, workgroups of 64:
//
// Ops over a window of neighbouring channels that registers hold. The tensor is [outer, channels, stride] in packs. A
// lane walks over some channels of one position. It loads each of them once, and some before and after them, which
// other lanes load too.
//
// A window is a row of registers, the newest channel first. A backward pass has a second one, with the gradients of the
// channels whose own windows are complete. Channels outside the tensor count as zero.
//
// Numerics: each window adds its squares anew. A running sum would keep the rounding error of a large neighbour.

// ==== roles/numbers.wgsl

alias Pack = vec4<f32>;

alias PackBool = vec4<bool>;

fn is_finite(v: Pack) -> PackBool {
    return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) < vec4<u32>(0x7f800000u);
}

// ==== roles/windows.wgsl

struct Power {
    base: Pack,
    inverse: Pack,
}

fn power_of_squares(squares: Pack) -> Power {
    let base = params.k + params.alpha * squares;
    // The power of zero, infinity, NaN and negative numbers, for any beta above 0. exp2 and log2 may lose a NaN. log2
    // of a negative number is not a NaN on every device. A subnormal beta, flushed to zero, gives a NaN for infinity.
    let limit = inverseSqrt(base);
    let power = select(limit, exp2(-params.beta * log2(base)), base > Pack(0.0));
    return Power(base, select(limit, power, is_finite(base)));
}

fn load_gradient(at: u32) -> Pack {
    return Pack(0.0);
}

fn write_value(at: u32, v: Pack) {
    store_output(at, v);
}

// ==== constants of the key

const WORKGROUP_SIZE: u32 = 64u;

const BLOCK: u32 = 5u;

const BEFORE: u32 = 2u;

const AFTER: u32 = 2u;

const BACKWARD: bool = false;

// ==== tensors.wgsl

@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;

fn load_input(i: u32) -> vec4<f32> {
    return input[i];
}

@group(0) @binding(6) var<storage, read_write> output: array<vec4<f32>>;

fn store_output(i: u32, v: vec4<f32>) {
    output[i] = v;
}

// ==== kernels/slide.wgsl

struct Params {
    lanes: u32,
    channels: u32,
    stride: u32, // packs from one channel to the next
    splits: u32, // lanes that share the channels of a position
    steps: u32, // channels of a lane, at most
    alpha: f32, // divided by the size of the window
    beta: f32,
    k: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Channels of a window except its own.
const EDGE: u32 = BLOCK - 1u;

// Channels before the first written one that its window reaches, or a window of its window.
const REACH: u32 = select(BEFORE, EDGE, BACKWARD);

fn at_of_channel(first: u32, channel: u32) -> u32 {
    return first + min(channel, params.channels - 1u) * params.stride;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let lane = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP_SIZE + local_index;
    if lane >= params.lanes {
        return;
    }
    let column = lane / params.stride;
    let first = column / params.splits * params.channels * params.stride + lane % params.stride;
    let begin = column % params.splits * params.steps;
    let steps = min(params.steps, params.channels - begin);
    var x_0 = Pack(0.0);
    var g_0 = Pack(0.0);
    var ratio_0 = Pack(0.0);
    var x_1 = Pack(0.0);
    var g_1 = Pack(0.0);
    var ratio_1 = Pack(0.0);
    var x_2 = Pack(0.0);
    var g_2 = Pack(0.0);
    var ratio_2 = Pack(0.0);
    var x_3 = Pack(0.0);
    var g_3 = Pack(0.0);
    var ratio_3 = Pack(0.0);
    var x_4 = Pack(0.0);
    var g_4 = Pack(0.0);
    var ratio_4 = Pack(0.0);
    for (var step = 0u; step < steps + select(1u, 2u, BACKWARD) * EDGE; step += 1u) {
        // Before the first channel, this is a large number.
        let newest = begin + step - REACH;
        var next = select(Pack(0.0), load_input(at_of_channel(first, newest)), newest < params.channels);
        var squares = Pack(0.0);
        var center = Pack(0.0);
        var oldest = Pack(0.0);
        let older_0 = x_0;
        x_0 = next;
        next = older_0;
        squares += x_0 * x_0;
        if 0u == AFTER {
            center = x_0;
        }
        oldest = x_0;
        let older_1 = x_1;
        x_1 = next;
        next = older_1;
        squares += x_1 * x_1;
        if 1u == AFTER {
            center = x_1;
        }
        oldest = x_1;
        let older_2 = x_2;
        x_2 = next;
        next = older_2;
        squares += x_2 * x_2;
        if 2u == AFTER {
            center = x_2;
        }
        oldest = x_2;
        let older_3 = x_3;
        x_3 = next;
        next = older_3;
        squares += x_3 * x_3;
        if 3u == AFTER {
            center = x_3;
        }
        oldest = x_3;
        let older_4 = x_4;
        x_4 = next;
        next = older_4;
        squares += x_4 * x_4;
        if 4u == AFTER {
            center = x_4;
        }
        oldest = x_4;
        if step >= EDGE {
            let channel = newest - AFTER;
            let power = power_of_squares(squares);
            if BACKWARD {
                let is_there = channel < params.channels;
                let gradient = load_gradient(at_of_channel(first, channel)) * power.inverse;
                var next_g = select(Pack(0.0), gradient, is_there);
                // An x of the window times this is of the order of 1, though the base alone may be tiny.
                var next_ratio = select(Pack(0.0), center / power.base, is_there);
                var direct = Pack(0.0);
                var through = Pack(0.0);
                let older_g_0 = g_0;
                g_0 = next_g;
                next_g = older_g_0;
                let older_ratio_0 = ratio_0;
                ratio_0 = next_ratio;
                next_ratio = older_ratio_0;
                if 0u == BEFORE {
                    direct = g_0;
                }
                through += g_0 * (oldest * ratio_0);
                let older_g_1 = g_1;
                g_1 = next_g;
                next_g = older_g_1;
                let older_ratio_1 = ratio_1;
                ratio_1 = next_ratio;
                next_ratio = older_ratio_1;
                if 1u == BEFORE {
                    direct = g_1;
                }
                through += g_1 * (oldest * ratio_1);
                let older_g_2 = g_2;
                g_2 = next_g;
                next_g = older_g_2;
                let older_ratio_2 = ratio_2;
                ratio_2 = next_ratio;
                next_ratio = older_ratio_2;
                if 2u == BEFORE {
                    direct = g_2;
                }
                through += g_2 * (oldest * ratio_2);
                let older_g_3 = g_3;
                g_3 = next_g;
                next_g = older_g_3;
                let older_ratio_3 = ratio_3;
                ratio_3 = next_ratio;
                next_ratio = older_ratio_3;
                if 3u == BEFORE {
                    direct = g_3;
                }
                through += g_3 * (oldest * ratio_3);
                let older_g_4 = g_4;
                g_4 = next_g;
                next_g = older_g_4;
                let older_ratio_4 = ratio_4;
                ratio_4 = next_ratio;
                next_ratio = older_ratio_4;
                if 4u == BEFORE {
                    direct = g_4;
                }
                through += g_4 * (oldest * ratio_4);
                if step >= 2u * EDGE {
                    write_value(
                        at_of_channel(first, channel - BEFORE),
                        direct - 2.0 * params.alpha * params.beta * through,
                    );
                }
            } else {
                write_value(at_of_channel(first, channel), center * power.inverse);
            }
        }
    }
}
