//! Runs of ops with all tensors in one buffer, in a browser too.

use wgpu_norm::{Access, Bindings, Norm, Outputs, Planner, Result, Tensors, host::Gpu, wgpu};

/// Runs an op by the inferred method with its tensors and scratch in one buffer, each at the next offset that can be
/// bound. Panics if the op changed a byte between tensors, or of a tensor that it only reads.
pub async fn run_in_one_buffer(gpu: &Gpu, op: &dyn Norm, tensors: &Tensors<'_>) -> Result<Outputs<f32>> {
    let planner = Planner::new(gpu.device()).shared_buffers(true);
    let plan = planner.plan_async(op).await?;
    let alignment = u64::from(planner.caps().storage_offset_alignment);
    let mut size = 0;
    let mut part = |bytes: u64| {
        let offset = size;
        // A gap of one alignment at least.
        size = (offset + bytes).next_multiple_of(alignment) + alignment;
        offset
    };
    let offsets: Vec<u64> = plan.tensors().iter().map(|spec| part(spec.bytes())).collect();
    let scratch = part(plan.scratch_size());
    // A NaN that no kernel makes.
    let mut before = 0x7fc0_dead_u32.to_ne_bytes().repeat((size / 4) as usize);
    for (spec, &offset) in plan.tensors().iter().zip(&offsets) {
        if let Some(bytes) = tensors.bytes(spec) {
            before[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
    }
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, &before);
    let mut bindings = Bindings::new();
    for (spec, &offset) in plan.tensors().iter().zip(&offsets) {
        bindings = bindings.set(spec.slot, buffer.slice(offset..offset + spec.bytes()));
    }
    if plan.scratch_size() > 0 {
        bindings = bindings.scratch(buffer.slice(scratch..scratch + plan.scratch_size()));
    }
    let bound = plan.bind_async(&bindings).await?;
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    gpu.queue().submit([encoder.finish()]);

    let mut after = gpu.download_async(&buffer, size).await?;
    let mut outputs = Outputs::default();
    let written = plan.tensors().iter().zip(&offsets).filter(|(spec, _)| spec.access != Access::Read);
    for (spec, &offset) in written {
        let range = offset as usize..(offset + spec.bytes()) as usize;
        outputs.set_bytes(spec, &after[range.clone()]);
        after[range.clone()].copy_from_slice(&before[range]);
    }
    let scratch = scratch as usize..(scratch + plan.scratch_size()) as usize;
    after[scratch.clone()].copy_from_slice(&before[scratch]);
    assert!(after == before, "{}: a byte outside of what is written has changed", op.name());
    Ok(outputs)
}
