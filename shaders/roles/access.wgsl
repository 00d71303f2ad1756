// Access: what is normalized, and where the result goes.

// ---- no_x
// Nothing that is computed depends on what is normalized.

fn load_x__no_x(input_at: At, at: At) -> Pack {
    return Pack(0.0);
}

// ---- x_of_input
// What is normalized is the input.

fn load_x__x_of_input(input_at: At, at: At) -> Pack {
    return load_input(input_at);
}

// ---- x_of_residual
// What is normalized is the sum of input and residual, in f32.

fn load_x__x_of_residual(input_at: At, at: At) -> Pack {
    return load_input(input_at) + load_residual(at);
}

// ---- x_of_sum
// What is normalized is the sum that the forward pass wrote.

fn load_x__x_of_sum(input_at: At, at: At) -> Pack {
    return load_residual_output(at);
}

// ---- no_sum
// The sum of input and residual is not written.

fn store_sum__no_sum(at: At, x: Pack) {
}

// ---- sum
// The sum of input and residual is written for the next layer.

fn store_sum__sum(at: At, x: Pack) {
    store_residual_output(at, x);
}

// ---- output
// The result goes to a tensor of its own.

fn store_result__output(at: At, y: Pack) {
    store_output(at, y);
}

// ---- in_place
// The result is written over the input.

fn store_result__in_place(at: At, y: Pack) {
    store_input(at, y);
}

// ---- no_stats
// The statistics are not written for anyone.

// The mean as hi + lo.
fn save__no_stats(i: u32, hi: f32, lo: f32, rstd_value: f32) {
}

// ---- rstd
// The factor of each row is written for the caller.

// The mean as hi + lo.
fn save__rstd(i: u32, hi: f32, lo: f32, rstd_value: f32) {
    store_rstd(i, rstd_value);
}

// ---- mean_rstd
// The statistics of each row or channel are written for the caller.

// The mean as hi + lo.
fn save__mean_rstd(i: u32, hi: f32, lo: f32, rstd_value: f32) {
    store_mean(i, hi + lo);
    store_rstd(i, rstd_value);
}

// ---- statistics
// The statistics of each row are kept for the pass that sums up the gradients of weight and bias.

// The mean as hi + lo.
fn save__statistics(i: u32, hi: f32, lo: f32, rstd_value: f32) {
    store_statistics(i, hi);
    store_statistics(params.stats_stride + i, lo);
    store_statistics(2u * params.stats_stride + i, rstd_value);
}
