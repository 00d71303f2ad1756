//! What is to be computed, and what follows from it alone.

use super::{
    KernelCall,
    chunks::{Chunk, chunks},
    occupancy::MAX_MEMBERS,
};
use crate::{
    caps::Caps,
    definition::{Definition, Source, Tracked},
    error::Result,
    geometry::{Part, Reduction},
    kernels::{
        Kernel,
        roles::{Affine, Given, Saved, X},
    },
    options::Options,
    tensor::{Slot, TensorSpec},
    types::Scale,
    wgsl::storage::Buffer,
};

/// What is to be computed: a definition whose tensor is not empty.
pub(super) struct Problem<'a> {
    pub definition: &'a Definition,
    pub options: &'a Options,
    /// Which elements share a statistic.
    pub stats: Reduction,
    /// Which elements share a weight.
    pub affine: Reduction,
    pub tensors: &'a [TensorSpec],
    /// What the device binds of the tensors at once: one chunk, if it can bind them.
    pub chunks: Vec<Chunk>,
    pub caps: &'a Caps,
}

impl<'a> Problem<'a> {
    /// `None` for an empty tensor.
    pub fn new(
        definition: &'a Definition,
        options: &'a Options,
        tensors: &'a [TensorSpec],
        caps: &'a Caps,
    ) -> Result<Option<Self>> {
        let Some((stats, affine)) = definition.reductions()? else { return Ok(None) };
        let mut problem = Self { definition, options, stats, affine, tensors, chunks: Vec::new(), caps };
        // With nothing between them, the groups of each outer index are rows like any others.
        if stats.reduced == 1 && problem.tracked().is_none() {
            problem.stats = Reduction::new(1, 1, stats.group_count(), stats.inner);
        }
        problem.chunks = chunks(problem.stats, affine, tensors, caps)?;
        Ok(Some(problem))
    }

    /// A call that goes through a chunk.
    pub fn call(
        &self,
        chunk: Chunk,
        kernel: impl Into<Kernel>,
        params: &impl bytemuck::Pod,
        workgroups: u64,
    ) -> Result<KernelCall> {
        let mut call = KernelCall::new(kernel, params, workgroups, self.caps)?;
        if self.chunks.len() > 1 {
            let is_cut = |spec: &&TensorSpec, buffer| Buffer::Tensor(spec.slot) == buffer && spec.slot.is_elementwise();
            let cut = |buffer| self.tensors.iter().find(|spec| is_cut(spec, buffer));
            let bound = call.key.storage().into_iter().filter_map(|storage| cut(storage.buffer));
            call.ranges = bound.map(|spec| chunk.range(spec)).collect();
        }
        Ok(call)
    }

    /// What each chunk has of a reduction.
    pub fn parts(&self, reduction: Reduction) -> impl Iterator<Item = (Chunk, Part)> + '_ {
        self.chunks.iter().map(move |&chunk| (chunk, reduction.part(chunk.first, chunk.len)))
    }

    pub fn scale(&self) -> Scale {
        self.definition.scale
    }

    /// Whether a tensor has two elements in a word.
    pub fn has_half_precision(&self) -> bool {
        self.tensors.iter().any(|spec| spec.slot.is_elementwise() && spec.dtype.size() == 2)
    }

    /// Whether every tensor has two elements in a word.
    pub fn is_half_precision(&self) -> bool {
        self.tensors.iter().all(|spec| !spec.slot.is_elementwise() || spec.dtype.size() == 2)
    }

    pub fn tracked(&self) -> Option<Tracked> {
        match self.definition.source {
            Source::Batch { tracked, .. } => tracked,
            Source::Running => None,
        }
    }

    fn binds(&self, slot: Slot) -> bool {
        self.tensors.iter().any(|spec| spec.slot == slot)
    }

    /// Whether gradients are computed.
    pub fn is_backward(&self) -> bool {
        self.binds(Slot::GradOutput)
    }

    /// Whether the gradients of weight or bias are.
    pub fn wants_affine_gradients(&self) -> bool {
        self.binds(Slot::GradWeight) || self.binds(Slot::GradBias)
    }

    /// Whether statistics are read and not taken.
    pub fn given(&self) -> bool {
        !matches!(self.definition.source, Source::Batch { parts: None, .. })
    }

    /// Whether groups are contiguous, and nobody but their team wants their statistics.
    pub fn is_rows(&self) -> bool {
        self.stats.reduced == 1 && self.has_own_statistics()
    }

    /// Whether nobody but the team that takes them wants statistics: kernels of rows neither update running statistics
    /// nor save them for a backward pass.
    pub fn has_own_statistics(&self) -> bool {
        self.tracked().is_none() && !self.options.save_for_backward
    }

    /// Whether groups are columns of a matrix, or neighbouring columns together.
    pub fn is_columns(&self) -> bool {
        let neighbours = self.stats.inner <= MAX_MEMBERS && self.affine.inner == 1;
        self.stats.reduced > 1 && (self.stats.inner == 1 || neighbours)
    }

    /// What is normalized, in a forward pass.
    pub fn x(&self) -> X {
        let types = self.options.types;
        if self.options.residual && !self.definition.residual_after {
            X::Residual(types.input(), types.residual())
        } else {
            X::Input(types.input())
        }
    }

    /// Where the pass after finds the statistics that this op takes.
    pub fn taken(&self) -> Given {
        if self.scale().is_norm() { Given::Norms } else { Given::Batch }
    }

    /// The statistics that are written for the caller.
    pub fn saved(&self) -> Saved {
        match (self.options.save_stats, self.scale()) {
            (false, _) => Saved::None,
            (true, Scale::Variance) => Saved::MeanRstd,
            (true, _) => Saved::Rstd,
        }
    }

    pub fn affine(&self) -> Affine {
        let options = self.options;
        let after = options.residual && self.definition.residual_after;
        Affine {
            weight: options.weight.then_some(options.types.affine()),
            bias: options.bias.then_some(options.types.affine()),
            after: after.then_some(options.types.residual()),
            activation: options.activation,
        }
    }

    pub fn weight_offset(&self) -> f32 {
        self.options.weight_offset()
    }

    /// Elements from one row of the input to the next, where the tensor is seen as rows of `cols`.
    pub fn input_stride(&self, cols: u32) -> u32 {
        // Rows that are apart are seen as rows and nothing else; with the padding they are few enough for u32.
        self.definition.row_stride.map_or(cols, |(_, stride)| stride as u32)
    }
}
