// Only the gradients of weight and bias are asked for.
// Provides put_merged_sums.

fn put_merged_sums(group: u32, sums: GroupSums) {
}
