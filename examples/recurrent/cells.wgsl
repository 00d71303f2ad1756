// The cells between their norms. Tensors of one time: [cases, units], or [cases, gates * units].

struct Cell {
    elements: u32,
    units: u32,
}
@group(0) @binding(0) var<uniform> cell: Cell;
// Parts of one buffer, the state before and after: it can't be bound for reading and for writing.
@group(0) @binding(8) var<storage, read_write> before: array<f32>;
@group(0) @binding(9) var<storage> squashed: array<f32>;
@group(0) @binding(10) var<storage, read_write> third: array<f32>;

fn sigmoid(u: f32) -> f32 {
    return 1.0 / (1.0 + exp(-u));
}

// Where a gate of this element is, if there are so many gates.
fn gate(i: u32, gate_: u32, gates: u32) -> u32 {
    return (i / cell.units * gates + gate_) * cell.units + i % cell.units;
}

// result += right
@compute @workgroup_size(64)
fn add_bias(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < cell.elements { result[i] += right[i % cell.units]; }
}

@compute @workgroup_size(64)
fn clear(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < cell.elements { result[i] = 0.0; }
}

@compute @workgroup_size(64)
fn squash(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < cell.elements { result[i] = tanh(left[i]); }
}

// left: the gradient of what squash gave.
@compute @workgroup_size(64)
fn squash_backward(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < cell.elements { result[i] = left[i] * (1.0 - squashed[i] * squashed[i]); }
}

// LSTM. left and right: what the hidden state and what the input give to the gates f, i, o, g.

fn lstm_gate(i: u32, gate_: u32) -> f32 {
    let at = gate(i, gate_, 4u);
    return left[at] + right[at];
}

// The memory: before and result.
@compute @workgroup_size(64)
fn lstm(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= cell.elements { return; }
    result[i] = sigmoid(lstm_gate(i, 0u)) * before[i] + sigmoid(lstm_gate(i, 1u)) * tanh(lstm_gate(i, 3u));
}

// The hidden state: the squashed memory through the gate o.
@compute @workgroup_size(64)
fn lstm_output(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < cell.elements { result[i] = sigmoid(lstm_gate(i, 2u)) * squashed[i]; }
}

// second: the gradient of the hidden state, result: of the squashed memory.
@compute @workgroup_size(64)
fn lstm_output_backward(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < cell.elements { result[i] = second[i] * sigmoid(lstm_gate(i, 2u)); }
}

// What the input gives to the gates. It gives way to its gradient, which is also that of what the hidden state gives.
@group(0) @binding(11) var<storage, read_write> gates: array<f32>;

// second: the gradient of the memory through its squashing, third: of the hidden state. result: the gradient of the
// memory from later times, which gives way to that for earlier ones.
@compute @workgroup_size(64)
fn lstm_backward(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= cell.elements { return; }
    let at = vec4(gate(i, 0u, 4u), gate(i, 1u, 4u), gate(i, 2u, 4u), gate(i, 3u, 4u));
    let f = sigmoid(left[at.x] + gates[at.x]);
    let keep = sigmoid(left[at.y] + gates[at.y]);
    let o = sigmoid(left[at.z] + gates[at.z]);
    let g = tanh(left[at.w] + gates[at.w]);
    let grad_memory = result[i] + second[i];
    gates[at.x] = grad_memory * before[i] * f * (1.0 - f);
    gates[at.y] = grad_memory * g * keep * (1.0 - keep);
    gates[at.z] = third[i] * squashed[i] * o * (1.0 - o);
    gates[at.w] = grad_memory * keep * (1.0 - g * g);
    result[i] = grad_memory * f;
}

// GRU. left and right: what the hidden state and what the input give to the gates z, r; second and third: what they
// give to the candidate.

@compute @workgroup_size(64)
fn gru(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= cell.elements { return; }
    let at = vec2(gate(i, 0u, 2u), gate(i, 1u, 2u));
    let z = sigmoid(left[at.x] + right[at.x]);
    let r = sigmoid(left[at.y] + right[at.y]);
    result[i] = mix(before[i], tanh(third[i] + r * second[i]), z);
}

// result: the gradient of the hidden state, which gives way to the part of it that passes the cell. gates, second and
// third give way to their gradients.
@compute @workgroup_size(64)
fn gru_backward(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= cell.elements { return; }
    let at = vec2(gate(i, 0u, 2u), gate(i, 1u, 2u));
    let z = sigmoid(left[at.x] + gates[at.x]);
    let r = sigmoid(left[at.y] + gates[at.y]);
    let hidden = second[i];
    let candidate = tanh(third[i] + r * hidden);
    let grad_state = result[i];
    let grad_sum = grad_state * z * (1.0 - candidate * candidate);
    gates[at.x] = grad_state * (candidate - before[i]) * z * (1.0 - z);
    gates[at.y] = grad_sum * hidden * r * (1.0 - r);
    second[i] = grad_sum * r;
    third[i] = grad_sum;
    result[i] = grad_state * (1.0 - z);
}
