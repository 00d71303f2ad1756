//! Plans for any number of rows: compiled and bound once, and called with another number each time.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    bindings::{Bindings, Requirements, View},
    calls::caught,
    caps::Caps,
    definition::Operation,
    error::{Error, Result},
    kernels::ShaderKey,
    lower::{KernelCall, Lowered, lower},
    ops::{Norm, op::Internal},
    plan::Target,
    planner::Planner,
    program::{BoundDispatch, Program},
    slot::Slot,
    tensor::TensorSpec,
    types::Strategy,
};

/// Programs of one plan, at most. Each one is compiled and bound.
const MAX_PROGRAMS: usize = 64;

/// A plan for any length of an op's first axis, from 0 to a largest one: rows or tokens, or samples.
///
/// The caller binds tensors of the largest length once. A [`RowsCall`] then has what a number of rows changes: a few
/// numbers, which the caller writes to a uniform buffer, and the grids. It makes no buffer, bind group or pipeline.
/// [Changing shapes](crate::guide::changing_shapes) says which ops have such a plan.
///
/// ```
/// use wgpu_norm::{Bindings, Planner, RmsNorm, wgpu};
///
/// # let (device, queue) = wgpu::Device::noop(&Default::default());
/// # let tensor = |elements: u64| device.create_buffer(&wgpu::BufferDescriptor {
/// #     label: None, size: elements * 4, usage: wgpu::BufferUsages::STORAGE, mapped_at_creation: false,
/// # });
/// # let (input, weight, output) = (tensor(64 * 512), tensor(512), tensor(64 * 512));
/// // Once: compile for up to 64 rows, and bind the caller's buffers. Numbers of calls go to a buffer of uniforms.
/// let plan = Planner::new(&device).plan_rows(RmsNorm::new(&[1, 512], 1..), 64)?;
/// let ring = device.create_buffer(&wgpu::BufferDescriptor {
///     label: None,
///     size: 65536,
///     usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
///     mapped_at_creation: false,
/// });
/// let bound = plan.bind(&Bindings::new().input(&input).weight(&weight).output(&output), &ring)?;
///
/// // Each step: 7 rows.
/// let (call, offset) = (bound.call(7)?, 0);
/// queue.write_buffer(&ring, offset.into(), call.uniform());
/// let mut encoder = device.create_command_encoder(&Default::default());
/// bound.record(&mut encoder.begin_compute_pass(&Default::default()), &call, offset);
/// queue.submit([encoder.finish()]);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
#[derive(Clone)]
pub struct RowsPlan(Arc<Inner>);

struct Inner {
    target: Target,
    op: Box<dyn Norm>,
    max_rows: usize,
    /// The stride of the uniforms of a call's dispatches.
    call_stride: usize,
    /// The same op for offsets of whole packs, and for offsets of single elements.
    alternatives: Vec<Alternative>,
}

/// An op for one choice of offsets.
struct Alternative {
    caps: Caps,
    /// The kernels of all numbers of rows, each with its program.
    kernels: Vec<Kernels>,
    programs: Vec<Program>,
    /// What all of them need.
    needs: Requirements,
    /// The calls so far: a program has few numbers of rows, again and again.
    calls: Mutex<HashMap<usize, RowsCall>>,
}

impl RowsPlan {
    pub(crate) async fn new(planner: &Planner, op: Box<dyn Norm>, max_rows: usize) -> Result<Self> {
        let target = Target::new(planner.device(), planner.caps());
        let mut alternatives = Vec::new();
        for caps in planner.caps().alternatives() {
            let kernels = all_rows(&*op, &caps, max_rows)?;
            let mut programs = Vec::with_capacity(kernels.len());
            for Kernels { lowered, .. } in &kernels {
                let pipelines = planner.pipelines(lowered).await?;
                programs.push(Program::new(&target, lowered.clone(), pipelines).await?);
            }
            let needs = Requirements::of_all(programs.iter().map(|program| &program.needs));
            alternatives.push(Alternative { caps, kernels, programs, needs, calls: Mutex::default() });
        }
        let call_stride = planner.device().limits().min_uniform_buffer_offset_alignment as usize;
        Ok(Self(Arc::new(Inner { target, op, max_rows, call_stride, alternatives })))
    }

    /// The tensors that [`bind`](Self::bind) expects: those of the largest number of rows.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.0.alternatives[0].programs[0].lowered.tensors
    }

    /// The largest number of rows.
    #[must_use]
    pub fn max_rows(&self) -> usize {
        self.0.max_rows
    }

    /// Bytes of scratch memory that a binding needs, whatever the number of rows.
    #[must_use]
    pub fn scratch_size(&self) -> u64 {
        self.0.alternatives.iter().map(|alternative| alternative.needs.scratch_size).max().unwrap_or(0)
    }

    /// The number of compiled kernels.
    #[must_use]
    pub fn kernels(&self) -> usize {
        let programs = self.0.alternatives.iter().flat_map(|alternative| &alternative.programs);
        let keys = programs.flat_map(|program| &program.lowered.calls).map(|call| call.key);
        keys.collect::<std::collections::HashSet<ShaderKey>>().len()
    }

    /// Binds tensors of the largest number of rows, and the buffer of the uniforms of calls. Blocks; in a browser, use
    /// [`bind_unscoped`](Self::bind_unscoped) or [`bind_async`](Self::bind_async).
    ///
    /// # Errors
    /// As [`Plan::bind`](crate::Plan::bind); [`Error::Device`] for a `ring` without the usage UNIFORM.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, bindings: &Bindings<'_>, ring: &wgpu::Buffer) -> Result<RowsBound> {
        pollster::block_on(self.bind_async(bindings, ring))
    }

    /// [`bind`](Self::bind) without blocking.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_async(&self, bindings: &Bindings<'_>, ring: &wgpu::Buffer) -> Result<RowsBound> {
        let index = self.alternative(bindings)?;
        caught(&self.0.target.device, || self.bound(index, bindings, ring)).await?
    }

    /// [`bind`](Self::bind) without an error scope of wgpu, as [`Plan::bind_unscoped`](crate::Plan::bind_unscoped).
    ///
    /// # Errors
    /// [`Error::Binding`], as [`bind`](Self::bind).
    pub fn bind_unscoped(&self, bindings: &Bindings<'_>, ring: &wgpu::Buffer) -> Result<RowsBound> {
        self.bound(self.alternative(bindings)?, bindings, ring)
    }

    /// The fastest alternative that takes these bindings. All of its programs have the same tensors.
    fn alternative(&self, bindings: &Bindings<'_>) -> Result<usize> {
        let Inner { target, alternatives, .. } = &*self.0;
        target.choose(alternatives.iter().map(|alternative| &alternative.needs), bindings)
    }

    fn bound(&self, index: usize, bindings: &Bindings<'_>, ring: &wgpu::Buffer) -> Result<RowsBound> {
        let Inner { target, alternatives, .. } = &*self.0;
        // All programs share the scratch.
        let own_scratch = (self.scratch_size() > 0 && bindings.get(Slot::Scratch).is_none()).then(|| {
            target.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-norm scratch"),
                size: self.scratch_size(),
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        });
        let bindings = match &own_scratch {
            Some(scratch) => bindings.clone().scratch(View::from(scratch)),
            None => bindings.clone(),
        };
        let programs = alternatives[index].programs.iter();
        let dispatches = programs.map(|program| program.bind(target, &bindings, Some(ring)));
        let dispatches = dispatches.collect::<Result<Vec<_>>>()?.concat();
        Ok(RowsBound { plan: self.clone(), alternative: index, dispatches })
    }
}

impl fmt::Debug for RowsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { op, max_rows, .. } = &*self.0;
        f.debug_struct("RowsPlan").field("op", &op.name()).field("max_rows", max_rows).finish_non_exhaustive()
    }
}

/// A plan for any number of rows with its tensors, to be called and recorded any number of times.
#[derive(Clone, Debug)]
pub struct RowsBound {
    plan: RowsPlan,
    alternative: usize,
    /// Those of all programs, one program after the other.
    dispatches: Vec<BoundDispatch>,
}

/// What a number of rows changes: see [`RowsBound::call`].
#[derive(Clone, Debug, PartialEq)]
pub struct RowsCall {
    alternative: usize,
    /// The first dispatch of its program, among those of all programs.
    first: usize,
    uniform: Vec<u8>,
    /// The grid of each dispatch, and the offset of its uniform, if it has one.
    dispatches: Vec<([u32; 3], Option<u32>)>,
}

impl RowsCall {
    /// The bytes for the buffer of uniforms. Their length is a multiple of the device's
    /// `min_uniform_buffer_offset_alignment`, so that calls may follow each other there. It may be zero.
    #[must_use]
    pub fn uniform(&self) -> &[u8] {
        &self.uniform
    }
}

impl RowsBound {
    /// What `rows` rows change. Uses the host alone, and makes no object of wgpu.
    ///
    /// The result has the bits of a plan for as many rows. A call of 0 rows of a backward pass writes zeros to the
    /// gradients of weight and bias, unless they accumulate.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more rows than the plan has.
    pub fn call(&self, rows: usize) -> Result<RowsCall> {
        let Inner { op, max_rows, call_stride, alternatives, .. } = &*self.plan.0;
        if rows > *max_rows {
            let expected = format!("at most {max_rows}, the largest number of the plan");
            return Err(Error::InvalidArgument { argument: "rows", value: rows.to_string(), expected });
        }
        let Alternative { caps, kernels, calls, .. } = &alternatives[self.alternative];
        // A panic in another thread can't leave the map inconsistent: threads only add entries.
        let known = || calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = known().get(&rows) {
            return Ok(call.clone());
        }
        let lowered = lower_for_calls(&op.with_rows(rows, Internal)?, caps)?;
        let program = kernels.iter().position(|kernels| kernels.compute(&lowered));
        // The plan has lowered the op for every number of rows.
        let program = program.ok_or_else(|| Error::Device(format!("no kernels for {rows} rows")))?;
        let mut uniform = Vec::new();
        let dispatches = lowered.calls.iter().zip(&kernels[program].fields).map(|(call, fields)| {
            let offset = (!fields.is_empty()).then_some(uniform.len() as u32);
            if offset.is_some() {
                uniform.extend(fields.iter().flat_map(|&field| call.params[field..field + 4].iter().copied()));
                uniform.resize(uniform.len().next_multiple_of(*call_stride), 0);
            }
            (call.workgroups, offset)
        });
        let dispatches = dispatches.collect();
        let first = kernels[..program].iter().map(|kernels| kernels.fields.len()).sum();
        let call = RowsCall { alternative: self.alternative, first, uniform, dispatches };
        known().insert(rows, call.clone());
        Ok(call)
    }

    /// Records a call into a compute pass, as [`Bound::record`](crate::Bound::record). The buffer of uniforms must have
    /// the bytes of [`RowsCall::uniform`] at `offset` when the pass runs. `offset` is a multiple of the device's
    /// `min_uniform_buffer_offset_alignment`.
    ///
    /// Other bytes there give other results, but no access outside of the tensors.
    ///
    /// # Panics
    /// For a call of a binding at other offsets: of single elements, where this one is of packs.
    #[inline]
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, call: &RowsCall, offset: u32) {
        assert!(call.alternative == self.alternative, "the call is of a binding at other offsets");
        for (bound, &([x, y, z], uniform)) in self.dispatches[call.first..].iter().zip(&call.dispatches) {
            pass.set_pipeline(&bound.pipeline);
            match uniform {
                Some(uniform) => pass.set_bind_group(0, &bound.bind_group, &[offset + uniform]),
                None => pass.set_bind_group(0, &bound.bind_group, &[]),
            }
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

fn lower_for_calls(operation: &Operation, caps: &Caps) -> Result<Lowered> {
    let mut lowered = lower(operation, caps, Strategy::Inferred)?;
    for call in &mut lowered.calls {
        call.key = call.key.with_calls();
    }
    Ok(lowered)
}

/// The kernels that compute some numbers of rows.
struct Kernels {
    /// The largest numbers of their calls, the tensors of the largest number of rows, and enough scratch for each call.
    lowered: Lowered,
    /// For each call, where the fields of its uniform are that come from the caller.
    fields: Vec<Vec<usize>>,
}

impl Kernels {
    fn new(lowered: Lowered) -> Self {
        let fields = |call: &KernelCall| {
            let all = call.key.uniform();
            let offset = |name: &str| all.iter().find(|field| field.name == name).map(|field| field.offset);
            call.key.fields_of_call().iter().filter_map(|(name, _)| offset(name)).collect()
        };
        let fields = lowered.calls.iter().map(fields).collect();
        Self { lowered, fields }
    }

    /// Whether another number of rows differs only in what comes from the caller.
    fn compute(&self, other: &Lowered) -> bool {
        let same = |((a, b), fields): ((&KernelCall, &KernelCall), &Vec<usize>)| {
            let mut words = a.params.chunks_exact(4).zip(b.params.chunks_exact(4)).enumerate();
            a.key == b.key && a.places == b.places && words.all(|(i, (a, b))| a == b || fields.contains(&(4 * i)))
        };
        let calls = &self.lowered.calls;
        calls.len() == other.calls.len() && calls.iter().zip(&other.calls).zip(&self.fields).all(same)
    }

    /// Adds another number of rows.
    fn add(&mut self, other: &Lowered) {
        for ((call, other), fields) in self.lowered.calls.iter_mut().zip(&other.calls).zip(&self.fields) {
            for &field in fields {
                let number = |params: &[u8]| {
                    let word = params[field..field + 4].try_into();
                    u32::from_ne_bytes(word.unwrap_or_default())
                };
                let most = number(&call.params).max(number(&other.params));
                call.params[field..field + 4].copy_from_slice(&most.to_ne_bytes());
            }
        }
        for region in &other.scratch {
            match self.lowered.scratch.iter_mut().find(|own| own.buffer == region.buffer) {
                Some(own) => own.bytes = own.bytes.max(region.bytes),
                None => self.lowered.scratch.push(region.clone()),
            }
        }
    }
}

/// The kernels of all numbers of rows up to a largest one.
fn all_rows(op: &dyn Norm, caps: &Caps, max_rows: usize) -> Result<Vec<Kernels>> {
    let refuse = |why| Err(Error::Unsupported { what: format!("a plan for up to {max_rows} rows"), why });
    let mut all: Vec<Kernels> = Vec::new();
    let mut tensors = Vec::new();
    for rows in 0..=max_rows {
        let lowered = lower_for_calls(&op.with_rows(rows, Internal)?, caps)?;
        if lowered.calls.iter().any(|call| !call.ranges.is_empty()) {
            return refuse(format!("with {rows} rows, a tensor is larger than a binding"));
        }
        tensors.clone_from(&lowered.tensors);
        match all.iter().position(|kernels| kernels.compute(&lowered)) {
            Some(at) => all[at].add(&lowered),
            None if all.len() == MAX_PROGRAMS => {
                return refuse(format!("its kernels differ for each number of rows: {}", op.name()));
            }
            None => all.push(Kernels::new(lowered)),
        }
    }
    for kernels in &mut all {
        kernels.lowered.tensors.clone_from(&tensors);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        caps::Offsets,
        ops::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LpNormalize, RmsNorm},
        tensor::DType,
        tuning::Tuning,
    };

    fn devices() -> Vec<(&'static str, Caps)> {
        let gpu = |tuning| Caps {
            subgroup_size: Some((32, 32)),
            max_workgroup_size: 1024,
            max_workgroup_storage: 32768,
            max_storage_buffer_binding_size: 1 << 34,
            tuning,
            ..Caps::default()
        };
        let cpu = |tuning| Caps { cpu: true, subgroup_size: Some((8, 8)), ..gpu(tuning) };
        vec![
            ("GPU", gpu(Tuning::GPU)),
            ("GPU without subgroups", Caps { subgroup_size: None, ..gpu(Tuning::GPU) }),
            ("NVIDIA", gpu(Tuning::NVIDIA)),
            ("SOFTWARE", cpu(Tuning::SOFTWARE)),
            ("MESA_22", cpu(Tuning::MESA_22)),
        ]
    }

    fn kernels<'a>(programs: impl Iterator<Item = &'a Lowered>) -> HashSet<ShaderKey> {
        programs.flat_map(|program| &program.calls).map(|call| call.key).collect()
    }

    /// The most kernels of an op over all numbers of rows on a device.
    fn most_kernels(ops: &[&dyn Norm], caps: &Caps) -> usize {
        let counts = ops.iter().map(|op| {
            let all = all_rows(*op, caps, 4200).expect("it lowers");
            kernels(all.iter().map(|kernels| &kernels.lowered)).len()
        });
        counts.max().unwrap_or(0)
    }

    #[test]
    fn few_kernels_compute_any_number_of_rows() {
        let rows = [64, 512, 1000, 4096, 16384].map(|len| RmsNorm::new(&[1, len], 1..));
        let half_precision = rows.clone().map(|op| op.dtype(DType::F16));
        let heads = RmsNorm::new(&[1, 8, 64], 2..).strides(Slot::Input, &[768, 64, 1]).in_place(true);
        let (group, image) = (GroupNorm::new(&[1, 32, 16, 16], 8), BatchNorm::inference(&[1, 32, 16, 16]));
        let (l2, instance) = (LpNormalize::new(&[1, 96], 1..), InstanceNorm::new(&[1, 32, 16, 16]));
        let mut forward: Vec<&dyn Norm> = vec![&heads, &group, &image, &l2, &instance];
        forward.extend(rows.iter().chain(&half_precision).map(|op| op as &dyn Norm));
        let backward = [64, 512, 1000, 4096].map(|len| LayerNorm::new(&[1, len], 1..).backward());
        let backward = backward.each_ref().map(|op| op as &dyn Norm);
        for (device, caps) in devices() {
            let few = Caps { few_kernels: true, ..caps.clone() };
            for (caps, forward, allowed) in [(caps, &forward[..], [3, 9]), (few, &forward[..6], [3, 3])] {
                let most = [most_kernels(forward, &caps), most_kernels(&backward, &caps)];
                let is_allowed = most[0] <= allowed[0] && most[1] <= allowed[1];
                assert!(is_allowed, "{device}, few kernels {}: {most:?}", caps.few_kernels);
            }
        }
    }

    #[test]
    fn few_kernels_compute_images_of_any_size() {
        let of_images = |caps: &Caps| {
            let images = (1..=64).map(|size| GroupNorm::new(&[1, 32, size, size], 8));
            let lowered = images.map(|op| lower_for_calls(&op.operation(Internal)?, caps));
            let lowered = lowered.collect::<Result<Vec<_>>>().expect("it lowers");
            kernels(lowered.iter()).len()
        };
        let most: Vec<_> = devices().iter().map(|(_, caps)| of_images(caps)).collect();
        assert_eq!(most, [42, 38, 42, 11, 18]);
        // Single elements have one more, as their rows have more of them.
        for (offsets, allowed) in [(Offsets::Binding, 8), (Offsets::Pack, 8), (Offsets::Element, 9)] {
            for (device, caps) in devices() {
                let most = of_images(&Caps { offsets, few_kernels: true, ..caps });
                assert!(most <= allowed, "{device}, {offsets:?}: {most} kernels");
            }
        }
    }
}
