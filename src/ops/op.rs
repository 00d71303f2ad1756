//! The trait of all ops.

use crate::{
    definition::Operation,
    error::Result,
    reference,
    tensor::{Outputs, TensorSpec, Tensors},
};

/// Marks the methods of [`Norm`] that are private to this crate: no other crate can name this type.
#[derive(Clone, Copy)]
pub struct Internal;

/// A normalization, forward or backward: the common interface of the descriptors. Only ops of this crate implement it.
pub trait Norm: Send + Sync {
    /// The op's name: `layer_norm`, `layer_norm_backward`.
    fn name(&self) -> &'static str;

    /// The input's shape.
    fn shape(&self) -> &[usize];

    /// The name of the backward pass, or the op's own name if it has none.
    #[doc(hidden)]
    fn backward_name(&self, _: Internal) -> &'static str {
        self.name()
    }

    /// Checks the descriptor and returns its computation.
    #[doc(hidden)]
    fn operation(&self, _: Internal) -> Result<Operation>;

    /// The computation of the same op with another length of the first axis.
    #[doc(hidden)]
    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation>;

    /// The indices of an element's statistic and weight, from its index along each axis. The reference uses these, and
    /// not the geometry of the kernels.
    #[doc(hidden)]
    fn place(&self, index: &[usize], _: Internal) -> [usize; 2];

    /// The tensors that the descriptor binds.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument), [`Error::Unsupported`](crate::Error::Unsupported),
    /// [`Error::Limit`](crate::Error::Limit) or [`Error::Epilogue`](crate::Error::Epilogue) for a descriptor that is
    /// invalid on every device.
    fn tensors(&self) -> Result<Vec<TensorSpec>> {
        Ok(self.operation(Internal)?.tensors())
    }

    /// Computes the op in f64 on the CPU, from the same values as the GPU: each rounded to its storage type. The
    /// results are not rounded.
    ///
    /// # Errors
    /// The errors of [`tensors`](Norm::tensors); [`Error::Binding`](crate::Error::Binding) for a slice that is missing,
    /// not used, or of another length; [`Error::Unsupported`](crate::Error::Unsupported) for an
    /// [`Epilogue`](crate::Epilogue) in WGSL alone.
    fn reference(&self, tensors: &Tensors<'_>) -> Result<Outputs<f64>> {
        let operation = self.operation(Internal)?;
        operation.check_reference()?;
        tensors.check(&operation.tensors())?;
        Ok(reference::compute(&operation, &|index| self.place(index, Internal), tensors))
    }
}

impl<N: Norm + ?Sized> Norm for Box<N> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn shape(&self) -> &[usize] {
        (**self).shape()
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        (**self).backward_name(Internal)
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        (**self).operation(Internal)
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        (**self).with_rows(rows, Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        (**self).place(index, Internal)
    }
}

/// A shape with another length of its first axis.
pub(super) fn with_first(shape: &[usize], first: usize) -> Vec<usize> {
    let rest = shape.get(1..).unwrap_or_default();
    if shape.is_empty() { Vec::new() } else { [&[first], rest].concat() }
}
