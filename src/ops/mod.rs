//! The ops: one file each, with its descriptor, what it checks and how it is lowered.
//!
//! A descriptor is plain data on the host. It says what is computed on which shapes; where and how is up to a
//! [`Planner`](crate::Planner).

mod batch_norm;
mod layer_norm;

pub use batch_norm::{BatchNorm, RunningStats};
pub use layer_norm::LayerNorm;

use crate::{
    error::{Error, Result},
    tensor::{Outputs, TensorSpec, Tensors},
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
