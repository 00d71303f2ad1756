//! One request: the op, its data, the result and how long it takes.

use std::path::Path;

use futures_channel::oneshot;
use wgpu_norm::{
    Access, BatchNorm, Bindings, DType, GroupNorm, InstanceNorm, LayerNorm, Norm, Outputs, RmsNorm, Slot, TensorSpec,
    Tensors,
    host::Gpu,
    testing::{Random, compare_outputs, worst_error},
    wgpu,
};

use crate::{
    Answer, Request,
    copy::Copier,
    files::{Format, Inputs},
    histogram,
};

/// More would keep the reference busy for long, and with it the page.
const MOST_ELEMENTS: usize = 1 << 22;
/// What a measurement takes at least, in milliseconds, but for the most passes.
const LONG_ENOUGH: f64 = 60.0;
const MOST_PASSES: u32 = 512;

const TENSORS: [Slot; 3] = [Slot::Input, Slot::Weight, Slot::Bias];

pub async fn run(gpu: &Gpu, request: &Request, file: Option<&[u8]>) -> Result<Answer, String> {
    let dtype = match &*request.dtype {
        "f32" => DType::F32,
        "f16" => DType::F16,
        "bf16" => DType::BF16,
        other => return Err(format!("no type {other:?}")),
    };
    let inputs = match (file, &request.file) {
        (Some(bytes), Some(name)) => Some(read(name, bytes)?),
        _ => None,
    };
    let shape = inputs.as_ref().map_or(&*request.shape, Inputs::shape);
    let elements = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    if elements.is_none_or(|n| !(1..=MOST_ELEMENTS).contains(&n)) {
        return Err(format!("a tensor of shape {shape:?}: this page takes 1 to {MOST_ELEMENTS} elements"));
    }
    let has = |slot| inputs.as_ref().is_some_and(|inputs| inputs.has(slot));
    let op = op(request, shape, dtype, [has(Slot::Weight), has(Slot::Bias)])?;
    let specs = op.tensors().map_err(|e| e.to_string())?;
    let random: Vec<f32>;
    let tensors = match &inputs {
        Some(inputs) => {
            inputs.check(&specs).map_err(|e| e.to_string())?;
            inputs.tensors(&specs)
        }
        None => {
            random = skewed(elements.unwrap_or(0));
            Tensors::new(&random)
        }
    };
    let input = tensors.get(Slot::Input).ok_or("the file has no tensor `input`")?;

    let told = |e: wgpu_norm::Error| e.to_string();
    let plan = gpu.planner().plan_async(&*op).await.map_err(told)?;
    let buffers: Vec<_> = specs.iter().map(|spec| buffer(gpu, spec.bytes(), tensors.bytes(spec))).collect();
    let bindings = specs.iter().zip(&buffers).fold(Bindings::new(), |b, (spec, buffer)| b.set(spec.slot, buffer));
    let bound = plan.bind_async(&bindings).await.map_err(told)?;
    let record = |encoder: &mut wgpu::CommandEncoder| {
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()))
    };
    let milliseconds = time(gpu, record).await?;
    let bytes: u64 = specs.iter().map(TensorSpec::bytes).sum();
    let half = (bytes / 2).next_multiple_of(16);
    let [from, to] = [(), ()].map(|()| buffer(gpu, half, None));
    let copier = Copier::new(gpu, [&from, &to], half);
    let copy = time(gpu, |encoder| copier.record(encoder)).await?;

    let mut outputs = Outputs::default();
    for (spec, buffer) in specs.iter().zip(&buffers).filter(|(spec, _)| spec.access != Access::Read) {
        outputs.set_bytes(spec, &gpu.download_async(buffer, spec.bytes()).await.map_err(told)?);
    }
    let truth = op.reference(&tensors).map_err(told)?;
    compare_outputs(&*op, &outputs, &truth).map_err(|e| format!("THE RESULT IS WRONG: {e}"))?;
    let svg = histogram::side_by_side([("input", input), ("output", outputs.output())]).map_err(|e| e.to_string())?;
    Ok(Answer {
        op: op.name().into(),
        shape: shape.to_vec(),
        dtype: request.dtype.clone(),
        method: plan.method().map(|method| method.to_string()).unwrap_or_default(),
        milliseconds,
        gb_per_s: bytes as f64 / milliseconds / 1e6,
        percent_of_copy: 100.0 * copy / milliseconds,
        error: worst_error(&specs, &outputs, &truth)?,
        svg,
    })
}

fn read(name: &str, bytes: &[u8]) -> Result<Inputs, String> {
    let path = Path::new(name);
    let format = Format::of("the file", path).map_err(|e| e.to_string())?;
    Inputs::parse(format, path, bytes, &TENSORS).map_err(|e| e.to_string())
}

fn op(request: &Request, shape: &[usize], dtype: DType, [weight, bias]: [bool; 2]) -> Result<Box<dyn Norm>, String> {
    let last = shape.len().checked_sub(1).ok_or("a tensor without axes")?;
    Ok(match &*request.op {
        "layer_norm" => Box::new(LayerNorm::new(shape, last..).weight(weight).bias(bias).dtype(dtype)),
        "rms_norm" => Box::new(RmsNorm::new(shape, last..).weight(weight).dtype(dtype)),
        "group_norm" => Box::new(GroupNorm::new(shape, request.groups).weight(weight).bias(bias).dtype(dtype)),
        "instance_norm" => Box::new(InstanceNorm::new(shape).weight(weight).bias(bias).dtype(dtype)),
        "batch_norm" => Box::new(BatchNorm::training(shape).weight(weight).bias(bias).dtype(dtype)),
        other => return Err(format!("no op {other:?}")),
    })
}

/// Numbers that are visibly not normalized: two hills, off zero.
fn skewed(n: usize) -> Vec<f32> {
    let mut random = Random::new(1);
    let mut values = random.normal(n, 3.0, 1.0);
    let second = random.normal(n, 9.0, 2.0);
    values.iter_mut().zip(second).step_by(3).for_each(|(value, second)| *value = second);
    values
}

fn buffer(gpu: &Gpu, size: u64, content: Option<Vec<u8>>) -> wgpu::Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    if let Some(content) = content {
        gpu.queue().write_buffer(&buffer, 0, &content);
    }
    buffer
}

/// Milliseconds of what is recorded, once: as often as it takes to be measurable.
async fn time(gpu: &Gpu, record: impl Fn(&mut wgpu::CommandEncoder)) -> Result<f64, String> {
    let mut passes = 1;
    loop {
        let start = now()?;
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        (0..passes).for_each(|_| record(&mut encoder));
        gpu.queue().submit([encoder.finish()]);
        let (sender, receiver) = oneshot::channel();
        gpu.queue().on_submitted_work_done(move || {
            // The receiver waits below; if it is gone, nobody wants to know.
            let _ = sender.send(());
        });
        receiver.await.map_err(|e| e.to_string())?;
        let milliseconds = now()? - start;
        // The first one is for warming up, too.
        if passes > 1 && (milliseconds > LONG_ENOUGH || passes >= MOST_PASSES) {
            return Ok(milliseconds / f64::from(passes));
        }
        passes *= 2;
    }
}

fn now() -> Result<f64, String> {
    let window = web_sys::window().ok_or("no window")?;
    Ok(window.performance().ok_or("no clock")?.now())
}
