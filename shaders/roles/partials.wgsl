// Partial statistics: how they are merged, what they become, and the running statistics.

// ---- partials: scratch_partials
//
// Partial statistics from an earlier pass of this op.

fn partial_at__scratch_partials(i: u32) -> vec4<f32> {
    return partials[i];
}

// ---- partials: given_moments
//
// Statistics of the parts of a batch, from the caller.

fn partial_at__given_moments(i: u32) -> vec4<f32> {
    return load_moments(i);
}

// ---- merge: merge_moments
//
// Merges two partial statistics by Chan's formula.

fn merge__merge_moments(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let count = a.w + b.w;
    let share = b.w / max(count, 1.0);
    let delta = opaque(b.x - a.x) + (b.y - a.y);
    let mean = two_sum(a.x, a.y + delta * share);
    let both = vec4<f32>(mean.hi, mean.lo, a.z + (b.z + delta * (delta * (a.w * share))), count);
    // An empty part has no mean: that of the other part stays, with all its digits.
    return select(select(both, a, b.w == 0.0), b, a.w == 0.0);
}

// ---- merge: merge_norms
//
// Merges sums at three scales and their counts: adds them.

fn merge__merge_norms(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a + b;
}

// ---- merged: to_statistics
//
// Merged statistics go to the pass that applies them.

fn put_member(i: u32, hi: f32, lo: f32, rstd: f32) {
    store_statistics(i, hi);
    store_statistics(params.stats_stride + i, lo);
    store_statistics(2u * params.stats_stride + i, rstd);
}

fn put_merged__to_statistics(group: u32, mean: Pair, m2: f32, count: f32) {
    let variance = m2 / count;
    let whole = mean.hi + mean.lo;
    let rstd = rstd_of(power(whole, variance), count, 1.0);
    let hi = select(0.0, mean.hi, CENTERED);
    let lo = select(0.0, mean.lo, CENTERED);
    let first = group * params.members;
    put_member(first, hi, lo, rstd);
    // The first member is not in the loop: drivers count the iterations of all groups against their limit.
    for (var i = first + 1u; i < first + params.members; i += 1u) {
        put_member(i, hi, lo, rstd);
    }
    save(group, mean.hi, mean.lo, rstd, 1.0);
}

// ---- merged: to_norm
//
// Merged sums of a norm go to the next pass, as a scale and a factor of elements times this scale. f32 may not hold the
// product of the two.

// The sums at the scales DOWN, 1 and UP, and their count.
fn put_merged__to_norm(group: u32, first_two: Pair, third: f32, count: f32) {
    let sums = vec3<f32>(first_two.hi, first_two.lo, third);
    let scale = scale_of(sums);
    let factor = rstd_of(at_scale(sums, scale) / count, count, scale);
    for (var i = group * params.members; i < (group + 1u) * params.members; i += 1u) {
        store_statistics(i, scale);
        store_statistics(params.stats_stride + i, 0.0);
        store_statistics(2u * params.stats_stride + i, factor);
    }
    save(group, 0.0, 0.0, factor, scale);
}

// ---- merged: to_moments
//
// Merged statistics go to the caller, as those of a part of a batch.

fn put_merged__to_moments(group: u32, mean: Pair, m2: f32, count: f32) {
    store_moments(group, vec4<f32>(mean.hi, mean.lo, m2, count));
}

// ---- merged: to_squares
//
// The same of a scale without a mean: the sum of squares takes the place of that of squared deviations.

fn put_merged__to_squares(group: u32, mean: Pair, m2: f32, count: f32) {
    let whole = mean.hi + mean.lo;
    store_moments(group, vec4<f32>(0.0, 0.0, m2 + count * (whole * whole), count));
}

// ---- merged: to_partials
//
// Merged statistics become partial statistics for the next pass, over the first of those that were merged.

fn put_merged__to_partials(group: u32, mean: Pair, m2: f32, count: f32) {
    partials[group] = vec4<f32>(mean.hi, mean.lo, m2, count);
}

// ---- running: untracked
//
// Running statistics are not tracked.

fn track__untracked(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
}

// ---- running: tracked
//
// A running statistic becomes a weighted average of the old value and the batch.

// The old value plus a share of the difference: two rounded weights would not add up to 1, and 1000 small steps would
// drift. The share is the smaller weight, so that a weight of 1 gives the batch itself.
fn averaged(running: Pair, batch: f32) -> Pair {
    let share = weights();
    let difference = (batch - running.hi) - running.lo;
    if abs(share.y) <= abs(share.x) {
        let sum = two_sum(running.hi, share.y * difference);
        return Pair(sum.hi, sum.lo + running.lo);
    }
    return two_sum(batch, -share.x * difference);
}

// An empty batch has no mean, and a batch with no more elements than the correction has no variance: old values stay.
fn track__tracked(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
    if count > 0.0 {
        put_running_mean(channel, averaged(running_mean_of(channel), batch_mean));
    }
    if count > params.correction {
        put_running_var(channel, averaged(running_var_of(channel), batch_var));
    }
}

// ---- running: fixed_momentum
//
// The old and the new value of a running statistic have fixed weights: an exponential moving average.

fn weights__fixed_momentum() -> vec2<f32> {
    return vec2<f32>(params.old_weight, params.new_weight);
}

// ---- running: cumulative_average
//
// Running statistics are the plain average over all batches: the new batch weighs 1 / num_batches_tracked. count.wgsl
// has already counted it.

fn weights__cumulative_average() -> vec2<f32> {
    let share = 1.0 / f32(load_num_batches_tracked(0u));
    return vec2<f32>(1.0 - share, share);
}

// ---- running: running_f32
//
// A running statistic is one number.

fn running_mean_of__running_f32(channel: u32) -> Pair {
    return Pair(load_running_mean(channel), 0.0);
}

fn running_var_of__running_f32(channel: u32) -> Pair {
    return Pair(load_running_var(channel), 0.0);
}

fn put_running_mean__running_f32(channel: u32, v: Pair) {
    store_running_mean(channel, v.hi + v.lo);
}

fn put_running_var__running_f32(channel: u32, v: Pair) {
    store_running_var(channel, v.hi + v.lo);
}

// ---- running: running_hi_lo
//
// A running statistic is hi and lo: `running_low` has lo of the means, then of the variances.

fn running_mean_of__running_hi_lo(channel: u32) -> Pair {
    return Pair(load_running_mean(channel), load_running_low(channel));
}

fn running_var_of__running_hi_lo(channel: u32) -> Pair {
    return Pair(load_running_var(channel), load_running_low(params.groups + channel));
}

fn put_running_mean__running_hi_lo(channel: u32, v: Pair) {
    let sum = two_sum(v.hi, v.lo);
    store_running_mean(channel, sum.hi);
    store_running_low(channel, sum.lo);
}

fn put_running_var__running_hi_lo(channel: u32, v: Pair) {
    let sum = two_sum(v.hi, v.lo);
    store_running_var(channel, sum.hi);
    store_running_low(params.groups + channel, sum.lo);
}
