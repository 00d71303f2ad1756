//! Calls of plans for any number of rows, on a device without hardware: for property tests and fuzzing.

use wgpu_norm::{Bindings, Norm, Planner, wgpu};

/// Plans an op for any number of rows, binds it and calls it. An error says what should not have failed.
pub fn call_any_rows(planner: &Planner, op: Box<dyn Norm>, max_rows: usize, rows: usize) -> Result<(), String> {
    let Ok(plan) = planner.plan_rows(op, max_rows) else { return Ok(()) };
    let buffer = |size, usage| {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        planner.device().create_buffer(&descriptor)
    };
    let ring = buffer(1 << 16, wgpu::BufferUsages::UNIFORM);
    let tensors = plan.tensors().iter().filter(|spec| !spec.is_empty());
    let buffers: Vec<_> = tensors.map(|spec| (spec.slot, buffer(spec.bytes(), wgpu::BufferUsages::STORAGE))).collect();
    let bindings = buffers.iter().fold(Bindings::new(), |bindings, (slot, buffer)| bindings.set(*slot, buffer));
    let bound = plan.bind(&bindings, &ring).map_err(|e| format!("{plan:?}: {e}"))?;
    match bound.call(rows) {
        Ok(_) if rows > max_rows => Err(format!("{plan:?}: {rows} rows are too many")),
        Err(e) if rows <= max_rows => Err(format!("{plan:?}: {e}")),
        _ => Ok(()),
    }
}
