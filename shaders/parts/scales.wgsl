// Powers of two by which numbers are multiplied whose squares f32 has no room for, or no digits.
// Provides DOWN, UP.

const DOWN: f32 = 6.617444900424221e-24; // 2^-77
const UP: f32 = 3.777893186295716e22; // 2^75
