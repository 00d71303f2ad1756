//! Runs of ops that check every byte around the tensors, in a browser too.

use wgpu_norm::{
    Access, Bindings, Norm, Offsets, Outputs, Plan, Planner, Result, Slot, TensorSpec, Tensors, host::Gpu, wgpu,
};

/// The content of guards, gaps and outputs before a run: a NaN that no kernel makes.
pub const PATTERN: u32 = 0x7fc0_dead;
/// Bytes before and after each tensor, at least. A multiple of every offset alignment.
const GUARD: u64 = 256;

/// Where tensors and scratch are.
pub struct Arena {
    /// The buffers, with their content before the run.
    pub buffers: Vec<(wgpu::Buffer, Vec<u8>)>,
    /// The buffer of each tensor and of scratch, and its offset.
    pub parts: Vec<(Slot, usize, u64)>,
}

impl Arena {
    /// Places the tensors of a plan: in one buffer if the planner shares buffers, else in one each, at odd elements if
    /// it allows any offset.
    pub fn new(gpu: &Gpu, planner: &Planner, specs: &[TensorSpec], scratch: u64, tensors: &Tensors<'_>) -> Self {
        let caps = planner.caps();
        let mut contents: Vec<Vec<u8>> = Vec::new();
        let mut parts = Vec::new();
        let mut place = |slot, bytes: u64, step: u64, content: Option<&[u8]>| {
            if contents.is_empty() || !caps.shared_buffers {
                contents.push(Vec::new());
            }
            let buffer = contents.len() - 1;
            let words = &mut contents[buffer];
            let begin = (words.len() as u64 + GUARD).next_multiple_of(caps.storage_offset_alignment.into());
            // Another odd multiple for each tensor.
            let odd = 2 * parts.len() as u64 + 1;
            let offset = begin + if caps.offsets == Offsets::Binding { 0 } else { odd * step };
            let end = (offset + bytes + GUARD).next_multiple_of(4);
            let pattern = PATTERN.to_ne_bytes();
            words.extend((words.len()..end as usize).map(|i| pattern[i % 4]));
            if let Some(content) = content {
                words[offset as usize..][..content.len()].copy_from_slice(content);
            }
            parts.push((slot, buffer, offset));
        };
        for spec in specs {
            let size = spec.dtype.size();
            let step = match spec.slot {
                Slot::Moments => 16,
                // Shaders index the binding themselves.
                slot if slot > Slot::Scratch => 0,
                _ => size,
            };
            let content = tensors.bytes(spec).map(|bytes| bytes[..spec.len() * size as usize].to_vec());
            place(spec.slot, spec.len() as u64 * size, step, content.as_deref());
        }
        place(Slot::Scratch, scratch, 0, None);
        let buffers = contents.into_iter().map(|content| (filled(gpu.device(), &content), content)).collect();
        Self { buffers, parts }
    }

    pub fn bindings(&self, plan_tensors: &[TensorSpec], scratch: u64) -> Bindings<'_> {
        let mut bindings = Bindings::new();
        for &(slot, buffer, offset) in &self.parts {
            let (buffer, content) = &self.buffers[buffer];
            let spec = plan_tensors.iter().find(|spec| spec.slot == slot);
            let bytes = spec.map_or(scratch, TensorSpec::bytes).min(content.len() as u64 - offset);
            if bytes > 0 {
                bindings = bindings.set(slot, buffer.slice(offset..offset + bytes));
            }
        }
        bindings
    }

    /// What the op wrote. Panics if it changed a byte outside of the elements that it writes, and of scratch.
    pub async fn outputs(self, gpu: &Gpu, op: &dyn Norm, specs: &[TensorSpec], scratch: u64) -> Result<Outputs<f32>> {
        let mut outputs = Outputs::default();
        for (index, (buffer, before)) in self.buffers.iter().enumerate() {
            let mut after = gpu.download_async(buffer, buffer.size()).await?;
            for &(slot, _, offset) in self.parts.iter().filter(|(_, of, _)| *of == index) {
                let Some(spec) = specs.iter().find(|spec| spec.slot == slot) else {
                    let range = offset as usize..(offset + scratch) as usize;
                    after[range.clone()].copy_from_slice(&before[range]);
                    continue;
                };
                if spec.access == Access::Read {
                    continue;
                }
                let size = spec.dtype.size() as usize;
                let range = offset as usize..offset as usize + spec.len() * size;
                outputs.set_bytes(spec, &after[range.clone()]);
                if spec.is_dense() {
                    after[range.clone()].copy_from_slice(&before[range]);
                    continue;
                }
                for i in spec.gather(&(0..spec.len()).collect::<Vec<usize>>()) {
                    let element = range.start + i * size..range.start + (i + 1) * size;
                    after[element.clone()].copy_from_slice(&before[element]);
                }
            }
            if after != *before {
                let byte = (0..after.len()).find(|&i| after[i] != before[i]).unwrap_or(0);
                let near = self.parts.iter().rfind(|(_, of, offset)| *of == index && *offset <= byte as u64);
                panic!("{}: byte {byte} was changed, behind {near:?} in buffer {index}", op.name());
            }
        }
        Ok(outputs)
    }
}

/// A buffer with this content. It is mapped at creation, which costs less than a write.
fn filled(device: &wgpu::Device, content: &[u8]) -> wgpu::Buffer {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: content.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: true,
    });
    buffer.get_mapped_range_mut(..).expect("mapped at creation").copy_from_slice(content);
    buffer.unmap();
    buffer
}

/// Runs a plan, with each tensor where the planner lets it be, and outputs and scratch filled with NaN. Panics if the
/// op changed a byte outside of the elements that it writes.
pub async fn run_plan(
    gpu: &Gpu,
    planner: &Planner,
    op: &dyn Norm,
    plan: &Plan,
    tensors: &Tensors<'_>,
) -> Result<Outputs<f32>> {
    let arena = Arena::new(gpu, planner, plan.tensors(), plan.scratch_size(), tensors);
    let bound = plan.bind_async(&arena.bindings(plan.tensors(), plan.scratch_size())).await?;
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu.queue().submit([encoder.finish()]);
    arena.outputs(gpu, op, plan.tensors(), plan.scratch_size()).await
}

/// Runs an op by the inferred method with its tensors and scratch in one buffer: where the device binds, or at odd
/// elements.
pub async fn run_in_one_buffer(
    gpu: &Gpu,
    op: &dyn Norm,
    tensors: &Tensors<'_>,
    any_offset: bool,
) -> Result<Outputs<f32>> {
    let planner = Planner::new(gpu.device()).shared_buffers(true).any_offset(any_offset);
    let plan = planner.plan_async(op).await?;
    run_plan(gpu, &planner, op, &plan, tensors).await
}
