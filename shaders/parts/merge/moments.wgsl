// Two partial statistics make one.
// Provides merge. Requires two_sum.

// Partial statistics, or what they merge to: the mean's hi and lo, the sum of squared deviations from it, and the
// count.
fn merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let count = a.w + b.w;
    let share = b.w / max(count, 1.0);
    let delta = opaque(b.x - a.x) + (b.y - a.y);
    let mean = two_sum(a.x, a.y + delta * share);
    let both = vec4<f32>(mean.hi, mean.lo, a.z + (b.z + delta * (delta * (a.w * share))), count);
    // What is empty has no mean: the other one's stays, with all its digits.
    return select(select(both, a, b.w == 0.0), b, a.w == 0.0);
}
