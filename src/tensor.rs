//! The tensors of an op: their names, types and sizes.

use std::fmt;

use half::{bf16, f16};

use crate::{
    error::{BindingProblem, ELEMENTS, Error, Result},
    slot::Slot,
};

/// The storage type of a tensor. Kernels compute in f32, whatever the storage type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// IEEE 754 half precision. Two share a 32-bit word, so the device needs no feature.
    F16,
    /// bfloat16: the upper 16 bits of an f32. Two share a 32-bit word, so the device needs no feature.
    BF16,
    /// Unsigned 32-bit integer: `num_batches_tracked`, positions, indices, and four int8 of `quantized_output`.
    U32,
}

impl DType {
    /// The floating-point types.
    pub const FLOATS: [Self; 3] = [Self::F32, Self::F16, Self::BF16];

    /// Bytes of an element.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Rounds to the nearest value of this type, ties to even.
    #[must_use]
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 | Self::U32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::BF16 => bf16::from_f32(value).to_f32(),
        }
    }

    /// Rounds an f64 to the nearest value of this type, without a first rounding to f32.
    #[must_use]
    pub fn round_f64(self, value: f64) -> f64 {
        match self {
            Self::F32 | Self::U32 => f64::from(value as f32),
            Self::F16 => f16::from_f32(to_odd(value)).to_f64(),
            Self::BF16 => bf16::from_f32(to_odd(value)).to_f64(),
        }
    }

    /// Half the distance from 1 to the next value: the relative error of rounding to this type.
    #[must_use]
    pub const fn half_ulp(self) -> f64 {
        match self {
            Self::F32 | Self::U32 => 1.0 / (1 << 24) as f64,
            Self::F16 => 1.0 / (1 << 11) as f64,
            Self::BF16 => 1.0 / (1 << 8) as f64,
        }
    }

    /// Encodes values in this type, in native byte order and without padding.
    #[must_use]
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 | Self::U32 => bytemuck::cast_slice(values).to_vec(),
            Self::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_bits().to_ne_bytes()).collect(),
            Self::BF16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_bits().to_ne_bytes()).collect(),
        }
    }

    /// Decodes values of this type.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let half_precision = || bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]));
        match self {
            Self::F32 | Self::U32 => bytemuck::pod_collect_to_vec(bytes),
            Self::F16 => half_precision().map(|bits| f16::from_bits(bits).to_f32()).collect(),
            Self::BF16 => half_precision().map(|bits| bf16::from_bits(bits).to_f32()).collect(),
        }
    }
}

/// Rounds to odd: the f32 then rounds to the same f16 or bf16 as the f64. An inexact result gets an odd last bit, so
/// that the second rounding meets no false tie.
fn to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let away = f64::from(nearest).abs() > value.abs();
    let towards_zero = if away { f32::from_bits(nearest.to_bits() - 1) } else { nearest };
    let exact = f64::from(towards_zero).to_bits() == value.to_bits();
    if exact { towards_zero } else { f32::from_bits(towards_zero.to_bits() | 1) }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::U32 => "u32",
        })
    }
}

/// How an op uses a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes all of it, without reading the old values.
    Write,
    /// Reads and writes it.
    ReadWrite,
}

/// A tensor that an op binds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorSpec {
    /// Its name.
    pub slot: Slot,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its storage type.
    pub dtype: DType,
    /// How the op uses it.
    pub access: Access,
    /// The stride of each axis, in elements; `None` for a dense tensor.
    strides: Option<Vec<usize>>,
}

impl TensorSpec {
    pub(crate) fn new(slot: Slot, shape: &[usize], dtype: DType, access: Access) -> Self {
        Self { slot, shape: shape.to_vec(), dtype, access, strides: None }
    }

    /// Sets the strides of the axes, which the op checked.
    pub(crate) fn with_strides(mut self, strides: Option<&Vec<usize>>) -> Self {
        let dense = dense_strides(&self.shape);
        // The stride of the first axis counts for one row too, so that any number of rows has the same kernels.
        let matters = |axis: usize| axis == 0 || self.shape[axis] != 1;
        let is_dense = |strides: &[usize]| (0..dense.len()).all(|i| !matters(i) || strides[i] == dense[i]);
        self.strides = strides.filter(|strides| !is_dense(strides)).cloned();
        self
    }

    /// The stride of each axis, in elements.
    #[must_use]
    pub fn strides(&self) -> Vec<usize> {
        self.strides.clone().unwrap_or_else(|| dense_strides(&self.shape))
    }

    /// Whether the elements follow each other in the order of their indices.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.strides.is_none()
    }

    /// Elements from the first to the last, including the gaps that strides leave. The op checked shape and strides, so
    /// this can't overflow.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.strides {
            None => self.shape.iter().product(),
            Some(strides) => span(&self.shape, strides),
        }
    }

    /// Lengths and strides of the axes, outermost first, with axes merged that are as one.
    pub(crate) fn levels(&self) -> Vec<(usize, usize)> {
        let mut levels: Vec<(usize, usize)> = Vec::new();
        for (&n, stride) in self.shape.iter().zip(self.strides()).filter(|(n, _)| **n != 1) {
            match levels.last_mut() {
                Some((count, outer)) if *outer == n * stride => (*count, *outer) = (*count * n, stride),
                _ => levels.push((n, stride)),
            }
        }
        levels
    }

    /// The elements in the order of their indices, of values that include the gaps of the tensor's strides.
    #[must_use]
    pub fn gather<T: Copy>(&self, values: &[T]) -> Vec<T> {
        if self.is_dense() {
            values[..self.len()].to_vec()
        } else {
            self.positions().into_iter().map(|i| values[i]).collect()
        }
    }

    /// Writes elements, in the order of their indices, to values that include the gaps of the tensor's strides.
    pub fn scatter<T: Copy>(&self, elements: &[T], values: &mut [T]) {
        for (position, &element) in self.positions().into_iter().zip(elements) {
            values[position] = element;
        }
    }

    /// Where each element is, counted from the first one, in the order of their indices.
    pub(crate) fn positions(&self) -> Vec<usize> {
        let axes = self.shape.iter().zip(self.strides());
        axes.fold(vec![0], |before, (&n, stride)| {
            before.iter().flat_map(|first| (0..n).map(move |i| first + i * stride)).collect()
        })
    }

    /// True for a tensor without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the tensor, rounded up to whole 32-bit words, the unit of shaders. After an odd number of f16 or bf16
    /// elements, shaders leave the rest of the last word unchanged.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.len() as u64 * self.dtype.size()).next_multiple_of(4)
    }

    /// Encodes values in the tensor's storage type, padded to [`bytes`](Self::bytes).
    #[must_use]
    pub fn encode(&self, values: &[f32]) -> Vec<u8> {
        let mut bytes = self.dtype.encode(values);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// Decodes values from the tensor's bytes.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Vec<f32> {
        self.dtype.decode(&bytes[..self.len() * self.dtype.size() as usize])
    }
}

/// The strides of a dense tensor.
pub(crate) fn dense_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Elements from the first to the last.
pub(crate) fn span(shape: &[usize], strides: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    let last = shape.iter().zip(strides).fold(0usize, |last, (n, s)| last.saturating_add((n - 1).saturating_mul(*s)));
    last.saturating_add(1)
}

/// The most elements of a tensor: indices are u32, and some run a little past the end.
pub(crate) const MAX_ELEMENTS: u64 = 1 << 31;

/// The number of elements, if u32 indices can address all of them.
pub(crate) fn element_count(shape: &[usize]) -> Result<u32> {
    // An empty axis does not hide a large one: later products of the other axes must not overflow.
    let axes = shape.iter().filter(|&&n| n != 0);
    let count = axes.fold(1u64, |product, &n| product.saturating_mul(n as u64));
    match u32::try_from(count) {
        Ok(n) if count <= MAX_ELEMENTS => Ok(if shape.contains(&0) { 0 } else { n }),
        _ => Err(Error::Limit { what: ELEMENTS, needed: count, allowed: MAX_ELEMENTS }),
    }
}

/// The flat index of an element in a dense tensor.
pub(crate) fn flat(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |flat, (n, i)| flat * n + i)
}

/// A shape as a user writes it: `[64, 384]`.
pub(crate) fn show(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// The tensors that an op reads, as slices on the host, for [`host`](crate::host) and
/// [`reference`](mod@crate::reference). Slots that the descriptor does not use stay unset. Both round each value to the
/// storage type of its tensor.
///
/// ```
/// use wgpu_norm::{LayerNorm, Norm, Tensors};
///
/// let op = LayerNorm::new(&[2, 3], 1..);
/// let (input, weight, bias) = ([1., 2., 3., 5., 5., 8.], [1., 1., 2.], [0., 0., 10.]); // [2, 3], [3] and [3]
/// let truth = op.reference(&Tensors::new(&input).weight(&weight).bias(&bias))?;
/// assert!((truth.output()[2] - 12.449).abs() < 1e-3); // 1.2247 * 2 + 10
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tensors<'a> {
    floats: [Option<&'a [f32]>; Slot::COUNT],
    indices: [Option<&'a [u32]>; Slot::COUNT],
    num_batches_tracked: Option<u32>,
}

impl Default for Tensors<'_> {
    fn default() -> Self {
        Self { floats: [None; Slot::COUNT], indices: [None; Slot::COUNT], num_batches_tracked: None }
    }
}

macro_rules! tensors {
    ($set:ident, $ty:ty: $($(#[$doc:meta])* $method:ident: $slot:ident,)*) => {
        impl<'a> Tensors<'a> {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(self, values: &'a [$ty]) -> Self {
                self.$set(Slot::$slot, values)
            })*
        }
    };
}

tensors! {
    set, f32:
    /// The weight.
    weight: Weight,
    /// The bias.
    bias: Bias,
    /// The residual.
    residual: Residual,
    /// The bias before the norm.
    input_bias: InputBias,
    /// The gate.
    gate: Gate,
    /// The weight of a second norm.
    next_weight: NextWeight,
    /// The sum of input and residual, for a backward pass.
    residual_output: ResidualOutput,
    /// The gradient of the output.
    grad_output: GradOutput,
    /// The gradient of `residual_output`.
    grad_residual_output: GradResidualOutput,
    /// The old gradient of the weight, for an op that accumulates gradients.
    grad_weight: GradWeight,
    /// The old gradient of the bias, for an op that accumulates gradients.
    grad_bias: GradBias,
    /// The moments of the parts of a batch or of rows.
    moments: Moments,
    /// The statistics that the forward pass saved, or those of rows.
    statistics: Statistics,
    /// The coefficients of the gradient through given statistics.
    coefficients: Coefficients,
    /// The sums of all parts of a batch, for the gradient through merged statistics.
    grad_sums: GradSums,
    /// The first buffer of an [`Epilogue`](crate::Epilogue).
    epilogue_a: EpilogueA,
    /// The second buffer of an [`Epilogue`](crate::Epilogue).
    epilogue_b: EpilogueB,
    /// The cosines and sines of a [`Rotary`](crate::Rotary) embedding.
    rotary_table: RotaryTable,
    /// The old output, for an op that may leave rows of it as they are.
    output: Output,
}

tensors! {
    set_indices, u32:
    /// The index of the input for each index of the op, with `gather_rows`.
    input_index: InputIndex,
    /// The index of the output for each index of the op, with `scatter_rows`.
    output_index: OutputIndex,
    /// The row of the table for each token, for a [`Rotary`](crate::Rotary) embedding.
    positions: Positions,
}

impl<'a> Tensors<'a> {
    /// The input alone.
    #[must_use]
    pub fn new(input: &'a [f32]) -> Self {
        Self::default().set(Slot::Input, input)
    }

    /// Adds running mean and running variance.
    #[must_use]
    pub fn running(self, mean: &'a [f32], var: &'a [f32]) -> Self {
        self.set(Slot::RunningMean, mean).set(Slot::RunningVar, var)
    }

    /// Adds the lo parts of the running statistics, zeros before the first batch.
    #[must_use]
    pub fn running_low(self, low: &'a [f32]) -> Self {
        self.set(Slot::RunningLow, low)
    }

    /// Adds the number of batches in the running statistics.
    #[must_use]
    pub fn num_batches_tracked(mut self, count: u32) -> Self {
        self.num_batches_tracked = Some(count);
        self
    }

    /// Sets the tensor of a slot, for code that treats all ops alike.
    #[must_use]
    pub fn set(mut self, slot: Slot, values: &'a [f32]) -> Self {
        self.floats[slot as usize] = Some(values);
        self
    }

    /// The values of a slot's float tensor, if set.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&'a [f32]> {
        self.floats[slot as usize]
    }

    /// Sets the tensor of indices of a slot, as [`set`](Self::set).
    #[must_use]
    pub fn set_indices(mut self, slot: Slot, indices: &'a [u32]) -> Self {
        self.indices[slot as usize] = Some(indices);
        self
    }

    /// The indices of a slot's tensor, if set.
    #[must_use]
    pub fn get_indices(&self, slot: Slot) -> Option<&'a [u32]> {
        self.indices[slot as usize]
    }

    /// The number of batches in the running statistics, if set.
    #[must_use]
    pub fn batches(&self) -> Option<u32> {
        self.num_batches_tracked
    }

    /// The bytes of a tensor in its storage type, if set.
    #[must_use]
    pub fn bytes(&self, spec: &TensorSpec) -> Option<Vec<u8>> {
        match spec.slot {
            Slot::NumBatchesTracked => self.num_batches_tracked.map(|count| count.to_ne_bytes().to_vec()),
            slot if spec.dtype == DType::U32 => {
                self.get_indices(slot).map(|indices| bytemuck::cast_slice(indices).to_vec())
            }
            slot => self.get(slot).map(|values| spec.encode(values)),
        }
    }

    /// Checks the slices against the tensors that the op reads.
    pub(crate) fn check(&self, specs: &[TensorSpec]) -> Result<()> {
        for &slot in Slot::ALL {
            let spec = specs.iter().find(|s| s.slot == slot && s.access != Access::Write);
            let floats = self.get(slot).map(<[f32]>::len);
            let indices = self.get_indices(slot).map(<[u32]>::len);
            let actual = match spec {
                _ if slot == Slot::NumBatchesTracked => self.num_batches_tracked.map(|_| 1),
                Some(spec) if spec.dtype == DType::U32 => indices,
                Some(_) => floats,
                None => floats.or(indices),
            };
            let problem = match (spec, actual) {
                (None, None) => continue,
                (None, Some(_)) => BindingProblem::Unexpected,
                (Some(_), None) => BindingProblem::Missing,
                (Some(spec), Some(actual)) if actual == spec.len() => continue,
                (Some(spec), Some(actual)) => BindingProblem::Length { expected: spec.len(), actual },
            };
            return Err(Error::Binding { slot, problem });
        }
        Ok(())
    }
}

/// What the reference knows of a quantized output before it rounds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Unrounded {
    /// Each element in steps of its scale, and the largest terms of an element of its block in the same steps.
    pub elements: Vec<[f64; 2]>,
    /// The largest terms of an element of each block.
    pub terms: Vec<f64>,
}

/// The tensors that an op wrote, on the host: f32 from a GPU, f64 from the reference.
///
/// The methods are the names of the [`Slot`]s in the table of the op:
/// ```
/// use wgpu_norm::{InstanceNorm, Norm, Slot, Tensors};
///
/// let op = InstanceNorm::new(&[1, 2, 2]).save_stats(true);
/// let outputs = op.reference(&Tensors::new(&[1., 3., 10., 30.]))?.to_f32();
/// assert_eq!(outputs.slots().collect::<Vec<_>>(), [Slot::Output, Slot::Mean, Slot::Rstd]);
/// assert_eq!(outputs.mean(), [2., 20.]); // [1, 2]: one for each channel of a sample
/// assert_eq!(outputs.get(Slot::Mean), Some(outputs.mean()));
/// assert_eq!(outputs.get(Slot::GradInput), None);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs<T> {
    tensors: [Option<Vec<T>>; Slot::COUNT],
    scales: [f64; Slot::COUNT],
    condition: f64,
    unrounded: Unrounded,
    num_batches_tracked: Option<u32>,
}

impl<T> Default for Outputs<T> {
    fn default() -> Self {
        Self {
            tensors: [const { None }; Slot::COUNT],
            scales: [0.0; Slot::COUNT],
            condition: 1.0,
            unrounded: Unrounded::default(),
            num_batches_tracked: None,
        }
    }
}

macro_rules! outputs {
    ($($(#[$doc:meta])* $method:ident: $slot:ident,)*) => {
        impl<T> Outputs<T> {
            $($(#[$doc])*
            ///
            /// # Panics
            /// If the op does not write it: see [`get`](Self::get).
            #[must_use]
            pub fn $method(&self) -> &[T] {
                self.get(Slot::$slot).expect(concat!("the op does not write `", stringify!($method), "`"))
            })*
        }
    };
}

outputs! {
    /// The normalized tensor.
    output: Output,
    /// The saved mean.
    mean: Mean,
    /// The saved reciprocal standard deviation.
    rstd: Rstd,
    /// The running mean after this batch.
    running_mean: RunningMean,
    /// The running variance after this batch.
    running_var: RunningVar,
    /// The lo parts of the running statistics after this batch.
    running_low: RunningLow,
    /// The sum of input and residual.
    residual_output: ResidualOutput,
    /// The gradient of the input.
    grad_input: GradInput,
    /// The gradient of a residual after the norm.
    grad_residual: GradResidual,
    /// The gradient of the gate.
    grad_gate: GradGate,
    /// The output of a second norm.
    next_output: NextOutput,
    /// The output in int8: four numbers for each word, the lowest byte first, with the zeros behind each row.
    quantized_output: QuantizedOutput,
    /// The scales of the output in int8.
    quantized_scale: QuantizedScale,
    /// The gradient of the weight.
    grad_weight: GradWeight,
    /// The gradient of the bias.
    grad_bias: GradBias,
    /// The moments of a part of a batch, of rows, or of parts of rows.
    moments: Moments,
    /// The statistics for the backward pass, or those of rows.
    statistics: Statistics,
    /// The coefficients of the gradient through given statistics.
    coefficients: Coefficients,
    /// The sums of a part of a batch, for the gradient through merged statistics.
    grad_sums: GradSums,
}

impl<T> Outputs<T> {
    /// The values of a slot's float tensor, if the op writes it.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&[T]> {
        self.tensors[slot as usize].as_deref()
    }

    /// Sets the values of a slot.
    pub fn set(&mut self, slot: Slot, values: Vec<T>) {
        self.tensors[slot as usize] = Some(values);
    }

    /// The largest finite magnitude of the terms of a tensor's values, or 0 where the reference sets none. Where large
    /// terms cancel, f32 results are only as exact as the terms.
    #[must_use]
    pub fn scale(&self, slot: Slot) -> f64 {
        self.scales[slot as usize]
    }

    /// Sets the scale of a slot from the terms of its values.
    pub(crate) fn set_scale(&mut self, slot: Slot, parts: impl Iterator<Item = f64>) {
        self.scales[slot as usize] = parts.map(f64::abs).filter(|x| x.is_finite()).fold(0.0, f64::max);
    }

    /// The factor by which bounds grow where f32 computes the values to normalize: 1 without a gate before the norm.
    /// [Numerics](crate::guide::numerics) derives it.
    #[must_use]
    pub fn condition(&self) -> f64 {
        self.condition
    }

    pub(crate) fn set_condition(&mut self, condition: f64) {
        self.condition = condition;
    }

    #[cfg(feature = "testing")]
    pub(crate) fn unrounded(&self) -> &Unrounded {
        &self.unrounded
    }

    pub(crate) fn set_unrounded(&mut self, unrounded: Unrounded) {
        self.unrounded = unrounded;
    }

    /// The number of batches in the cumulative average, including this one.
    #[must_use]
    pub fn num_batches_tracked(&self) -> Option<u32> {
        self.num_batches_tracked
    }

    /// Sets the number of batches.
    pub fn set_num_batches_tracked(&mut self, count: u32) {
        self.num_batches_tracked = Some(count);
    }

    /// The slots with a tensor.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        Slot::ALL.iter().copied().filter(|&slot| self.get(slot).is_some())
    }
}

impl Outputs<f64> {
    /// Each value rounded to f32.
    #[must_use]
    pub fn to_f32(&self) -> Outputs<f32> {
        let round = |values: &Option<Vec<f64>>| values.as_ref().map(|v| v.iter().map(|&x| x as f32).collect());
        Outputs {
            tensors: std::array::from_fn(|slot| round(&self.tensors[slot])),
            scales: self.scales,
            condition: self.condition,
            unrounded: self.unrounded.clone(),
            num_batches_tracked: self.num_batches_tracked,
        }
    }
}

impl Outputs<f32> {
    /// Sets a slot from the bytes that a GPU wrote.
    pub fn set_bytes(&mut self, spec: &TensorSpec, bytes: &[u8]) {
        match spec.slot {
            Slot::NumBatchesTracked => {
                self.num_batches_tracked = bytemuck::pod_collect_to_vec::<u8, u32>(bytes).first().copied();
            }
            Slot::QuantizedOutput => {
                let words = bytemuck::pod_collect_to_vec::<u8, u32>(bytes);
                let elements = words.iter().flat_map(|word| word.to_le_bytes());
                self.set(spec.slot, elements.map(|byte| f32::from(byte.cast_signed())).collect());
            }
            slot => self.set(slot, spec.decode(bytes)),
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
    fn an_f64_is_rounded_to_a_half_once() {
        let (half, ulp) = (0.5, 2.0_f64.powi(-11));
        assert_eq!(DType::F16.round_f64(half + ulp / 2.0).to_bits(), half.to_bits(), "a tie goes to even");
        assert_eq!(DType::F16.round_f64(half + ulp / 2.0 + 1e-12).to_bits(), (half + ulp).to_bits());
        assert_eq!(DType::F16.round_f64(half + ulp / 2.0 - 1e-12).to_bits(), half.to_bits());
        assert_eq!(
            DType::BF16.round_f64(-1.0 - 2.0_f64.powi(-8) - 1e-12).to_bits(),
            (-1.0 - 2.0_f64.powi(-7)).to_bits()
        );
        assert!(DType::F16.round_f64(1e300).is_infinite() && DType::F16.round_f64(f64::NAN).is_nan());
        assert!(DType::F16.round_f64(65519.9).is_finite() && DType::F16.round_f64(-65520.0).is_infinite());
    }

    #[test]
    fn element_count_stops_where_u32_indices_do() {
        assert_eq!(element_count(&[]), Ok(1));
        assert_eq!(element_count(&[2, 3]), Ok(6));
        assert_eq!(element_count(&[1 << 31]), Ok(1 << 31));
        assert_eq!(element_count(&[1 << 31, 0]), Ok(0));
        let allowed = MAX_ELEMENTS;
        for shape in [&[(1 << 31) + 1][..], &[1 << 16, 1 << 16], &[usize::MAX, usize::MAX, 2], &[usize::MAX, 0, 2]] {
            let Err(Error::Limit { needed, allowed: limit, .. }) = element_count(shape) else { panic!("{shape:?}") };
            assert!(needed > allowed && limit == allowed);
        }
    }
}
