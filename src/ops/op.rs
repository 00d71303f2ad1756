//! The trait of all ops.

use crate::{
    definition::Operation,
    error::Result,
    reference,
    tensor::{Outputs, TensorSpec, Tensors},
};

/// Marks the methods of [`Norm`] that are this crate's own: nobody else has one.
#[derive(Clone, Copy)]
pub struct Internal;

/// A normalization, forward or backward: what the descriptors have in common. Implemented by this crate's ops only.
pub trait Norm {
    /// The op's name: `layer_norm`, `layer_norm_backward`.
    fn name(&self) -> &'static str;

    /// The input's shape.
    fn shape(&self) -> &[usize];

    /// The name of the backward pass; its own, if it has none.
    #[doc(hidden)]
    fn backward_name(&self, _: Internal) -> &'static str {
        self.name()
    }

    /// Checks the descriptor, and says what it computes.
    #[doc(hidden)]
    fn operation(&self, _: Internal) -> Result<Operation>;

    /// Which statistic and which weight an element has, by its index along each axis. For the reference, which does
    /// not trust the geometry of the kernels.
    #[doc(hidden)]
    fn place(&self, index: &[usize], _: Internal) -> [usize; 2];

    /// The tensors that the descriptor asks for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument), [`Error::Unsupported`](crate::Error::Unsupported) or
    /// [`Error::Limit`](crate::Error::Limit) for a descriptor that is wrong on every device.
    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        Ok(self.operation(Internal)?.tensors())
    }

    /// The op in f64 on the CPU, from the same values that the GPU gets: rounded to how they are stored. The results are
    /// not rounded.
    ///
    /// # Errors
    /// Those of [`tensors`](Norm::tensors), and [`Error::Binding`](crate::Error::Binding) for a slice that is missing, not
    /// asked for, or of another length.
    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>> {
        let operation = self.operation(Internal)?;
        tensors.check(&operation.tensors())?;
        Ok(reference::compute(&operation, &|index| self.place(index, Internal), tensors))
    }
}
