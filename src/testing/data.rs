//! Test data.

use crate::{
    ops::Norm,
    slot::Slot,
    tensor::{Access, DType, TensorSpec, Tensors},
};

/// Deterministic pseudo-random numbers (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers that depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1].
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Indices of an axis of `len`, each once, in any order. A few are out of range, and so are those without a place.
    pub fn indices(&mut self, n: usize, len: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..n.max(len) as u32).collect();
        for i in (1..all.len()).rev() {
            all.swap(i, (self.bits() % (i as u64 + 1)) as usize);
        }
        all.truncate(n);
        for index in &mut all {
            let bits = self.bits() as u32;
            if bits.is_multiple_of(8) {
                *index = bits.max(len as u32);
            }
        }
        all
    }

    /// `offset + spread * N(0, 1)`, rounded to f32.
    pub fn normal(&mut self, n: usize, offset: f64, spread: f64) -> Vec<f32> {
        (0..n)
            .map(|_| {
                let radius = (-2.0 * self.uniform().ln()).sqrt();
                (offset + spread * radius * (std::f64::consts::TAU * self.uniform()).cos()) as f32
            })
            .collect()
    }
}

/// The tensors that an op reads.
#[derive(Clone, Debug)]
pub struct Data {
    floats: Vec<(Slot, Vec<f32>)>,
    indices: Vec<(Slot, Vec<u32>)>,
    counts: bool,
}

impl Data {
    /// Random numbers for all tensors that the op reads.
    ///
    /// # Panics
    /// If [`Norm::tensors`] refuses the op.
    #[must_use]
    pub fn random(op: &(impl Norm + ?Sized), seed: u64) -> Self {
        let mut random = Random::new(seed);
        let specs = specs(op);
        let reads = |spec: &&TensorSpec| spec.access != Access::Write && spec.dtype != DType::U32;
        let floats = specs.iter().filter(reads).map(|spec| {
            let (offset, spread) = match spec.slot {
                Slot::Input | Slot::ResidualOutput => (3.0, 2.0),
                Slot::Weight => (1.0, 0.5),
                Slot::GradOutput => (0.5, 1.0),
                Slot::RunningVar => (2.0, 0.1),
                // Numbers of values, beside sums of as many.
                Slot::GradSums => (8.0, 1.0),
                _ => (0.0, 1.0),
            };
            (spec.slot, random.normal(spec.len(), offset, spread))
        });
        let floats = floats.collect();
        let of_slot = |slot| specs.iter().find(|spec| spec.slot == slot);
        let of_index = [(Slot::InputIndex, Slot::Input), (Slot::OutputIndex, Slot::Output)];
        let of_index = of_index.into_iter().filter_map(|(index, of)| Some((of_slot(index)?, of_slot(of)?.shape[0])));
        let mut indices: Vec<_> = of_index.map(|(spec, len)| (spec.slot, random.indices(spec.len(), len))).collect();
        if let Some(spec) = of_slot(Slot::Positions) {
            // Some past a table of a few rows, and some of any bits.
            indices.push((spec.slot, random.indices(spec.len(), 16)));
        }
        let counts = specs.iter().any(|spec| spec.slot == Slot::NumBatchesTracked);
        Self { floats, indices, counts }
    }

    /// The same values, repeated for an op with more samples.
    ///
    /// # Panics
    /// As [`random`](Self::random).
    #[must_use]
    pub fn repeated(&self, op: &(impl Norm + ?Sized)) -> Self {
        let specs = specs(op);
        let len = |slot| specs.iter().find(|spec| spec.slot == slot).map_or(0, TensorSpec::len);
        let repeat = |(slot, values): &(Slot, Vec<f32>)| (*slot, values.repeat(len(*slot) / values.len()));
        Self { floats: self.floats.iter().map(repeat).collect(), ..self.clone() }
    }

    /// Replaces the values of one slot.
    #[must_use]
    pub fn with(mut self, slot: Slot, values: Vec<f32>) -> Self {
        self.floats.retain(|(other, _)| *other != slot);
        self.floats.push((slot, values));
        self
    }

    /// Replaces the indices of one slot.
    #[must_use]
    pub fn with_indices(mut self, slot: Slot, indices: Vec<u32>) -> Self {
        self.indices.retain(|(other, _)| *other != slot);
        self.indices.push((slot, indices));
        self
    }

    /// Removes one slot.
    #[must_use]
    pub fn without(mut self, slot: Slot) -> Self {
        self.floats.retain(|(other, _)| *other != slot);
        self
    }

    /// The tensors, as slices.
    #[must_use]
    pub fn tensors(&self) -> Tensors<'_> {
        let tensors = self.floats.iter().fold(Tensors::default(), |t, (slot, values)| t.set(*slot, values));
        let tensors = self.indices.iter().fold(tensors, |t, (slot, indices)| t.set_indices(*slot, indices));
        if self.counts { tensors.num_batches_tracked(3) } else { tensors }
    }
}

fn specs(op: &(impl Norm + ?Sized)) -> Vec<TensorSpec> {
    op.tensors().expect("a valid op")
}

/// Rows of `len` elements, at least one, that a naive variance gets wrong, with their names. The usual bound holds for
/// them.
#[must_use]
pub fn hard_rows(len: usize) -> Vec<(&'static str, Vec<f32>)> {
    let mut random = Random::new(3);
    let mut outlier_first = random.normal(len, 0.0, 1.0);
    outlier_first[0] = 1e6;
    let mut outlier_last = random.normal(len, 0.0, 1.0);
    outlier_last[len - 1] = -1e6;
    let mut far_first = random.normal(len, 0.0, 1.0);
    far_first[..len.div_ceil(8)].iter_mut().for_each(|x| *x += 1e6);
    let all_but_one = |value: f32| {
        let mut row = vec![value; len];
        row[len - 1] = f32::from_bits(value.to_bits() + 1);
        row
    };
    let (almost_1e6, almost_1e7) = (all_but_one(1.23e6), all_but_one(1.23e7));
    let ulp = |i: usize| if i.is_multiple_of(2) { 1e6 } else { f32::from_bits(1e6_f32.to_bits() + 1) };
    vec![
        ("a large offset", random.normal(len, 1e6, 1.0)),
        ("a larger offset", random.normal(len, 1e7, 10.0)),
        ("a constant row", vec![1234.0; len]),
        ("a constant row that f32 sums miss", vec![16_777_215.0; len]),
        ("all equal but the last, by one ulp", almost_1e6),
        ("the same, of larger ones", almost_1e7),
        ("a constant whose sum is no f32", vec![3e38; len]),
        ("a large mean that is zero", (0..len).map(|i| if i.is_multiple_of(2) { 2e5 } else { -2e5 }).collect()),
        ("tiny spread at a large mean", (0..len).map(ulp).collect()),
        ("an outlier that is also the shift", outlier_first),
        ("an outlier at the end", outlier_last),
        ("a first eighth that is far away", far_first),
        ("a ramp", (0..len).map(|i| i as f32 * 1e6 / len as f32).collect()),
        ("small numbers", random.normal(len, 0.0, 1e-12)),
        ("large numbers", random.normal(len, 0.0, 1e15)),
    ]
}
