// Places: where tensors are in their bindings, if shaders know more than a binding's first byte.

// A tensor has its offset in x. Its row number i begins at i / rows * y + i % rows * z further. All count what an index
// of the tensor counts. In shaders with an index of rows, w is the number of outer indices of the input or the output.
// In others with strides, each element of a tensor is that of w packs, and x, y and z count these packs.
struct Places {
    rows: u32, // at least 1
    inverse: u32, // 2^(31 + shift) / rows, rounded up
    shift: u32, // the least with rows <= 2^shift
    input: vec4<u32>,
    weight: vec4<u32>,
    bias: vec4<u32>,
    output: vec4<u32>,
    mean: vec4<u32>,
    rstd: vec4<u32>,
    running_mean: vec4<u32>,
    running_var: vec4<u32>,
    running_low: vec4<u32>,
    num_batches_tracked: vec4<u32>,
    residual: vec4<u32>,
    residual_output: vec4<u32>,
    grad_output: vec4<u32>,
    grad_residual_output: vec4<u32>,
    grad_input: vec4<u32>,
    grad_residual: vec4<u32>,
    grad_weight: vec4<u32>,
    grad_bias: vec4<u32>,
    moments: vec4<u32>,
    statistics: vec4<u32>,
    coefficients: vec4<u32>,
    gate: vec4<u32>,
    grad_gate: vec4<u32>,
    input_bias: vec4<u32>,
    next_weight: vec4<u32>,
    next_output: vec4<u32>,
    quantized_output: vec4<u32>,
    quantized_scale: vec4<u32>,
}
