// Ops over a window of neighbouring channels that registers hold. The tensor is [outer, channels, stride] in packs. A
// lane walks over some channels of one position. It loads each of them once, and some before and after them, which
// other lanes load too.
//
// A window is a row of registers, the newest channel first. A backward pass has a second one, with the gradients of the
// channels whose own windows are complete. Channels outside the tensor count as zero.
//
// Numerics: each window adds its squares anew. A running sum would keep the rounding error of a large neighbour.

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
    var x: array<Pack, BLOCK>; // unroll
    var g: array<Pack, BLOCK>; // unroll
    var ratio: array<Pack, BLOCK>; // unroll
    for (var k = 0u; k < BLOCK; k += 1u) { // unroll
        x[k] = Pack(0.0);
        g[k] = Pack(0.0);
        ratio[k] = Pack(0.0);
    }
    for (var step = 0u; step < steps + select(1u, 2u, BACKWARD) * EDGE; step += 1u) {
        // Before the first channel, this is a large number.
        let newest = begin + step - REACH;
        var next = select(Pack(0.0), load_input(at_of_channel(first, newest)), newest < params.channels);
        var squares = Pack(0.0);
        var center = Pack(0.0);
        var oldest = Pack(0.0);
        for (var k = 0u; k < BLOCK; k += 1u) { // unroll
            let older = x[k];
            x[k] = next;
            next = older;
            squares += x[k] * x[k];
            if k == AFTER {
                center = x[k];
            }
            oldest = x[k];
        }
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
                for (var k = 0u; k < BLOCK; k += 1u) { // unroll
                    let older_g = g[k];
                    g[k] = next_g;
                    next_g = older_g;
                    let older_ratio = ratio[k];
                    ratio[k] = next_ratio;
                    next_ratio = older_ratio;
                    if k == BEFORE {
                        direct = g[k];
                    }
                    through += g[k] * (oldest * ratio[k]);
                }
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
