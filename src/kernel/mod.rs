//! Kernels: what is compiled (`key`), how its source is put together (`compose`), its run-time parameters (`params`) and how many
//! workgroups run it (`grid`).

pub(crate) mod compose;
pub(crate) mod grid;
pub(crate) mod key;
pub(crate) mod params;
