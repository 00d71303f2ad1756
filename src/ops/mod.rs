//! The ops: one file each, with its descriptor, what it checks and how it is lowered.
//!
//! A descriptor is plain data on the host. It says what is computed on which shapes; where and how is up to a
//! [`Planner`](crate::Planner).

mod batch_norm;
mod group_norm;
mod instance_norm;
mod layer_norm;
mod rms_norm;

pub use batch_norm::{BatchNorm, RunningStats};
pub use group_norm::GroupNorm;
pub use instance_norm::InstanceNorm;
pub use layer_norm::LayerNorm;
pub use rms_norm::RmsNorm;

use std::ops::{Bound, Range, RangeBounds};

use crate::{
    error::{Error, Result},
    tensor::{Outputs, TensorSpec, Tensors, element_count, show},
};

/// A normalization: what the descriptors have in common. Implemented by this crate's ops only.
pub trait Norm: sealed::Op {
    /// The op's name: `layer_norm`.
    fn name(&self) -> &'static str;

    /// The input's shape.
    fn shape(&self) -> &[usize];

    /// The tensors that the descriptor asks for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::Unsupported`] or [`Error::Limit`] for a descriptor that is wrong on every device.
    fn tensors(&self) -> Result<Vec<TensorSpec>>;

    /// The op in f64 on the CPU, from the same f32 values that the GPU gets.
    ///
    /// # Errors
    /// Those of [`tensors`](Norm::tensors), and [`Error::Binding`] for a slice that is missing, not asked for, or of another length.
    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>>;
}

pub(crate) mod sealed {
    use crate::{
        error::Result,
        lower::{Caps, Lowered, Strategy},
    };

    pub trait Op {
        /// The kernel calls of the op on a device. Pure.
        fn lower(&self, caps: &Caps, strategy: Strategy) -> Result<Lowered>;
    }
}

/// eps is added to the variance, inside the root.
fn check_eps(eps: f32) -> Result<()> {
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        argument: "eps",
        value: eps.to_string(),
        expected: "a finite number that is not negative".into(),
    })
}

/// A weight that is not there is not zero-centred either.
fn check_zero_centered(zero_centered: bool, weight: bool) -> Result<()> {
    if weight || !zero_centered {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        argument: "zero_centered",
        value: "true".into(),
        expected: "false where there is no weight".into(),
    })
}

/// A range of axes with its open ends filled in.
fn resolve(axes: impl RangeBounds<usize>, rank: usize) -> Range<usize> {
    let start = match axes.start_bound() {
        Bound::Included(&n) => n,
        Bound::Excluded(&n) => n.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match axes.end_bound() {
        Bound::Included(&n) => n.saturating_add(1),
        Bound::Excluded(&n) => n,
        Bound::Unbounded => rank,
    };
    start..end
}

/// The axes of a row: some, not empty, and the last ones.
fn check_trailing_axes(op: &str, shape: &[usize], axes: &Range<usize>) -> Result<()> {
    let rank = shape.len();
    let refuse =
        |expected: String| Err(Error::InvalidArgument { argument: "axes", value: format!("{axes:?}"), expected });
    if axes.is_empty() || axes.end > rank {
        return refuse(format!("one or more of the {rank} axes of {}", show(shape)));
    }
    if shape[axes.clone()].contains(&0) {
        return refuse(format!("axes of {} that are not empty", show(shape)));
    }
    if axes.end != rank {
        return Err(Error::Unsupported {
            what: format!("{op} over axes {axes:?} of {}", show(shape)),
            why: "the normalized axes must end at the last one".into(),
        });
    }
    element_count(shape).map(|_| ())
}
