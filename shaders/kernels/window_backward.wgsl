// The gradient of local response norm. A lane owns a pack and goes through the channels whose windows it is in: the window,
// mirrored. What each of them divides by is computed again from the input, which is near, so there is no scratch.
//
// Requires pack, window, load_input, load_grad_output, store_grad_input.

struct Params {
    packs: u32, // in the tensor
    channels: u32,
    stride: u32, // packs from one channel to the next
    before: u32, // channels of a window before its own
    after: u32, // and after it
    alpha: f32, // by the size of the window
    beta: f32,
    k: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let workgroup = workgroup_id.y * num_workgroups.x + workgroup_id.x;
    let at = workgroup * WORKGROUP_SIZE + local_index;
    if at >= params.packs {
        return;
    }
    let channel = at / params.stride % params.channels;
    let first = at - channel * params.stride;
    let end = min(channel + params.before, params.channels - 1u);
    var direct = Pack();
    var through = Pack();
    for (var i = channel - min(channel, params.after); i <= end; i += 1u) {
        let other = first + i * params.stride;
        let power = power_at(first, i);
        let scaled = load_grad_output(other) * power.inverse;
        if i == channel {
            direct = scaled;
        }
        through += scaled * load_input(other) / power.divisor;
    }
    store_grad_input(at, direct - 2.0 * params.alpha * params.beta * load_input(at) * through);
}
