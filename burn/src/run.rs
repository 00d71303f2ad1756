//! The op on cubecl's buffers.

use burn::tensor::Shape;
use burn_cubecl::{
    CubeBackend,
    cubecl::wgpu::{AutoCompiler, WgpuServer},
    kernel::into_contiguous,
    tensor::CubeTensor,
};
use wgpu_norm::{Access, Bindings, Slot, View, wgpu};

use crate::{
    call::{Call, dtype_of},
    device,
    error::Error,
    floats::{Floats, NormOps},
};

impl NormOps for CubeBackend {
    fn run_norm(tensors: Floats<Self>, call: Call) -> Floats<Self> {
        // `norm` checked the arguments. What is left are the device's own limits, and what burn did since.
        Floats::new(run(&call, tensors.into_vec()).unwrap_or_else(|error| panic!("{}: {error}", call.norm().name())))
    }
}

/// Runs a call in the order of the queue: after all that burn registered before, before what burn submits next.
fn run(call: &Call, inputs: Vec<CubeTensor>) -> Result<Vec<CubeTensor>, Error> {
    let (client, device) = (inputs[0].client.clone(), inputs[0].device.clone());
    if client.is_capturing() {
        return Err(Error::Capturing);
    }
    let context = device::context(&device)?;
    let plan = context.plan(call)?;

    let mut inputs = inputs.into_iter();
    let mut next = || into_contiguous(inputs.next().expect("as many as the call takes"));
    let tensors: Vec<_> = call
        .tensors()
        .iter()
        .map(|spec| {
            let tensor = match spec.access {
                Access::Read => next(),
                Access::Write => {
                    let shape = Shape::from(spec.shape.clone());
                    let bytes = spec.len() * dtype_of(spec).size();
                    let handle = client.empty(bytes.max(4));
                    CubeTensor::new_contiguous(client.clone(), device.clone(), shape, handle, dtype_of(spec))
                }
                // burn's tensors are values: the op writes over one that nothing else holds, or else over a copy.
                _ => {
                    let tensor = next();
                    if tensor.can_mut() { tensor } else { tensor.copy() }
                }
            };
            (spec, tensor)
        })
        .collect();

    // A plan without a kernel, of an empty batch, has nothing to do.
    if plan.method().is_some() {
        let scratch = usize::try_from(plan.scratch_size()).expect("memory of this process");
        let scratch = (scratch > 0).then(|| client.empty(scratch));
        // Each of these submits what burn queued for the tensor. Until they are dropped, burn moves and frees nothing.
        let handles = tensors
            .iter()
            .filter(|(spec, _)| !spec.is_empty())
            .map(|(spec, tensor)| (spec.slot, tensor.handle.clone()))
            .chain(scratch.map(|handle| (Slot::Scratch, handle)));
        let resources = handles
            .map(|(slot, handle)| Ok((slot, client.get_resource::<WgpuServer<AutoCompiler>>(handle)?)))
            .collect::<Result<Vec<_>, burn_cubecl::cubecl::server::ServerError>>()
            .map_err(|error| wgpu_norm::Error::Device(error.to_string()))?;
        let bindings = resources.iter().fold(Bindings::new(), |bindings, (slot, resource)| {
            let resource = resource.resource();
            bindings.set(*slot, View::new(&resource.buffer, resource.offset, resource.size.next_multiple_of(4)))
        });
        let bound = plan.bind_unscoped(&bindings)?;
        let label = Some("wgpu-norm");
        let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None }));
        context.queue.submit([encoder.finish()]);
    }
    Ok(tensors.into_iter().filter(|(spec, _)| spec.access != Access::Read).map(|(_, tensor)| tensor).collect())
}
