//! The tensors of an op: their names, types and sizes.

use std::fmt;

use crate::error::{BindingProblem, Error, Result};

/// How an element is stored. Arithmetic is f32 whatever the storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// Unsigned 32-bit integer: `num_batches_tracked` only.
    U32,
}

impl DType {
    /// Bytes of an element.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::F32 | Self::U32 => 4,
        }
    }
}

/// The name of a tensor of an op, in PyTorch's words. All but `Scratch` are also binding numbers, the same in every shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Slot {
    /// The run-time parameters, a uniform that the plan owns.
    Params = 0,
    /// What is normalized.
    Input = 1,
    /// The gain.
    Weight = 2,
    /// The offset.
    Bias = 3,
    /// The normalized tensor.
    Output = 4,
    /// The saved mean.
    Mean = 5,
    /// The saved reciprocal standard deviation, `1 / sqrt(var + eps)`.
    Rstd = 6,
    /// The running mean of batch norm.
    RunningMean = 7,
    /// The running variance of batch norm.
    RunningVar = 8,
    /// How many batches the cumulative average has seen.
    NumBatchesTracked = 9,
    /// Scratch: partial statistics, one for each workgroup that shares a row or channel.
    Partials = 10,
    /// Scratch: merged statistics, read by the pass that applies them.
    Statistics = 11,
    /// The caller's scratch, which `partials` and `statistics` are cut from. No shader has a variable of this name.
    Scratch = 12,
}

impl Slot {
    pub(crate) const COUNT: usize = 13;

    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Params,
        Self::Input,
        Self::Weight,
        Self::Bias,
        Self::Output,
        Self::Mean,
        Self::Rstd,
        Self::RunningMean,
        Self::RunningVar,
        Self::NumBatchesTracked,
        Self::Partials,
        Self::Statistics,
        Self::Scratch,
    ];

    /// The name of the tensor, and of the variable in the shaders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Input => "input",
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::Output => "output",
            Self::Mean => "mean",
            Self::Rstd => "rstd",
            Self::RunningMean => "running_mean",
            Self::RunningVar => "running_var",
            Self::NumBatchesTracked => "num_batches_tracked",
            Self::Partials => "partials",
            Self::Statistics => "statistics",
            Self::Scratch => "scratch",
        }
    }

    /// The binding number in the shaders, in group 0.
    #[must_use]
    pub const fn binding(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an op does with a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes all of it and does not look at what was there.
    Write,
    /// Reads and writes it.
    ReadWrite,
}

/// A tensor that an op needs, as its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub slot: Slot,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How its elements are stored.
    pub dtype: DType,
    /// What the op does with it.
    pub access: Access,
}

impl TensorSpec {
    pub(crate) fn new(slot: Slot, shape: &[usize], access: Access) -> Self {
        let dtype = if slot == Slot::NumBatchesTracked { DType::U32 } else { DType::F32 };
        Self { slot, shape: shape.to_vec(), dtype, access }
    }

    /// Elements of the tensor. The descriptor was validated, so this does not overflow.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a tensor without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the tensor.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.len() as u64 * self.dtype.size()
    }
}

/// The most elements a tensor may have: indices, and the few that run past the end, are u32.
pub(crate) const MAX_ELEMENTS: u64 = 1 << 31;

/// The number of elements, if it is one that a kernel can index.
pub(crate) fn element_count(shape: &[usize]) -> Result<u32> {
    // The other axes of an empty tensor count too, so that no product of some of them overflows.
    let axes = shape.iter().filter(|&&n| n != 0);
    let count = axes.fold(1u64, |product, &n| product.saturating_mul(n as u64));
    match u32::try_from(count) {
        Ok(n) if count <= MAX_ELEMENTS => Ok(if shape.contains(&0) { 0 } else { n }),
        _ => Err(Error::Limit { what: "elements of input", needed: count, allowed: MAX_ELEMENTS }),
    }
}

/// A shape as a user writes it: `[64, 384]`.
pub(crate) fn show(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// The input tensors of an op as slices on the host, for [`host`](crate::host) and [`reference`](mod@crate::reference).
/// What the descriptor does not ask for stays `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tensors<'a> {
    /// What is normalized, in the descriptor's shape.
    pub input: &'a [f32],
    /// The gain.
    pub weight: Option<&'a [f32]>,
    /// The offset.
    pub bias: Option<&'a [f32]>,
    /// The running mean of batch norm.
    pub running_mean: Option<&'a [f32]>,
    /// The running variance of batch norm.
    pub running_var: Option<&'a [f32]>,
    /// How many batches the cumulative average has seen.
    pub num_batches_tracked: Option<u32>,
}

impl<'a> Tensors<'a> {
    /// The input alone.
    #[must_use]
    pub fn new(input: &'a [f32]) -> Self {
        Self { input, ..Self::default() }
    }

    /// With a gain.
    #[must_use]
    pub fn weight(mut self, weight: &'a [f32]) -> Self {
        self.weight = Some(weight);
        self
    }

    /// With an offset.
    #[must_use]
    pub fn bias(mut self, bias: &'a [f32]) -> Self {
        self.bias = Some(bias);
        self
    }

    /// With running statistics.
    #[must_use]
    pub fn running(mut self, mean: &'a [f32], var: &'a [f32]) -> Self {
        self.running_mean = Some(mean);
        self.running_var = Some(var);
        self
    }

    /// With the number of batches that the running statistics have seen.
    #[must_use]
    pub fn num_batches_tracked(mut self, count: u32) -> Self {
        self.num_batches_tracked = Some(count);
        self
    }

    /// The elements of a slot's tensor, if it is there and of floats.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&'a [f32]> {
        match slot {
            Slot::Input => Some(self.input),
            Slot::Weight => self.weight,
            Slot::Bias => self.bias,
            Slot::RunningMean => self.running_mean,
            Slot::RunningVar => self.running_var,
            _ => None,
        }
    }

    /// The elements of a slot's tensor as bytes, if it is there.
    #[must_use]
    pub fn bytes(&self, slot: Slot) -> Option<&[u8]> {
        match slot {
            Slot::NumBatchesTracked => self.num_batches_tracked.as_ref().map(bytemuck::bytes_of),
            _ => self.get(slot).map(bytemuck::cast_slice),
        }
    }

    /// Checks the slices against what the op reads.
    pub(crate) fn check(&self, specs: &[TensorSpec]) -> Result<()> {
        for slot in Slot::ALL {
            let spec = specs.iter().find(|s| s.slot == slot && s.access != Access::Write);
            let problem = match (spec, self.bytes(slot)) {
                (None, None) => continue,
                (None, Some(_)) => BindingProblem::Unexpected,
                (Some(_), None) => BindingProblem::Missing,
                (Some(spec), Some(bytes)) => {
                    let actual = bytes.len() / spec.dtype.size() as usize;
                    if actual == spec.len() {
                        continue;
                    }
                    BindingProblem::Length { expected: spec.len(), actual }
                }
            };
            return Err(Error::Binding { slot, problem });
        }
        Ok(())
    }
}

/// The tensors that an op wrote, on the host: f32 from a GPU, f64 from the reference.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Outputs<T> {
    /// The normalized tensor, in the input's shape.
    pub output: Vec<T>,
    /// The saved mean.
    pub mean: Option<Vec<T>>,
    /// The saved reciprocal standard deviation.
    pub rstd: Option<Vec<T>>,
    /// The running mean after this batch.
    pub running_mean: Option<Vec<T>>,
    /// The running variance after this batch.
    pub running_var: Option<Vec<T>>,
    /// How many batches the cumulative average has seen, with this one.
    pub num_batches_tracked: Option<u32>,
}

impl<T> Outputs<T> {
    /// The elements of a slot's tensor, if it is there and of floats.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&[T]> {
        match slot {
            Slot::Output => Some(&self.output),
            Slot::Mean => self.mean.as_deref(),
            Slot::Rstd => self.rstd.as_deref(),
            Slot::RunningMean => self.running_mean.as_deref(),
            Slot::RunningVar => self.running_var.as_deref(),
            _ => None,
        }
    }
}

impl Outputs<f64> {
    /// Each value rounded to f32.
    #[must_use]
    pub fn to_f32(&self) -> Outputs<f32> {
        let round = |values: &Vec<f64>| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        Outputs {
            output: round(&self.output),
            mean: self.mean.as_ref().map(round),
            rstd: self.rstd.as_ref().map(round),
            running_mean: self.running_mean.as_ref().map(round),
            running_var: self.running_var.as_ref().map(round),
            num_batches_tracked: self.num_batches_tracked,
        }
    }
}

impl Outputs<f32> {
    /// Puts the bytes of a slot's tensor, as a GPU wrote them, where they belong. Slots that no op writes are ignored.
    pub fn set_bytes(&mut self, slot: Slot, bytes: &[u8]) {
        let values = || bytemuck::pod_collect_to_vec::<u8, f32>(bytes);
        match slot {
            Slot::Output => self.output = values(),
            Slot::Mean => self.mean = Some(values()),
            Slot::Rstd => self.rstd = Some(values()),
            Slot::RunningMean => self.running_mean = Some(values()),
            Slot::RunningVar => self.running_var = Some(values()),
            Slot::NumBatchesTracked => {
                self.num_batches_tracked = bytemuck::pod_collect_to_vec::<u8, u32>(bytes).first().copied();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_listed_in_the_order_of_their_numbers() {
        assert!(Slot::ALL.iter().enumerate().all(|(i, &slot)| slot as usize == i));
    }

    #[test]
    fn element_count_stops_where_u32_indices_do() {
        assert_eq!(element_count(&[]), Ok(1));
        assert_eq!(element_count(&[2, 3]), Ok(6));
        assert_eq!(element_count(&[1 << 31]), Ok(1 << 31));
        assert_eq!(element_count(&[1 << 31, 0]), Ok(0));
        let allowed = MAX_ELEMENTS;
        for shape in [&[(1 << 31) + 1][..], &[1 << 16, 1 << 16], &[usize::MAX, usize::MAX, 2], &[usize::MAX, 0, 2]] {
            assert!(
                matches!(element_count(shape), Err(Error::Limit { needed, allowed: a, .. }) if needed > allowed && a == allowed)
            );
        }
    }
}
