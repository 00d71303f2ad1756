// No pass needs coefficients.
// Provides put_coefficients.

fn put_coefficients(group: u32, g_sum: f32, gy_sum: f32) {
}
