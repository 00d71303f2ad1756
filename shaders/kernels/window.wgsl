// Local response norm: divides each element by a power of the squares in its window. A lane owns a pack.
//
// Requires pack, window, load_input, store_output.

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
    let power = power_at(at - channel * params.stride, channel);
    store_output(at, load_input(at) * power.inverse);
}
