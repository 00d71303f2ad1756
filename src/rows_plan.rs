//! Plans for any number of rows: compiled and bound once, and called with another number each time.

use std::{fmt, sync::Arc};

use crate::{
    bindings::{Bindings, Requirements, View},
    calls::caught,
    caps::Caps,
    definition::Operation,
    error::{Error, Result},
    kernels::{ParamField, ShaderKey},
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
/// numbers, which the caller writes to a uniform buffer, and the grids. No other buffer, bind group or pipeline is made.
///
/// ```
/// use wgpu_norm::{Bindings, Planner, RmsNorm, wgpu};
///
/// # let (device, queue) = wgpu::Device::noop(&Default::default());
/// # let tensor = |elements: u64| device.create_buffer(&wgpu::BufferDescriptor {
/// #     label: None, size: elements * 4, usage: wgpu::BufferUsages::STORAGE, mapped_at_creation: false,
/// # });
/// # let (input, weight, output) = (tensor(64 * 512), tensor(512), tensor(64 * 512));
/// // Once: compile for up to 64 rows, and bind the caller's buffers. The numbers of calls go to a buffer of uniforms.
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
    op: Box<dyn Norm + Send + Sync>,
    max_rows: usize,
    /// The stride of the uniforms of a call's dispatches.
    call_stride: usize,
    /// The same op for offsets of whole packs, and for offsets of single elements.
    alternatives: Vec<Alternative>,
}

/// An op for one choice of offsets.
struct Alternative {
    caps: Caps,
    /// The programs of all numbers of rows. Each number has the first one with its kernels.
    programs: Vec<Program>,
    /// What all of them need.
    needs: Requirements,
}

impl RowsPlan {
    pub(crate) async fn new(planner: &Planner, op: Box<dyn Norm + Send + Sync>, max_rows: usize) -> Result<Self> {
        let target = Target::new(planner.device(), planner.caps());
        let mut alternatives = Vec::new();
        for caps in planner.caps().alternatives() {
            let lowered = all_rows(&*op, &caps, max_rows)?;
            let mut programs = Vec::with_capacity(lowered.len());
            for lowered in lowered {
                let pipelines = planner.pipelines(&lowered).await?;
                programs.push(Program::new(&target, lowered, pipelines).await?);
            }
            let needs = Requirements::of_all(programs.iter().map(|program| &program.needs));
            alternatives.push(Alternative { caps, programs, needs });
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
        let programs = programs.map(|program| program.bind(target, &bindings, Some(ring))).collect::<Result<_>>()?;
        Ok(RowsBound { plan: self.clone(), alternative: index, programs })
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
    programs: Vec<Vec<BoundDispatch>>,
}

/// What a number of rows changes: see [`RowsBound::call`].
#[derive(Clone, Debug, PartialEq)]
pub struct RowsCall {
    program: usize,
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
        let Alternative { caps, programs, .. } = &alternatives[self.alternative];
        let lowered = lower_for_calls(&op.with_rows(rows, Internal)?, caps)?;
        let program = programs.iter().position(|program| have_same_kernels(&program.lowered, &lowered));
        // The plan has lowered the op for every number of rows.
        let program = program.ok_or_else(|| Error::Device(format!("no kernels for {rows} rows")))?;
        let mut uniform = Vec::new();
        let dispatches = lowered.calls.iter().map(|call| {
            let fields = fields_of_call(&call.key);
            let offset = (!call.key.fields_of_call().is_empty()).then_some(uniform.len() as u32);
            if offset.is_some() {
                uniform.extend(fields.flat_map(|field| call.params[field.offset..][..4].iter().copied()));
                uniform.resize(uniform.len().next_multiple_of(*call_stride), 0);
            }
            (call.workgroups, offset)
        });
        let dispatches = dispatches.collect();
        Ok(RowsCall { program, uniform, dispatches })
    }

    /// Records a call into a compute pass, as [`Bound::record`](crate::Bound::record). The buffer of uniforms must have
    /// the bytes of [`RowsCall::uniform`] at `offset` when the pass runs. `offset` is a multiple of the device's
    /// `min_uniform_buffer_offset_alignment`.
    ///
    /// Other bytes there give other results, but no access outside of the tensors.
    ///
    /// # Panics
    /// For a call of another plan with fewer programs.
    #[inline]
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, call: &RowsCall, offset: u32) {
        for (bound, &([x, y, z], uniform)) in self.programs[call.program].iter().zip(&call.dispatches) {
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

/// The programs of all numbers of rows up to a largest one. Each has the largest numbers of its calls, the tensors of the
/// largest number of rows, and enough scratch for each call.
fn all_rows(op: &dyn Norm, caps: &Caps, max_rows: usize) -> Result<Vec<Lowered>> {
    let mut programs: Vec<Lowered> = Vec::new();
    let mut tensors = Vec::new();
    for rows in 0..=max_rows {
        let lowered = lower_for_calls(&op.with_rows(rows, Internal)?, caps)?;
        if lowered.calls.iter().any(|call| !call.ranges.is_empty()) {
            return Err(Error::Unsupported {
                what: format!("a plan for up to {max_rows} rows"),
                why: format!("with {rows} rows, a tensor is larger than a binding"),
            });
        }
        tensors.clone_from(&lowered.tensors);
        match programs.iter().position(|program| have_same_kernels(program, &lowered)) {
            Some(program) => enlarge(&mut programs[program], &lowered),
            None if programs.len() == MAX_PROGRAMS => {
                return Err(Error::Unsupported {
                    what: format!("a plan for up to {max_rows} rows"),
                    why: format!("its kernels differ for each number of rows: {}", op.name()),
                });
            }
            None => programs.push(lowered),
        }
    }
    for program in &mut programs {
        program.tensors.clone_from(&tensors);
    }
    Ok(programs)
}

/// The fields of a kernel's uniform that come from the caller.
fn fields_of_call(key: &ShaderKey) -> impl Iterator<Item = &'static ParamField> {
    let fields = key.uniform();
    key.fields_of_call().iter().filter_map(|(name, _)| fields.iter().find(|field| field.name == *name))
}

/// Whether two numbers of rows differ only in what comes from the caller.
fn have_same_kernels(a: &Lowered, b: &Lowered) -> bool {
    let same_params = |a: &KernelCall, b: &KernelCall| {
        let is_of_call = |offset| fields_of_call(&a.key).any(|field| field.offset == offset);
        let words = a.params.chunks_exact(4).zip(b.params.chunks_exact(4)).enumerate();
        words.into_iter().all(|(i, (a, b))| a == b || is_of_call(4 * i))
    };
    let same = |(a, b): (&KernelCall, &KernelCall)| a.key == b.key && a.places == b.places && same_params(a, b);
    a.calls.len() == b.calls.len() && a.calls.iter().zip(&b.calls).all(same)
}

/// Makes a program large enough for another number of rows.
fn enlarge(program: &mut Lowered, other: &Lowered) {
    for (call, other) in program.calls.iter_mut().zip(&other.calls) {
        for field in fields_of_call(&call.key) {
            let range = field.offset..field.offset + 4;
            let number = |params: &[u8]| u32::from_ne_bytes(params[range.clone()].try_into().unwrap_or_default());
            let most = number(&call.params).max(number(&other.params));
            call.params[range.clone()].copy_from_slice(&most.to_ne_bytes());
        }
    }
    for region in &other.scratch {
        match program.scratch.iter_mut().find(|own| own.buffer == region.buffer) {
            Some(own) => own.bytes = own.bytes.max(region.bytes),
            None => program.scratch.push(region.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
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

    fn kernels(programs: &[Lowered]) -> HashSet<ShaderKey> {
        programs.iter().flat_map(|program| &program.calls).map(|call| call.key).collect()
    }

    /// The most kernels of an op over all numbers of rows, on each of the devices.
    fn most_kernels(ops: &[&dyn Norm]) -> Vec<(&'static str, usize)> {
        let of = |(name, caps): &(&'static str, Caps)| {
            let counts = ops.iter().map(|op| kernels(&all_rows(*op, caps, 4200).expect("it lowers")).len());
            (*name, counts.max().unwrap_or(0))
        };
        devices().iter().map(of).collect()
    }

    #[test]
    fn few_kernels_compute_any_number_of_rows() {
        let rows = [64, 512, 1000, 4096, 16384].map(|len| RmsNorm::new(&[1, len], 1..));
        let halves = rows.clone().map(|op| op.dtype(DType::F16));
        let heads = RmsNorm::new(&[1, 8, 64], 2..).strides(Slot::Input, &[768, 64, 1]).in_place(true);
        let (group, image) = (GroupNorm::new(&[1, 32, 16, 16], 8), BatchNorm::inference(&[1, 32, 16, 16]));
        let (l2, instance) = (LpNormalize::new(&[1, 96], 1..), InstanceNorm::new(&[1, 32, 16, 16]));
        let mut forward: Vec<&dyn Norm> = vec![&heads, &group, &image, &l2, &instance];
        forward.extend(rows.iter().chain(&halves).map(|op| op as &dyn Norm));
        for (device, most) in most_kernels(&forward) {
            assert!(most <= 3, "{device}: {most} kernels");
        }
        let backward = [64, 512, 1000, 4096].map(|len| LayerNorm::new(&[1, len], 1..).backward());
        for (device, most) in most_kernels(&backward.each_ref().map(|op| op as &dyn Norm)) {
            assert!(most <= 10, "{device}: {most} kernels");
        }
    }

    #[test]
    fn few_kernels_compute_images_of_any_size() {
        let images = || (1..=64).map(|size| GroupNorm::new(&[1, 32, size, size], 8));
        let allowed = [42, 38, 42, 11, 18];
        for ((device, caps), allowed) in devices().into_iter().zip(allowed) {
            let lowered = images().map(|op| lower_for_calls(&op.operation(Internal)?, &caps));
            let most = kernels(&lowered.collect::<Result<Vec<_>>>().expect("it lowers")).len();
            assert!(most <= allowed, "{device}: {most} kernels");
        }
    }
}
