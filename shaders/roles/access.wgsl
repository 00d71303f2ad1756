// Access: what is normalized, and where the result goes.

// ---- x: no_x
//
// Nothing depends on x.

fn load_x__no_x(at: At) -> Pack {
    return Pack(0.0);
}

// ---- x: x_of_input
//
// x is the input.

fn load_x__x_of_input(at: At) -> Pack {
    return load_input(at);
}

// ---- x: x_of_residual
//
// x is the sum of input and residual, in f32.

fn load_x__x_of_residual(at: At) -> Pack {
    return load_input(at) + load_residual(at);
}

// ---- x: x_of_residual_and_bias
//
// x is the sum of input and residual, and then of the bias of the layer before, in f32.

fn load_x__x_of_residual_and_bias(at: At) -> Pack {
    return (load_input(at) + load_residual(at)) + load_input_bias(at);
}

// ---- x: x_of_gated
//
// x is the input times the factor of its gate.

fn load_x__x_of_gated(at: At) -> Pack {
    return load_input(at) * gate_factor(load_gate(at));
}

// ---- x: x_of_gated_and_residual
//
// x is the sum of the input, times the factor of its gate, and the residual.

fn load_x__x_of_gated_and_residual(at: At) -> Pack {
    return load_input(at) * gate_factor(load_gate(at)) + load_residual(at);
}

// ---- x: x_of_sum
//
// x is the sum that the forward pass wrote.

fn load_x__x_of_sum(at: At) -> Pack {
    return load_residual_output(at);
}

// ---- sum: no_sum
//
// The sum of input and residual is not written.

fn store_sum__no_sum(at: At, x: Pack) {
}

// ---- sum: sum
//
// The sum of input and residual is written for the next layer.

fn store_sum__sum(at: At, x: Pack) {
    store_residual_output(at, x);
}

fn load_sum__sum(at: At) -> Pack {
    return load_residual_output(at);
}

// ---- sum: sum_in_place
//
// The sum of input and residual overwrites the residual.

fn store_sum__sum_in_place(at: At, x: Pack) {
    store_residual(at, x);
}

fn load_sum__sum_in_place(at: At) -> Pack {
    return load_residual(at);
}

// ---- result: output
//
// The output has a tensor of its own.

fn store_result__output(at: At, y: Pack) {
    store_output(at, y);
}

fn load_result__output(at: At) -> Pack {
    return load_output(at);
}

// ---- result: in_place
//
// The output overwrites the input.

fn store_result__in_place(at: At, y: Pack) {
    store_input(at, y);
}

fn load_result__in_place(at: At) -> Pack {
    return load_input(at);
}

// ---- result: over_residual
//
// The output overwrites the residual behind the norm.

fn store_result__over_residual(at: At, y: Pack) {
    store_residual(at, y);
}

fn load_result__over_residual(at: At) -> Pack {
    return load_residual(at);
}

// ---- result: no_output
//
// The output is not asked for.

fn store_result__no_output(at: At, y: Pack) {
}

// ---- saved: no_stats
//
// Statistics are not saved.

fn save__no_stats(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
}

// ---- saved: rstd
//
// The factor rstd of each row goes to the caller.

fn save__rstd(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
    store_rstd(i, rstd_value * scale);
}

// ---- saved: mean_rstd
//
// Mean and rstd of each row or channel go to the caller.

fn save__mean_rstd(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
    store_mean(i, hi + lo);
    store_rstd(i, rstd_value * scale);
}

// ---- saved: statistics
//
// The statistics of each row go to the pass that sums the gradients of weight and bias.

fn save__statistics(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
    store_statistics(i, hi);
    store_statistics(params.stats_stride + i, lo);
    store_statistics(2u * params.stats_stride + i, rstd_value * scale);
}

// ---- saved: statistics_of_norms
//
// The same of norms. One factor for elements of any size could be no number of f32.

fn save__statistics_of_norms(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
    store_statistics(i, scale);
    store_statistics(2u * params.stats_stride + i, rstd_value);
}

// ---- whole mean
//
// A mean whose hi alone is as near as f32 gets. Kernels that stream a row have the mean of its first elements as hi.

fn whole_mean(hi: f32, lo: f32) -> vec2<f32> {
    let mean = bitcast<f32>(bitcast<u32>(hi + lo) ^ params.zero);
    let of_lo = bitcast<f32>(bitcast<u32>(mean - hi) ^ params.zero);
    let of_hi = bitcast<f32>(bitcast<u32>(mean - of_lo) ^ params.zero);
    return vec2<f32>(mean, (hi - of_hi) + (lo - of_lo));
}

// ---- saved: saved_statistics
//
// The statistics of each row go to the caller.

fn save__saved_statistics(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
    let mean = whole_mean(hi, lo);
    store_statistics(i, mean.x);
    store_statistics(params.stats_stride + i, mean.y);
    store_statistics(2u * params.stats_stride + i, rstd_value * scale);
}

// ---- saved: saved_moments
//
// The moments of each row go to the caller. The scale `unscaled` has m2 in the place of rstd.

fn save__saved_moments(i: u32, hi: f32, lo: f32, rstd_value: f32, scale: f32) {
    store_moments(i, vec4<f32>(whole_mean(hi, lo), rstd_value * scale, f32(params.elements)));
}
