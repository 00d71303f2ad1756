// Partial statistics: how they are merged, what they become, and the running statistics.

// ---- scratch_partials
// Partial statistics that an earlier pass of this op wrote.

fn partial_at__scratch_partials(i: u32) -> vec4<f32> {
    return partials[i];
}

// ---- given_moments
// Statistics of the parts of a batch, which the caller gives.

fn partial_at__given_moments(i: u32) -> vec4<f32> {
    return moments[i];
}

// ---- merge_moments
// Two partial statistics make one.

// Partial statistics, or what they merge to: the mean's hi and lo, the sum of squared deviations from it, and the
// count.
fn merge__merge_moments(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let count = a.w + b.w;
    let share = b.w / max(count, 1.0);
    let delta = opaque(b.x - a.x) + (b.y - a.y);
    let mean = two_sum(a.x, a.y + delta * share);
    let both = vec4<f32>(mean.hi, mean.lo, a.z + (b.z + delta * (delta * (a.w * share))), count);
    // What is empty has no mean: the other one's stays, with all its digits.
    return select(select(both, a, b.w == 0.0), b, a.w == 0.0);
}

// ---- merge_norms
// Sums of two parts, at three scales, and their counts, make those of both.

fn merge__merge_norms(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a + b;
}

// ---- to_statistics
// Merged statistics go to the pass that applies them.

fn put_member__to_statistics(i: u32, hi: f32, lo: f32, rstd: f32) {
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
    put_member__to_statistics(first, hi, lo, rstd);
    // Not entered for the first: where there are many groups, a loop for each is as many turns of the invocation.
    for (var i = first + 1u; i < first + params.members; i += 1u) {
        put_member__to_statistics(i, hi, lo, rstd);
    }
    save(group, mean.hi, mean.lo, rstd);
}

// ---- to_norm
// Merged sums of a norm go to the pass that divides by it, as a scale and a factor for what was multiplied by that:
// either may be more than f32 holds of both.

// The sums at three scales, and their count.
fn put_merged__to_norm(group: u32, first_two: Pair, third: f32, count: f32) {
    let sums = vec3<f32>(first_two.hi, first_two.lo, third);
    let scale = scale_of(sums);
    let factor = rstd_of(at_scale(sums, scale) / count, count, scale);
    for (var i = group * params.members; i < (group + 1u) * params.members; i += 1u) {
        store_statistics(i, scale);
        store_statistics(params.stats_stride + i, 0.0);
        store_statistics(2u * params.stats_stride + i, factor);
    }
    save(group, 0.0, 0.0, factor * scale);
}

// ---- to_moments
// Merged statistics go to the caller, as those of a part of a batch.

fn put_merged__to_moments(group: u32, mean: Pair, m2: f32, count: f32) {
    moments[group] = vec4<f32>(mean.hi, mean.lo, m2, count);
}

// ---- to_partials
// Merged statistics are partial statistics for the next pass, in the place of the first of those that they were merged
// of.

fn put_merged__to_partials(group: u32, mean: Pair, m2: f32, count: f32) {
    partials[group] = vec4<f32>(mean.hi, mean.lo, m2, count);
}

// ---- untracked
// Running statistics are not tracked.

fn track__untracked(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
}

// ---- tracked
// Running statistics as a weighted average of what was there and the batch.

// What was there plus a share of the difference: two weights that were rounded each for itself would not add up to 1, and 1000 small steps
// would drift. The share is the smaller one, so that a weight of 1 gives the batch itself.
fn averaged__tracked(running: Pair, batch: f32) -> Pair {
    let share = weights();
    let difference = (batch - running.hi) - running.lo;
    if abs(share.y) <= abs(share.x) {
        let sum = two_sum(running.hi, share.y * difference);
        return Pair(sum.hi, sum.lo + running.lo);
    }
    return two_sum(batch, -share.x * difference);
}

// A batch without elements has no mean, and one without as many as the correction takes has no variance: what was there stays.
fn track__tracked(channel: u32, batch_mean: f32, batch_var: f32, count: f32) {
    if count > 0.0 {
        put_running_mean(channel, averaged__tracked(running_mean_of(channel), batch_mean));
    }
    if count > params.correction {
        put_running_var(channel, averaged__tracked(running_var_of(channel), batch_var));
    }
}

// ---- fixed_momentum
// The old and the new value of a running statistic have fixed weights: an exponential moving average.

fn weights__fixed_momentum() -> vec2<f32> {
    return vec2<f32>(params.old_weight, params.new_weight);
}

// ---- cumulative_average
// Running statistics are the plain average over all batches: the new batch weighs 1 / num_batches_tracked.

fn weights__cumulative_average() -> vec2<f32> {
    let share = 1.0 / f32(num_batches_tracked[0]);
    return vec2<f32>(1.0 - share, share);
}

// ---- running_f32
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

// ---- running_hi_lo
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
