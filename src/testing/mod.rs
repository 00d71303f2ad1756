//! Comparing a GPU's results with the reference: the one bound that every test of this crate holds, a comparator that
//! does not let anything through, and the data. [`conformance`] holds a shader of the caller's to all that.

mod conformance;
mod data;

pub use conformance::conformance;
pub use data::{Data, Random, hard_rows};

use crate::{
    ops::Norm,
    tensor::{Access, DType, Outputs, Slot, TensorSpec},
};

/// What this crate promises of every result: at most this far from the f64 result of the same f32 input, in units of
/// `max(1, largest)`. `largest` is that of the expected tensor, or of what it is made of where large numbers may cancel
/// ([`Outputs::scale`]): the input for means; for gradients the terms that are added and subtracted, and without the 1, as a gradient is linear in that of the output. Where it comes from is in `docs/numerics.md`.
pub const PROMISE: f64 = 2e-5;

/// What real activations reach: an offset of a few standard deviations at most.
pub const REAL_DATA: f64 = 2e-6;

/// How near the statistics of a batch that was merged from its parts are to those of the batch taken at once, in units of `max(1, largest)`: both
/// are f32, rounded once or twice, of means that are kept as hi and lo.
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

/// The largest absolute error of a tensor, beyond half an ulp of the type that it is stored in, if all of it can be compared: the
/// lengths agree, a NaN is exactly where one is expected, and an infinity where that infinity is expected.
///
/// # Errors
/// What can't be compared, with the tensor's name and the index.
pub fn max_error(name: &str, dtype: DType, actual: &[f32], expected: &[f64]) -> Result<f64, String> {
    if actual.len() != expected.len() {
        return Err(format!("{name}: {} elements, expected {}", actual.len(), expected.len()));
    }
    // Half the distance between neighbours: of those near 1 scaled by the value, of the smallest ones as it is.
    let (half_ulp, smallest) = match dtype {
        DType::F16 => (dtype.half_ulp(), 2.0_f64.powi(-25)),
        DType::BF16 => (dtype.half_ulp(), f64::from(f32::MIN_POSITIVE)),
        // Subnormal results may be zero.
        DType::F32 => (0.0, f64::from(f32::MIN_POSITIVE)),
        DType::U32 => (0.0, 0.0),
    };
    let mut largest = 0.0_f64;
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let a = f64::from(a);
        // What f64 can hold and the type can't is an infinity here too.
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
    let gradient = matches!(slot, Slot::GradInput | Slot::GradResidual | Slot::GradWeight | Slot::GradBias);
    // A gradient is linear in that of the output, and usually far below 1.
    let bound = if gradient { PROMISE * largest(values) } else { bound(values) };
    bound.max(PROMISE * expected.scale(slot))
}

/// Compares an f32 tensor within [`bound`].
///
/// # Errors
/// The tensor's name, and the error with its bound or what can't be compared.
pub fn compare(name: &str, actual: &[f32], expected: &[f64]) -> Result<(), String> {
    within(name, DType::F32, actual, expected, bound(expected))
}

fn within(name: &str, dtype: DType, actual: &[f32], expected: &[f64], bound: f64) -> Result<(), String> {
    let error = max_error(name, dtype, actual, expected)?;
    if error <= bound { Ok(()) } else { Err(format!("{name}: off by {error:e}, the bound is {bound:e}")) }
}

/// Compares all that an op wrote with what the reference says, within [`slot_bound`]; what one side has, the other must have.
///
/// # Errors
/// Those of [`compare`], and a tensor that only one side has.
pub fn compare_outputs(
    op: &(impl Norm + ?Sized),
    actual: &Outputs<f32>,
    expected: &Outputs<f64>,
) -> Result<(), String> {
    for spec in op.tensors().map_err(|e| e.to_string())? {
        let TensorSpec { slot, dtype, access, .. } = spec;
        match (actual.get(slot), expected.get(slot)) {
            _ if access == Access::Read || dtype == DType::U32 => {}
            (Some(actual), Some(values)) => {
                within(slot.name(), dtype, actual, values, slot_bound(slot, expected))?;
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

/// The largest error of any tensor, in parts of its [`slot_bound`].
///
/// # Errors
/// Those of [`max_error`].
pub fn worst_error(specs: &[TensorSpec], actual: &Outputs<f32>, expected: &Outputs<f64>) -> Result<f64, String> {
    let mut worst = 0.0_f64;
    for &TensorSpec { slot, dtype, .. } in specs {
        if let (Some(actual), Some(values)) = (actual.get(slot), expected.get(slot)) {
            let bound = slot_bound(slot, expected);
            if bound > 0.0 {
                worst = worst.max(max_error(slot.name(), dtype, actual, values)? / bound);
            }
        }
    }
    Ok(worst)
}
