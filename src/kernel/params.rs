//! Run-time parameters: one `#[repr(C)]` struct for each kernel, the twin of `struct Params` in its WGSL file. A test
//! compares names, types and offsets.

use bytemuck::{Pod, Zeroable};

/// A field of a uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamField {
    /// Its name, the same in Rust and WGSL.
    pub name: &'static str,
    /// Its type, `u32` or `f32`.
    pub ty: &'static str,
    /// Its offset in bytes.
    pub offset: usize,
}

macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ident,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
        pub(crate) struct $name { $(pub $field: $ty,)* }

        impl $name {
            pub const FIELDS: &'static [ParamField] = &[$(ParamField {
                name: stringify!($field),
                ty: stringify!($ty),
                offset: std::mem::offset_of!($name, $field),
            },)*];
        }
    };
}

params! {
    /// `kernels/row.wgsl`
    Row { rows: u32, packs: u32, inv_len: f32, eps: f32, groups: u32, channels: u32, channel_packs: u32, weight_offset: f32, }
}
params! {
    /// `kernels/moments.wgsl`
    Moments { slices: u32, groups: u32, packs: u32, splits: u32, zero: u32, }
}
params! {
    /// `kernels/moments_columns.wgsl`
    MomentsColumns { rows: u32, columns: u32, splits: u32, zero: u32, }
}
params! {
    /// `kernels/finalize.wgsl`
    Finalize {
        groups: u32,
        splits: u32,
        stats_stride: u32,
        eps: f32,
        old_weight: f32,
        new_weight: f32,
        var_scale: f32,
        zero: u32,
    }
}
params! {
    /// `kernels/apply.wgsl`
    Apply { rows: u32, packs: u32, groups: u32, rows_per_stat: u32, stats_stride: u32, eps: f32, weight_offset: f32, zero: u32, }
}
