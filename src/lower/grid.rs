//! The grid of workgroups of a dispatch, in at most two dimensions.

use crate::error::{Error, Result};

/// Distributes workgroups over x and y, each within the device's limit. x * y is at least `workgroups`, with as few
/// idle workgroups as possible. Kernels compute their index as `y * num_workgroups.x + x`.
pub(crate) fn fold(workgroups: u64, limit: u32) -> Result<[u32; 3]> {
    let y = workgroups.div_ceil(u64::from(limit.max(1)));
    let x = if y == 0 { 0 } else { workgroups.div_ceil(y) };
    match (u32::try_from(x), u32::try_from(y)) {
        (Ok(x), Ok(y)) if y <= limit => Ok([x, y, 1]),
        _ => Err(Error::Limit {
            what: "workgroups of a dispatch",
            needed: workgroups,
            allowed: u64::from(limit) * u64::from(limit),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_covers_every_workgroup_and_wastes_less_than_a_row_of_them() {
        assert_eq!(fold(1, 65535), Ok([1, 1, 1]));
        assert_eq!(fold(65535, 65535), Ok([65535, 1, 1]));
        assert_eq!(fold(65536, 65535), Ok([32768, 2, 1]));
        for n in [2, 65534, 65537, 70000, 131_071, 1 << 24, (1 << 31) / 64] {
            let [x, y, z] = fold(n, 65535).unwrap();
            let covered = u64::from(x) * u64::from(y);
            assert_eq!(z, 1);
            assert!(covered >= n && covered - n < u64::from(y), "{n}: {x} x {y}");
        }
    }

    #[test]
    fn too_many_workgroups_are_a_limit() {
        assert_eq!(fold(16, 4), Ok([4, 4, 1]));
        assert_eq!(fold(17, 4), Err(Error::Limit { what: "workgroups of a dispatch", needed: 17, allowed: 16 }));
    }
}
