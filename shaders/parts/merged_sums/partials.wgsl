// Merged sums are partial sums for the next pass, in the place of the first of those that they were merged of.
// Provides put_merged_sums.

fn put_merged_sums(group: u32, sums: GroupSums) {
    put_partial(group, sums);
}
