//! Conventions for running statistics.

use std::{hash::Hash, mem};

use crate::{
    error::{Error, Result},
    options::equal_by_bits,
};

/// How training updates the running statistics. Frameworks differ in the meaning of the momentum, and in the variance
/// that they track.
///
/// | | running = | default momentum | variance |
/// |---|---|---|---|
/// | PyTorch | `(1 - momentum) * running + momentum * batch` | 0.1 | unbiased |
/// | ONNX | `momentum * running + (1 - momentum) * batch` | 0.9 | biased |
/// | Keras | `momentum * running + (1 - momentum) * batch` | 0.99 | biased |
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RunningStats {
    /// PyTorch's convention.
    PyTorch {
        /// The weight of the new value, any finite number. `None`: the average over all batches, which
        /// `num_batches_tracked` counts.
        momentum: Option<f32>,
    },
    /// The convention of ONNX's `BatchNormalization`.
    Onnx {
        /// The weight of the old value, any finite number.
        momentum: f32,
    },
    /// Keras's convention.
    Keras {
        /// The weight of the old value, any finite number.
        momentum: f32,
    },
}

impl RunningStats {
    /// PyTorch's convention with its default momentum.
    pub const PYTORCH: Self = Self::PyTorch { momentum: Some(0.1) };
    /// PyTorch's cumulative average (`momentum=None`).
    pub const CUMULATIVE: Self = Self::PyTorch { momentum: None };
    /// ONNX's convention with its default momentum.
    pub const ONNX: Self = Self::Onnx { momentum: 0.9 };
    /// Keras's convention with its default momentum.
    pub const KERAS: Self = Self::Keras { momentum: 0.99 };

    /// The weights of the old and the new value; `None` for a cumulative average, where they depend on the count.
    pub(crate) fn weights(self) -> Option<(f64, f64)> {
        match self {
            Self::PyTorch { momentum } => momentum.map(|m| (1.0 - f64::from(m), f64::from(m))),
            Self::Onnx { momentum } | Self::Keras { momentum } => {
                Some((f64::from(momentum), 1.0 - f64::from(momentum)))
            }
        }
    }

    /// Subtracted from the count to get the divisor of the tracked variance: 1 for the unbiased variance.
    pub(crate) fn correction(self) -> f32 {
        match self {
            Self::PyTorch { .. } => 1.0,
            Self::Onnx { .. } | Self::Keras { .. } => 0.0,
        }
    }

    /// Checks the momentum.
    pub(crate) fn validate(convention: Option<Self>) -> Result<()> {
        match convention.and_then(Self::momentum) {
            Some(momentum) if !momentum.is_finite() => Err(Error::InvalidArgument {
                argument: "momentum",
                value: momentum.to_string(),
                expected: "a finite number".into(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn bits(self) -> impl Eq + Hash {
        (mem::discriminant(&self), self.momentum().map(f32::to_bits))
    }

    /// The convention, as an error message shows it.
    pub(crate) fn show(self) -> String {
        let name = match self {
            Self::PyTorch { .. } => "PyTorch",
            Self::Onnx { .. } => "ONNX",
            Self::Keras { .. } => "Keras",
        };
        let momentum = self.momentum().map_or("none".to_owned(), |momentum| momentum.to_string());
        format!("{name} with momentum {momentum}")
    }

    fn momentum(self) -> Option<f32> {
        match self {
            Self::PyTorch { momentum } => momentum,
            Self::Onnx { momentum } | Self::Keras { momentum } => Some(momentum),
        }
    }
}

equal_by_bits!(RunningStats);
