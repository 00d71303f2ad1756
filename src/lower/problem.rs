//! The problem that lowering solves, and its immediate properties.

use super::{
    KernelCall,
    chunks::{Chunk, chunks},
    occupancy::MAX_MEMBERS,
    places::Places,
};
use crate::{
    caps::Caps,
    definition::{Definition, Source, Tracked},
    epilogue,
    error::Result,
    geometry::{Part, Reduction},
    kernels::{
        Kernel,
        roles::{Affine, After, Epilogue, GateFactor, Given, Rotation, Saved, X},
    },
    options::Options,
    slot::Slot,
    tensor::TensorSpec,
    types::Scale,
    wgsl::storage::Buffer,
};

/// A computation to lower: a definition whose tensor is not empty.
pub(super) struct Problem<'a> {
    pub definition: &'a Definition,
    pub options: &'a Options,
    /// Which elements share a statistic.
    pub stats: Reduction,
    /// Which elements share a weight.
    pub affine: Reduction,
    pub tensors: &'a [TensorSpec],
    /// The chunks of the tensors: one, if the device can bind whole tensors.
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
        // Nothing lies between these groups, so those of all outer indices are rows alike.
        if stats.reduced == 1 && problem.tracked().is_none() {
            problem.stats = Reduction::new(1, 1, stats.group_count(), stats.inner);
        }
        // Rows that an index names may be anywhere in a tensor, which a dispatch then binds as a whole.
        let whole = Chunk { first: 0, len: stats.len() };
        let is_indexed = options.is_indexed();
        problem.chunks = if is_indexed { vec![whole] } else { chunks(problem.stats, affine, tensors, caps)? };
        Ok(Some(problem))
    }

    /// A call that processes a chunk, as rows of `cols` elements.
    pub fn call(
        &self,
        chunk: Chunk,
        cols: u32,
        kernel: impl Into<Kernel>,
        params: &impl bytemuck::Pod,
        workgroups: u64,
    ) -> Result<KernelCall> {
        let mut call = KernelCall::new(kernel, params, workgroups, self.caps)?;
        call.set_places(self.places(cols)?);
        if self.chunks.len() > 1 {
            let is_cut = |spec: &&TensorSpec, buffer| Buffer::Tensor(spec.slot) == buffer && spec.slot.is_elementwise();
            let cut = |buffer| self.tensors.iter().find(|spec| is_cut(spec, buffer));
            let bound = call.key.storage().into_iter().filter_map(|storage| cut(storage.buffer));
            call.ranges = bound.map(|spec| chunk.range(spec)).collect();
        }
        Ok(call)
    }

    /// The part of a reduction in each chunk.
    pub fn parts(&self, reduction: Reduction) -> impl Iterator<Item = (Chunk, Part)> + '_ {
        self.chunks.iter().map(move |&chunk| (chunk, reduction.part(chunk.first, chunk.len)))
    }

    pub fn scale(&self) -> Scale {
        self.definition.scale
    }

    /// Whether any elementwise tensor is f16 or bf16.
    pub fn has_half_precision(&self) -> bool {
        self.tensors.iter().any(|spec| spec.slot.is_elementwise() && spec.dtype.size() == 2)
    }

    /// Whether all elementwise tensors are f16 or bf16.
    pub fn is_half_precision(&self) -> bool {
        self.tensors.iter().all(|spec| !spec.slot.is_elementwise() || spec.dtype.size() == 2)
    }

    pub fn tracked(&self) -> Option<Tracked> {
        match self.definition.source {
            Source::Batch { tracked, .. } => tracked,
            Source::Running | Source::Given { .. } => None,
        }
    }

    /// Whether the statistics are a tensor of the op, and not scratch.
    pub fn has_statistics_tensor(&self) -> bool {
        self.binds(Slot::Statistics)
    }

    fn binds(&self, slot: Slot) -> bool {
        self.tensors.iter().any(|spec| spec.slot == slot)
    }

    /// Whether the op computes gradients.
    pub fn is_backward(&self) -> bool {
        self.binds(Slot::GradOutput)
    }

    /// Whether the op computes the gradients of weight or bias.
    pub fn wants_affine_gradients(&self) -> bool {
        self.binds(Slot::GradWeight) || self.binds(Slot::GradBias)
    }

    /// The number of elements that share a statistic of a reduction's group.
    pub fn count(&self, reduction: &Reduction) -> f32 {
        match self.definition.source {
            // The tensor may have a part of them.
            Source::Given { len } => len as f32,
            _ => reduction.group_len() as f32,
        }
    }

    /// Whether the op reads its statistics and does not compute them.
    pub fn given(&self) -> bool {
        !matches!(self.definition.source, Source::Batch { parts: None, .. })
    }

    /// Whether groups are contiguous, and only their team needs their statistics.
    pub fn is_rows(&self) -> bool {
        self.stats.reduced == 1 && self.has_own_statistics()
    }

    /// Whether only the team that computes statistics needs them. Kernels of rows neither update running statistics nor
    /// save statistics for a backward pass.
    pub fn has_own_statistics(&self) -> bool {
        self.tracked().is_none() && !self.options.save_for_backward
    }

    /// Whether groups are columns of a matrix, or several adjacent columns each.
    pub fn is_columns(&self) -> bool {
        let neighbours = self.stats.inner <= MAX_MEMBERS && self.affine.inner == 1;
        self.stats.reduced > 1 && (self.stats.inner == 1 || neighbours)
    }

    /// The values to normalize in a forward pass.
    pub fn x(&self) -> X {
        let types = self.options.types;
        let residual = self.options.residual && !self.definition.residual_after;
        let residual = residual.then_some(types.residual());
        match (self.gate_factor(true), residual) {
            (Some(gate), residual) => X::Gated(types.input(), gate, residual),
            (None, Some(residual)) => {
                let bias = self.options.input_bias.then_some(types.affine());
                X::Residual { input: types.input(), residual, bias }
            }
            (None, None) => X::Input(types.input()),
        }
    }

    /// Where the next pass finds the statistics that this op computes.
    pub fn taken(&self) -> Given {
        if self.scale().is_norm() { Given::Norms } else { Given::Batch }
    }

    /// The statistics that the op writes for the caller.
    pub fn saved(&self) -> Saved {
        match (self.options.save_stats, self.scale()) {
            (false, _) => Saved::None,
            (true, Scale::Variance) => Saved::MeanRstd,
            (true, _) => Saved::Rstd,
        }
    }

    /// The factor of the gate before, or after, the normalization.
    pub fn gate_factor(&self, before: bool) -> Option<GateFactor> {
        let gate = self.options.gate_at(before)?;
        Some(GateFactor { dtype: self.options.types.gate(), function: gate.function })
    }

    pub fn affine(&self) -> Affine {
        let options = self.options;
        let after = options.residual && self.definition.residual_after;
        Affine {
            weight: options.weight.then_some(options.types.affine()),
            bias: options.bias.then_some(options.types.affine()),
            after: After { gate: self.gate_factor(false), residual: after.then_some(options.types.residual()) },
            activation: options.activation,
        }
    }

    /// The caller's function behind the forward pass.
    pub fn epilogue(&self) -> Result<Option<Epilogue>> {
        let key = |epilogue: &epilogue::Epilogue| {
            Ok(Epilogue { text: epilogue::Text::new(&epilogue.wgsl)?, buffers: epilogue.buffers.len() })
        };
        self.options.epilogue.as_ref().map(key).transpose()
    }

    /// The rotary embedding behind the forward pass.
    pub fn rotation(&self) -> Option<Rotation> {
        // Statistics alone rotate nothing.
        let rotary = self.options.rotary.filter(|_| self.binds(Slot::Positions))?;
        let heads = self.definition.stats_shape.last().copied().unwrap_or(1);
        // The op checked that all of them fit u32.
        let [packs, heads, positions] = [rotary.len / 4, heads, rotary.positions].map(|n| n as u32);
        Some(Rotation { pairs: rotary.pairs, packs, heads, positions })
    }

    pub fn weight_offset(&self) -> f32 {
        self.options.weight_offset()
    }

    /// Whether weight and bias lie in the order of their groups, as merges take them.
    pub fn has_dense_weights(&self) -> bool {
        self.options.sample_stride().is_none()
    }

    /// Whether an elementwise tensor is not dense, or an index says where its rows are.
    pub fn is_strided(&self) -> bool {
        self.options.is_indexed() || self.elementwise_tensors().any(|spec| !spec.is_dense())
    }

    /// Where rows of `cols` elements are in the elementwise tensors.
    pub fn places(&self, cols: u32) -> Result<Places> {
        if self.options.is_indexed() {
            Places::indexed(self.elementwise_tensors(), cols, self.options)
        } else if self.is_strided() {
            Places::new(self.elementwise_tensors(), cols)
        } else {
            Ok(Places::DENSE)
        }
    }

    fn elementwise_tensors(&self) -> impl Iterator<Item = &TensorSpec> + Clone {
        self.tensors.iter().filter(|spec| spec.slot.is_elementwise())
    }
}
