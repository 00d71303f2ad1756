//! The tensors that a caller binds to a plan, and their checks.

use crate::{
    error::{BindingProblem, Error, Result},
    slot::Slot,
    tensor::{Access, TensorSpec},
};

/// A range of a buffer: all of it from `&Buffer`, a part from a [`wgpu::BufferSlice`] or from [`View::new`].
///
/// With [`Planner::shared_buffers`](crate::Planner::shared_buffers), one buffer may have all tensors.
/// [Embedding](crate::guide::embedding) has the rules.
///
/// ```
/// use wgpu_norm::{Bindings, Planner, RmsNorm, View};
///
#[doc = crate::example::noop!()]
/// # let arena = buffer(3 * 64 * 256);
/// // [64, 256] from byte 0, [256] from byte 65536, [64, 256] from byte 66560.
/// let part = |offset, size| View::new(&arena, offset, size);
/// let (input, weight, output) = (part(0, 65536), part(65536, 1024), part(66560, 65536));
/// let plan = Planner::new(&device).shared_buffers(true).plan(&RmsNorm::new(&[64, 256], 1..))?;
/// plan.bind(&Bindings::new().input(input).weight(weight).output(output))?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
    size: u64,
}

impl<'a> View<'a> {
    /// `size` bytes from `offset`. [`Plan::bind`](crate::Plan::bind) returns an error for a range outside the buffer,
    /// where [`wgpu::Buffer::slice`] panics.
    #[must_use]
    pub fn new(buffer: &'a wgpu::Buffer, offset: u64, size: u64) -> Self {
        Self { buffer, offset, size }
    }
}

impl<'a> View<'a> {
    pub(crate) fn buffer(&self) -> &'a wgpu::Buffer {
        self.buffer
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}

impl<'a> From<&'a wgpu::Buffer> for View<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }
}

impl<'a> From<wgpu::BufferSlice<'a>> for View<'a> {
    fn from(slice: wgpu::BufferSlice<'a>) -> Self {
        Self { buffer: slice.buffer(), offset: slice.offset(), size: slice.size() }
    }
}

/// The tensors of an op on the GPU. The table in the op's descriptor lists them.
///
/// A view may be larger than its tensor; the op leaves the rest unchanged. Every buffer needs
/// [`wgpu::BufferUsages::STORAGE`].
///
/// A wrong binding is an error that names it:
/// ```
/// use wgpu_norm::{Bindings, GroupNorm, Planner};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(4 * 32 * 100));
/// # let [weight, bias] = [(); 2].map(|()| buffer(32));
/// // [4, 32, 100] and [32]
/// let plan = Planner::new(&device).plan(&GroupNorm::new(&[4, 32, 100], 8))?;
/// let bindings = Bindings::new().input(&input).weight(&weight).output(&output);
/// let error = plan.bind(&bindings).expect_err("bias is missing");
/// assert_eq!(error.to_string(), "bias: missing, the descriptor asks for it");
///
/// plan.bind(&bindings.bias(&bias))?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bindings<'a> {
    views: [Option<View<'a>>; Slot::COUNT],
}

impl Default for Bindings<'_> {
    fn default() -> Self {
        Self { views: [const { None }; Slot::COUNT] }
    }
}

macro_rules! bindings {
    ($($(#[$doc:meta])* $method:ident: $slot:ident,)*) => {
        impl<'a> Bindings<'a> {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(self, view: impl Into<View<'a>>) -> Self {
                self.set(Slot::$slot, view)
            })*
        }
    };
}

bindings! {
    /// The tensor that the op normalizes.
    input: Input,
    /// The weight.
    weight: Weight,
    /// The bias.
    bias: Bias,
    /// Receives the normalized tensor.
    output: Output,
    /// Receives the mean.
    mean: Mean,
    /// Receives the reciprocal standard deviation.
    rstd: Rstd,
    /// The running mean of batch norm.
    running_mean: RunningMean,
    /// The running variance of batch norm.
    running_var: RunningVar,
    /// The lo parts of the running statistics.
    running_low: RunningLow,
    /// The number of batches in the cumulative average: one u32.
    num_batches_tracked: NumBatchesTracked,
    /// The residual.
    residual: Residual,
    /// The sum of input and residual: an output of the forward pass, an input of the backward pass.
    residual_output: ResidualOutput,
    /// The gradient of the output.
    grad_output: GradOutput,
    /// The gradient of `residual_output` from its other uses.
    grad_residual_output: GradResidualOutput,
    /// Receives the gradient of the input.
    grad_input: GradInput,
    /// Receives the gradient of a residual after the norm.
    grad_residual: GradResidual,
    /// The bias before the norm.
    input_bias: InputBias,
    /// The gate.
    gate: Gate,
    /// Receives the gradient of the gate.
    grad_gate: GradGate,
    /// The weight of a second norm.
    next_weight: NextWeight,
    /// Receives the output of a second norm.
    next_output: NextOutput,
    /// Receives the output in int8, four elements a word.
    quantized_output: QuantizedOutput,
    /// Receives the scales of the output in int8.
    quantized_scale: QuantizedScale,
    /// Receives the gradient of the weight.
    grad_weight: GradWeight,
    /// Receives the gradient of the bias.
    grad_bias: GradBias,
    /// The moments of parts of a batch or of rows: read by a merge, written by [`BatchMoments`](crate::BatchMoments)
    /// and [`Moments`](crate::Moments).
    moments: Moments,
    /// The statistics that batch norm saves for its backward pass, or those of rows.
    statistics: Statistics,
    /// The coefficients of the gradient through given statistics: written by a part, or given to it.
    coefficients: Coefficients,
    /// The first buffer of an [`Epilogue`](crate::Epilogue).
    epilogue_a: EpilogueA,
    /// The second buffer of an [`Epilogue`](crate::Epilogue).
    epilogue_b: EpilogueB,
    /// The position of each token: u32, for a [`Rotary`](crate::Rotary) embedding.
    positions: Positions,
    /// The cosines and sines of a [`Rotary`](crate::Rotary) embedding.
    rotary_table: RotaryTable,
    /// The index of the input for each index of the op: u32, with `gather_rows`.
    input_index: InputIndex,
    /// The index of the output for each index of the op: u32, with `scatter_rows`.
    output_index: OutputIndex,
    /// The sums of a part of a batch for the gradient through merged statistics, or those of all parts.
    grad_sums: GradSums,
    /// Scratch memory of [`Plan::scratch_size`](crate::Plan::scratch_size) bytes. Without it,
    /// [`Plan::bind`](crate::Plan::bind) allocates scratch if the plan needs any. Its old contents do not matter. Plans
    /// that run one after the other may share it.
    scratch: Scratch,
}

impl<'a> Bindings<'a> {
    /// No bindings yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a slot, for code that treats all ops alike. [`Plan::bind`](crate::Plan::bind) refuses slots that the
    /// descriptor does not use.
    #[must_use]
    pub fn set(mut self, slot: Slot, view: impl Into<View<'a>>) -> Self {
        self.views[slot as usize] = Some(view.into());
        self
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<View<'a>> {
        self.views[slot as usize]
    }

    fn bound(&self) -> impl Iterator<Item = (Slot, View<'a>)> + '_ {
        Slot::ALL.iter().filter_map(|&slot| Some((slot, self.get(slot)?)))
    }
}

/// What a program needs of its bindings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requirements {
    /// The tensors, each with the alignment of its offset in bytes.
    pub tensors: Vec<(TensorSpec, u64)>,
    pub scratch_size: u64,
    /// Whether there is a dispatch: without one, nothing needs to be bound.
    pub dispatches: bool,
}

impl Requirements {
    /// What all of several programs with the same tensors need.
    pub fn of_all<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut both = Self::default();
        for Self { tensors, scratch_size, dispatches } in all {
            both.scratch_size = both.scratch_size.max(*scratch_size);
            both.dispatches |= dispatches;
            if both.tensors.is_empty() {
                both.tensors.clone_from(tensors);
            }
            for ((_, most), (_, alignment)) in both.tensors.iter_mut().zip(tensors) {
                *most = (*most).max(*alignment);
            }
        }
        both
    }
}

/// What a device and a program allow of bindings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// Whether one buffer may hold several tensors.
    pub shared_buffers: bool,
    /// Whether tensors may begin where the device can't bind.
    pub offsets: bool,
    /// The alignment of the offsets that the device binds.
    pub alignment: u64,
    /// Whether the device refuses parts of a buffer that overlap, as WebGPU does where a shader may write one of them.
    pub refuses_overlaps: bool,
    pub needs: &'a Requirements,
}

impl Rules<'_> {
    fn spec(&self, slot: Slot) -> Option<&TensorSpec> {
        self.needs.tensors.iter().map(|(spec, _)| spec).find(|spec| spec.slot == slot)
    }

    fn is_written(&self, slot: Slot) -> bool {
        slot == Slot::Scratch || self.spec(slot).is_some_and(|spec| spec.access != Access::Read)
    }

    /// Checks bindings against the tensors of an op.
    pub fn check(&self, bindings: &Bindings<'_>) -> Result<()> {
        let fail = |slot, problem| Err(Error::Binding { slot, problem });
        for (slot, view) in bindings.bound() {
            if slot != Slot::Scratch && self.spec(slot).is_none() {
                return fail(slot, BindingProblem::Unexpected);
            }
            for (other, v) in bindings.bound().filter(|(other, v)| *other < slot && v.buffer == view.buffer) {
                if let Some(problem) = self.conflict((slot, &view), (other, &v)) {
                    return fail(slot, problem);
                }
            }
        }
        if !self.needs.dispatches {
            return Ok(());
        }
        // wgpu has no empty bindings.
        for (spec, alignment) in self.needs.tensors.iter().filter(|(spec, _)| !spec.is_empty()) {
            let Some(view) = bindings.get(spec.slot) else { return fail(spec.slot, BindingProblem::Missing) };
            let bytes = spec.len() as u64 * spec.dtype.size();
            let needed = if self.offsets { bytes } else { spec.bytes() };
            if let Some(problem) = view_problem(&view, needed, *alignment) {
                return fail(spec.slot, problem);
            }
        }
        match bindings.get(Slot::Scratch).filter(|_| self.needs.scratch_size > 0) {
            Some(view) => match view_problem(&view, self.needs.scratch_size, self.alignment) {
                Some(problem) => fail(Slot::Scratch, problem),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Why two views of one buffer can't be bound together.
    fn conflict(&self, (slot, view): (Slot, &View<'_>), (other, v): (Slot, &View<'_>)) -> Option<BindingProblem> {
        let is_written = self.is_written(slot) || self.is_written(other);
        // wgpu tracks whole buffers: a dispatch that writes a buffer must bind it `read_write` through all slots.
        let has_part = |slot: Slot| self.shared_buffers || (slot.is_never_read_back() && self.is_written(slot));
        if is_written && !(has_part(slot) && has_part(other) && !self.overlap((slot, view), (other, v))) {
            let over_input = (slot, other) == (Slot::Output, Slot::Input) && v.offset == view.offset;
            return Some(match (over_input, self.shared_buffers) {
                (true, _) => BindingProblem::OverInput,
                (_, true) => BindingProblem::Overlaps(other),
                _ => BindingProblem::Aliases(other),
            });
        }
        let [first, second] = [(slot, view), (other, v)].map(|(slot, view)| self.window(slot, view));
        let meet = first.end > second.start && second.end > first.start;
        (self.refuses_overlaps && self.shared_buffers && meet)
            .then_some(BindingProblem::Windows { other, alignment: self.alignment })
    }

    /// The bytes that the device binds for a view.
    fn window(&self, slot: Slot, view: &View<'_>) -> std::ops::Range<u64> {
        let end = view.offset.saturating_add(self.bytes(slot)).next_multiple_of(4);
        view.offset / self.alignment * self.alignment..end
    }

    fn bytes(&self, slot: Slot) -> u64 {
        self.spec(slot).map_or(self.needs.scratch_size, |spec| spec.len() as u64 * spec.dtype.size())
    }

    /// Whether two tensors have elements in the same word of their buffer.
    fn overlap(&self, (slot, view): (Slot, &View<'_>), (other, v): (Slot, &View<'_>)) -> bool {
        let mut runs = [(slot, view), (other, v)].map(|(slot, view)| {
            let spec = self.spec(slot);
            words(spec, self.bytes(slot), view.offset).peekable()
        });
        // Both are in ascending order.
        loop {
            let [Some(a), Some(b)] = runs.each_mut().map(|runs| runs.peek().cloned()) else { return false };
            if a.start < b.end && b.start < a.end {
                return true;
            }
            runs[usize::from(b.end <= a.start)].next();
        }
    }
}

/// Why a view can't hold a tensor of `needed` bytes.
fn view_problem(view: &View<'_>, needed: u64, alignment: u64) -> Option<BindingProblem> {
    let View { buffer, offset, size } = *view;
    let end = offset.saturating_add(size);
    if end > buffer.size() {
        return Some(BindingProblem::OutOfRange { offset, end, size: buffer.size() });
    }
    if size < needed {
        return Some(BindingProblem::TooSmall { needed, actual: size });
    }
    // Shaders see whole words.
    let end = (offset + needed).next_multiple_of(4);
    if end > buffer.size() {
        return Some(BindingProblem::OutOfRange { offset, end, size: buffer.size() });
    }
    if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return Some(BindingProblem::Usage(wgpu::BufferUsages::STORAGE));
    }
    (!offset.is_multiple_of(alignment)).then_some(BindingProblem::Misaligned { offset, alignment })
}

/// The words of a tensor, or of scratch of some `bytes`, as runs in ascending order.
fn words(spec: Option<&TensorSpec>, bytes: u64, offset: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    let size = spec.map_or(1, |spec| spec.dtype.size());
    let mut levels = spec.filter(|spec| !spec.is_dense()).map_or(Vec::new(), TensorSpec::levels);
    levels.retain(|&(_, stride)| stride > 0);
    levels.sort_by_key(|&(_, stride)| std::cmp::Reverse(stride));
    let run = match levels.last() {
        Some(&(count, 1)) => {
            levels.pop();
            count as u64 * size
        }
        Some(_) => size,
        None if spec.is_some_and(|spec| !spec.is_dense()) => size,
        None => bytes,
    };
    let runs = if bytes == 0 { 0 } else { levels.iter().map(|&(count, _)| count as u64).product() };
    (0..runs).map(move |mut run_number| {
        let mut at = 0;
        for &(count, stride) in levels.iter().rev() {
            at += run_number % count as u64 * stride as u64;
            run_number /= count as u64;
        }
        let start = offset + at * size;
        start / 4 * 4..(start + run).next_multiple_of(4)
    })
}
