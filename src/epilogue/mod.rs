//! The caller's function behind a forward pass: the descriptor, and its WGSL as a part of compile keys.

pub(crate) mod text;

use std::{
    collections::BTreeSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    error::{Error, Result},
    slot::Slot,
    tensor::{Access, DType, TensorSpec, element_count},
};

/// The slots of the caller's buffers, which its function reads by their names.
pub(crate) const SLOTS: [Slot; 2] = [Slot::EpilogueA, Slot::EpilogueB];

/// An epilogue in f64: of a value, its index in the output, and the two buffers.
pub type EpilogueReference = fn(f64, usize, [&[f32]; 2]) -> f64;

/// A WGSL function of the caller's, which an op applies last to each element of its output:
///
/// ```wgsl
/// fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32>
/// ```
///
/// It follows the [`Activation`](crate::Activation) and goes before the rounding to the output's storage type. `v` has
/// up to four elements, and `index` is the position of `v.x` in the output as one dense array, whatever the strides of
/// tensors. The elements of `v` are neighbours: element i is at `index + i`. A kernel may compute single elements: it
/// then has one in `v.x`, zeros in the others, and takes `.x` of the result. So each component of the result may depend
/// on its own component of `v` alone.
///
/// The text may have more functions, constants, structs and aliases, with any names: they neither see nor change what
/// the kernels declare. It may have no attribute, no variable outside of functions, no barrier and no operation of
/// subgroups.
///
/// # Buffers
/// [`buffers`](Self::buffers) sets the lengths of up to two arrays of f32. The function reads them as `epilogue_a` and
/// `epilogue_b`, and the caller binds them to the [slots](crate::Slot) of these names, where the device
/// binds, also with [`Planner::any_offset`](crate::Planner::any_offset). It never writes them: with
/// [`Planner::shared_buffers`](crate::Planner::shared_buffers), wgpu does not check that.
///
/// # Compilation
/// A shader with such a function keeps all of wgpu's checks, see [safety](crate::guide::safety). A program that
/// compiles the text of [`shaders`](mod@crate::shaders) itself should keep them too. Each text has kernels of its own,
/// which a planner holds as long as it lives, and the text stays in memory until the program ends.
///
/// # Backward
/// None: the derivative is unknown.
///
/// # Errors
/// All are those of the op that has the epilogue:
/// - [`Error::Epilogue`]: a text that breaks these rules, or that wgpu does not compile, with the line.
/// - [`Error::InvalidArgument`]: more than two buffers, or an empty one.
/// - [`Error::Unsupported`]: [`Norm::reference`](crate::Norm::reference) without a [`reference`](Self::reference).
/// - [`Error::Limit`]: more storage buffers than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{Epilogue, Norm, RmsNorm, Tensors};
///
/// // A scale for each of 4 columns.
/// let scale = Epilogue::new(
///     "fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
///         let i = (vec4<u32>(index) + vec4<u32>(0, 1, 2, 3)) % 4;
///         return v * vec4<f32>(epilogue_a[i.x], epilogue_a[i.y], epilogue_a[i.z], epilogue_a[i.w]);
///     }",
/// );
/// let scale = scale.buffers(&[4]).reference(|v, index, [a, _]| v * f64::from(a[index % 4]));
/// let op = RmsNorm::new(&[2, 4], 1..).weight(false).eps(0.).epilogue(scale);
/// let tensors = Tensors::new(&[1., 1., 1., 1., 2., 2., 2., 2.]).epilogue_a(&[1., 2., 3., 4.]);
/// assert_eq!(op.reference(&tensors)?.output(), [1., 2., 3., 4., 1., 2., 3., 4.]);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Epilogue {
    /// The WGSL.
    pub wgsl: Arc<str>,
    /// The lengths of `epilogue_a` and `epilogue_b`.
    pub buffers: Vec<usize>,
    /// The same function in f64, for the reference. No part of equality and hash: a plan does not depend on it.
    pub reference: Option<EpilogueReference>,
}

impl Epilogue {
    /// The epilogue of this WGSL, without buffers.
    #[must_use]
    pub fn new(wgsl: impl Into<Arc<str>>) -> Self {
        Self { wgsl: wgsl.into(), buffers: Vec::new(), reference: None }
    }

    /// Sets the numbers of elements of `epilogue_a` and `epilogue_b`.
    #[must_use]
    pub fn buffers(mut self, lens: &[usize]) -> Self {
        self.buffers = lens.to_vec();
        self
    }

    /// Sets the same function in f64, for [`Norm::reference`](crate::Norm::reference). A buffer that is not there is
    /// an empty slice.
    #[must_use]
    pub fn reference(mut self, reference: EpilogueReference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Checks the buffers, and the text as far as that takes no compiler.
    pub(crate) fn validate(&self) -> Result<()> {
        let refuse = |value, expected: &str| {
            Err(Error::InvalidArgument { argument: "epilogue", value, expected: expected.into() })
        };
        if self.buffers.len() > SLOTS.len() {
            return refuse(format!("one with {} buffers", self.buffers.len()), "at most two");
        }
        if self.buffers.contains(&0) {
            return refuse("one with an empty buffer".into(), "one element or more");
        }
        for &len in &self.buffers {
            element_count(&[len])?;
        }
        Text::new(&self.wgsl).map(|_| ())
    }

    /// The buffers as tensors.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = TensorSpec> + '_ {
        SLOTS.iter().zip(&self.buffers).map(|(&slot, &len)| TensorSpec::new(slot, &[len], DType::F32, Access::Read))
    }
}

impl PartialEq for Epilogue {
    fn eq(&self, other: &Self) -> bool {
        (&self.wgsl, &self.buffers) == (&other.wgsl, &other.buffers)
    }
}

impl Eq for Epilogue {}

impl Hash for Epilogue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.wgsl, &self.buffers).hash(state);
    }
}

/// A checked text as a part of compile keys, which are `Copy`: equal texts are one that stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Text(&'static str);

impl Text {
    pub fn new(text: &str) -> Result<Self> {
        static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        // A panic in another thread can't leave the set inconsistent: threads only add texts.
        let known = || TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known().get(text) {
            return Ok(Self(text));
        }
        text::check(text)?;
        let mut texts = known();
        let text = texts.get(text).copied().unwrap_or_else(|| Box::leak(text.into()));
        texts.insert(text);
        Ok(Self(text))
    }

    pub fn get(self) -> &'static str {
        self.0
    }
}

/// A number for labels: the text would be too long.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        write!(f, "#{:08x}", hasher.finish() >> 32)
    }
}
