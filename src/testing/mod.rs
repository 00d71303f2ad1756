//! Comparison of a GPU's results with the reference: the one error bound of this crate's tests, a strict comparator,
//! and test data. [`conformance`] tests a shader of the caller with them.

mod conformance;
mod data;
mod each_op;

pub use conformance::conformance;
pub use data::{Data, Random, hard_rows};
pub use each_op::each_op;

use crate::{
    ops::Norm,
    slot::Slot,
    tensor::{Access, DType, Outputs, TensorSpec},
};

/// The error bound of this crate: every result is within it of the f64 result of the same f32 input, in units of
/// `max(1, largest)`. `largest` is the largest magnitude of the expected tensor. Where large numbers may cancel, it is
/// the largest magnitude of their terms ([`Outputs::scale`]). For means, these are the elements of the input.
///
/// For gradients, these are the terms of the sum. The unit is `largest` without the 1, as a gradient is linear in the
/// gradient of the output. [Numerics](crate::guide::numerics) derives the bound.
pub const PROMISE: f64 = 2e-5;

/// The largest error of real activations, whose offset is a few standard deviations at most.
pub const REAL_DATA: f64 = 2e-6;

/// The distance of the statistics of a batch from those merged from its parts, in units of `max(1, largest)`. Both are
/// f32, rounded once or twice, of means as hi and lo.
pub const MERGED: f64 = 1e-6;

/// The largest finite magnitude in a tensor.
#[must_use]
pub fn largest(values: &[f64]) -> f64 {
    values.iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(0.0, f64::max)
}

/// The absolute error that [`PROMISE`] allows in a tensor with these expected values.
#[must_use]
pub fn bound(expected: &[f64]) -> f64 {
    PROMISE * largest(expected).max(1.0)
}

/// The largest absolute error of a tensor, beyond half an ulp of its storage type. Actual and expected values must have
/// the same length, NaNs at the same indices, and the same infinities.
///
/// # Errors
/// The first mismatch of length, NaN or infinity, with the tensor's name and the index.
pub fn max_error(name: &str, dtype: DType, actual: &[f32], expected: &[f64]) -> Result<f64, String> {
    if actual.len() != expected.len() {
        return Err(format!("{name}: {} elements, expected {}", actual.len(), expected.len()));
    }
    // Half an ulp: a fraction of the value, and a constant for the smallest values.
    let (half_ulp, smallest) = match dtype {
        DType::F16 => (dtype.half_ulp(), 2.0_f64.powi(-25)),
        DType::BF16 => (dtype.half_ulp(), f64::from(f32::MIN_POSITIVE)),
        // A device may flush subnormal results to zero.
        DType::F32 => (0.0, f64::from(f32::MIN_POSITIVE)),
        DType::U32 => (0.0, 0.0),
    };
    let mut largest = 0.0_f64;
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let a = f64::from(a);
        // A value beyond the range of the type counts as an infinity.
        let overflows = dtype.round_f64(e).is_infinite();
        let special = a.is_nan() || e.is_nan() || a.is_infinite() || overflows;
        let same = (a.is_nan() && e.is_nan()) || (a.is_infinite() && overflows && a.signum() == e.signum());
        if special && !same {
            return Err(format!("{name}[{i}]: {a}, expected {e}"));
        }
        if !special {
            largest = largest.max((a - e).abs() - (half_ulp * e.abs()).max(smallest));
        }
    }
    Ok(largest)
}

/// The absolute error that [`PROMISE`] allows in a slot's tensor, beyond half an ulp of its type.
#[must_use]
pub fn slot_bound(slot: Slot, expected: &Outputs<f64>) -> f64 {
    let values = expected.get(slot).unwrap_or_default();
    let gradient = matches!(
        slot,
        Slot::GradInput | Slot::GradResidual | Slot::GradGate | Slot::GradWeight | Slot::GradBias | Slot::Coefficients
    );
    // A gradient is linear in the gradient of the output, and usually far below 1. So is a scale in its elements.
    let bound = match slot {
        Slot::QuantizedScale => PROMISE * largest(values),
        // The numbers of values beside the sums are no gradients.
        Slot::GradSums => PROMISE * largest(&values.chunks(4).flat_map(|sums| &sums[..2]).copied().collect::<Vec<_>>()),
        _ if gradient => PROMISE * largest(values),
        _ => bound(values),
    };
    bound.max(PROMISE * expected.scale(slot)) * expected.condition()
}

/// Compares an f32 tensor within [`bound`].
///
/// # Errors
/// The tensor's name with its error and bound, or the mismatch of [`max_error`].
pub fn compare(name: &str, actual: &[f32], expected: &[f64]) -> Result<(), String> {
    within(name, DType::F32, actual, expected, bound(expected))
}

fn within(name: &str, dtype: DType, actual: &[f32], expected: &[f64], bound: f64) -> Result<(), String> {
    let error = max_error(name, dtype, actual, expected)?;
    if error <= bound { Ok(()) } else { Err(format!("{name}: off by {error:e}, the bound is {bound:e}")) }
}

/// Compares all tensors that an op wrote with the reference, within [`slot_bound`]. Both sides must have the same
/// tensors.
///
/// # Errors
/// The errors of [`compare`], and a tensor that only one side has.
pub fn compare_outputs(
    op: &(impl Norm + ?Sized),
    actual: &Outputs<f32>,
    expected: &Outputs<f64>,
) -> Result<(), String> {
    for spec in op.tensors().map_err(|e| e.to_string())? {
        let TensorSpec { slot, dtype, access, .. } = spec;
        match slot {
            Slot::QuantizedOutput => compare_quantized(actual, expected)?,
            Slot::QuantizedScale => compare_scales(actual, expected)?,
            _ => {}
        }
        match (actual.get(slot), expected.get(slot)) {
            _ if access == Access::Read || dtype == DType::U32 => {}
            (Some(actual), Some(values)) => {
                let (actual, values) = (spec.gather(actual), spec.gather(values));
                within(slot.name(), dtype, &actual, &values, slot_bound(slot, expected))?;
            }
            (None, None) => {}
            _ => return Err(format!("{slot}: only one side has it")),
        }
    }
    if let Some(slot) = expected.slots().find(|&slot| actual.get(slot).is_none()) {
        return Err(format!("{slot}: only the reference has it"));
    }
    let (actual, expected) = (actual.num_batches_tracked(), expected.num_batches_tracked());
    let show = |count: Option<u32>| count.map_or("none".to_owned(), |count| count.to_string());
    if actual == expected {
        Ok(())
    } else {
        Err(format!("num_batches_tracked: {}, expected {}", show(actual), show(expected)))
    }
}

/// Compares quantized elements: each is the rounded f64 value or, near a tie, that of the other side. Near is
/// [`PROMISE`] of the block's largest terms, which are 127 steps where they don't cancel.
fn compare_quantized(actual: &Outputs<f32>, expected: &Outputs<f64>) -> Result<(), String> {
    let (slot, unrounded) = (Slot::QuantizedOutput, &expected.unrounded().elements);
    let actual = actual.get(slot).ok_or_else(|| format!("{slot}: only the reference has it"))?;
    if actual.len() != unrounded.len() {
        return Err(format!("{slot}: {} elements, expected {}", actual.len(), unrounded.len()));
    }
    for (i, (&a, &[e, terms])) in actual.iter().zip(unrounded).enumerate() {
        // Elements of a block that has a NaN or an infinity are undefined.
        if e.is_finite() && (f64::from(a) - e).abs() > 0.5 + PROMISE * terms {
            return Err(format!("{slot}[{i}]: {a}, expected {e}"));
        }
    }
    Ok(())
}

/// Compares the scales of quantized elements: [`PROMISE`] is relative to the largest terms of each block.
fn compare_scales(actual: &Outputs<f32>, expected: &Outputs<f64>) -> Result<(), String> {
    let slot = Slot::QuantizedScale;
    let terms = &expected.unrounded().terms;
    let (actual, expected) = (actual.get(slot).unwrap_or_default(), expected.get(slot).unwrap_or_default());
    max_error(slot.name(), DType::F32, actual, expected)?;
    for (i, ((&a, &e), terms)) in actual.iter().zip(expected).zip(terms).enumerate() {
        if (f64::from(a) - e).abs() > PROMISE * terms / 127.0 {
            return Err(format!("{slot}[{i}]: {a}, expected {e}"));
        }
    }
    Ok(())
}

/// The largest error of any tensor, as a fraction of its [`slot_bound`].
///
/// # Errors
/// The errors of [`max_error`].
pub fn worst_error(specs: &[TensorSpec], actual: &Outputs<f32>, expected: &Outputs<f64>) -> Result<f64, String> {
    let mut worst = 0.0_f64;
    for spec in specs {
        let slot = spec.slot;
        if let (Some(actual), Some(values)) = (actual.get(slot), expected.get(slot)) {
            let bound = slot_bound(slot, expected);
            // Integers have no error between 0 and their bound.
            if spec.dtype != DType::U32 && bound > 0.0 {
                worst =
                    worst.max(max_error(slot.name(), spec.dtype, &spec.gather(actual), &spec.gather(values))? / bound);
            }
        }
    }
    Ok(worst)
}
