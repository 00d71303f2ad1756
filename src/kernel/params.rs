//! Run-time parameters: one `#[repr(C)]` struct for each kernel, the twin of `struct Params` in its WGSL file. A test
//! compares names, types and offsets.

use bytemuck::{Pod, Zeroable};

/// A field of a uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// `parts/rows.wgsl`
    Row {
        rows: u32,
        first: u32,
        packs: u32,
        stride: u32,
        input_stride: u32,
        rounds: u32,
        teams: u32,
        elements: u32,
        eps: f32,
        weight_offset: f32,
        stats_stride: u32,
        first_partial: u32,
        param_rows: u32,
        param_quotient: u32,
        param_remainder: u32,
        param_run: u32,
        zero: u32,
    }
}
params! {
    /// `kernels/moments.wgsl`, `kernels/norms.wgsl`
    Moments {
        groups: u32,
        reduced: u32,
        kept: u32,
        packs: u32,
        input_packs: u32,
        splits: u32,
        first_partial: u32,
        partial_stride: u32,
        zero: u32,
    }
}
params! {
    /// `kernels/moments_columns.wgsl`, `kernels/norms_columns.wgsl`
    MomentsColumns {
        outer: u32,
        rows: u32,
        columns: u32,
        splits: u32,
        first_partial: u32,
        partial_stride: u32,
        zero: u32,
    }
}
params! {
    /// `kernels/finalize.wgsl`
    Finalize {
        outer: u32,
        groups: u32,
        members: u32,
        partials: u32,
        stats_stride: u32,
        eps: f32,
        old_weight: f32,
        new_weight: f32,
        correction: f32,
        zero: u32,
    }
}
params! {
    /// `kernels/apply.wgsl`
    Apply {
        blocks: u32,
        steps: u32,
        packs: u32,
        splits: u32,
        input_block: u32,
        input_step: u32,
        first_place: u32,
        place_block: u32,
        place_step: u32,
        column_step: u32,
        eps: f32,
        weight_offset: f32,
        stats_stride: u32,
        stat_rows: u32,
        stat_quotient: u32,
        stat_remainder: u32,
        stat_run: u32,
        param_rows: u32,
        param_quotient: u32,
        param_remainder: u32,
        param_run: u32,
        zero: u32,
    }
}
params! {
    /// `kernels/sums.wgsl`, `kernels/sums_columns.wgsl`
    Sums {
        outer: u32,
        reduced: u32,
        kept: u32,
        packs: u32,
        input_packs: u32,
        splits: u32,
        first_row: u32,
        first_partial: u32,
        partial_stride: u32,
        eps: f32,
        weight_offset: f32,
        stats_stride: u32,
        stat_rows: u32,
        stat_quotient: u32,
        stat_remainder: u32,
        stat_run: u32,
        param_rows: u32,
        param_quotient: u32,
        param_remainder: u32,
        param_run: u32,
        whole: u32,
        mean_share: f32,
        zero: u32,
    }
}
params! {
    /// `kernels/merge_sums.wgsl`
    MergeSums {
        groups: u32,
        members: u32,
        copies: u32,
        partials: u32,
        weights: u32,
        stats_stride: u32,
        count: f32,
        eps: f32,
        weight_offset: f32,
        whole: u32,
        zero: u32,
    }
}
params! {
    /// `kernels/window.wgsl`
    Window {
        packs: u32,
        channels: u32,
        stride: u32,
        before: u32,
        after: u32,
        alpha: f32,
        beta: f32,
        k: f32,
        zero: u32,
    }
}
params! {
    /// `kernels/slide.wgsl`
    Slide { lanes: u32, channels: u32, stride: u32, splits: u32, steps: u32, alpha: f32, beta: f32, k: f32, }
}
