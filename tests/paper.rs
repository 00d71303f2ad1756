//! Claims of the paper, as the examples measure them.

mod common;

use common::gpu;

#[path = "../examples/invariance.rs"]
#[allow(dead_code, reason = "the program prints what the test compares")]
mod invariance;

/// Table 1: each yes to rounding, each no to a visible change.
#[test]
fn the_table_of_invariances_is_the_papers() {
    let mut yes = 0;
    for change in invariance::Change::ALL {
        for norm in invariance::Norm::ALL {
            let cell = invariance::cell(gpu(), norm, change).expect("runs");
            assert_eq!(cell.is_invariant(), Some(cell.paper), "{norm:?}, {change}: {cell}");
            yes += usize::from(cell.paper);
        }
    }
    assert_eq!(yes, 10, "of 18");
}
