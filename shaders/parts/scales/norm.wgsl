// Powers of two by which numbers are multiplied whose squares f32 has no room for, or no digits.
// Provides SCALED, DOWN, UP, scale_of, at_scale.

const SCALED: bool = true;
const DOWN: f32 = 6.617444900424221e-24; // 2^-77
const UP: f32 = 3.777893186295716e22; // 2^75

// What x is multiplied by, of three sums: of x * DOWN, of x, and of x * UP. The one that f32 holds without an infinity
// or numbers that a device may take for zero.
fn scale_of(sums: vec3<f32>) -> f32 {
    return select(select(1.0, UP, sums.y < 1e-24), DOWN, !(sums.y < 1e36));
}

// The sum that was taken at this scale.
fn at_scale(sums: vec3<f32>, scale: f32) -> f32 {
    return select(select(sums.y, sums.z, scale > 1.0), sums.x, scale < 1.0);
}
