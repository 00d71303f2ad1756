//! One request: the op, its data, the result and how long it takes.

use std::path::Path;

use ndarray::ArrayView;
use ndarray_npy::WriteNpyExt;
use wgpu_norm::{
    Access, Bindings, Norm, Outputs, Slot, Strategy, TensorSpec,
    host::Gpu,
    shaders,
    testing::{Data, Random, compare_outputs, worst_error},
    wgpu,
};

use crate::{
    Kernel, clock,
    copy::Copier,
    files::{Format, Inputs},
    histogram::histogram,
    ops::Request,
};

/// More would keep the reference busy for long, and with it the page.
const MOST_ELEMENTS: usize = 1 << 22;

/// What a file may have.
const TENSORS: [Slot; 6] =
    [Slot::Input, Slot::Weight, Slot::Bias, Slot::GradOutput, Slot::RunningMean, Slot::RunningVar];

/// What is to be done. Nothing is wrong with it on this side of the GPU.
pub struct Job {
    op: Box<dyn Norm>,
    specs: Vec<TensorSpec>,
    data: Data,
}

/// What came out.
pub struct Done {
    pub method: String,
    pub kernels: Vec<Kernel>,
    /// Of one pass.
    pub milliseconds: f64,
    /// By the least that must be moved.
    pub gb_per_s: f64,
    /// % of copy bandwidth: 100 times the time of a copy of as many bytes over the time of the op.
    pub percent_of_copy: f64,
    /// The largest difference from the f64 reference, in parts of what the crate promises.
    pub error: f64,
    /// Histograms of the input and of the result.
    pub svg: String,
    /// The result.
    pub tensor: Tensor,
}

/// A dense tensor.
pub struct Tensor {
    name: &'static str,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// Its .npy file.
    pub fn npy(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let array = ArrayView::from_shape(&*self.shape, &self.values).map_err(|e| e.to_string())?;
        array.write_npy(&mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

impl Job {
    /// Reads what the visitor wants.
    pub fn new(request: &Request, file: Option<&[u8]>) -> Result<Self, String> {
        let inputs = match (file, &request.file) {
            (Some(bytes), Some(name)) => Some(read(name, bytes)?),
            _ => None,
        };
        let shape = match &inputs {
            Some(inputs) if inputs.has(Slot::Input) => inputs.shape().to_vec(),
            Some(inputs) => return Err(inputs.missing(Slot::Input, "").to_string()),
            None => request.axis_lengths()?,
        };
        let elements = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        if elements.is_none_or(|n| !(1..=MOST_ELEMENTS).contains(&n)) {
            return Err(format!("shape is {shape:?}, expected 1 to {MOST_ELEMENTS} elements on this page"));
        }
        let has = |slot| inputs.as_ref().map_or(request.affine == "yes", |inputs| inputs.has(slot));
        let op = request.op(&shape, [has(Slot::Weight), has(Slot::Bias)])?;
        let specs = op.tensors().map_err(|e| e.to_string())?;
        let mut data = Data::random(&*op, 1);
        if let Some(inputs) = &inputs {
            inputs.check(&specs).map_err(|e| e.to_string())?;
            let needed = |slot: &Slot| specs.iter().any(|spec| spec.slot == *slot && spec.access != Access::Write);
            for slot in TENSORS.into_iter().filter(needed) {
                match inputs.tensors(&specs).get(slot) {
                    Some(values) => data = data.with(slot, values.to_vec()),
                    // A random one measures the same. Random statistics would change the result.
                    None if slot == Slot::GradOutput => {}
                    None => return Err(inputs.missing(slot, ", the op reads it").to_string()),
                }
            }
        } else if specs.iter().any(|spec| spec.slot == Slot::Input) {
            data = data.with(Slot::Input, skewed(elements.unwrap_or(0)));
        }
        Ok(Self { op, specs, data })
    }

    pub fn name(&self) -> &'static str {
        self.op.name()
    }

    pub fn shape(&self) -> &[usize] {
        self.op.shape()
    }

    /// Computes, compares and measures.
    pub async fn run(&self, gpu: &Gpu) -> Result<Done, String> {
        let Self { op, specs, data } = self;
        let tensors = data.tensors();
        let told = |e: wgpu_norm::Error| e.to_string();
        let plan = gpu.planner().plan_async(op).await.map_err(told)?;
        let program = shaders::program(op, gpu.planner().caps(), Strategy::Inferred).map_err(told)?;
        let buffers: Vec<_> = specs.iter().map(|spec| buffer(gpu, spec.bytes(), tensors.bytes(spec))).collect();
        let bindings = specs.iter().zip(&buffers).fold(Bindings::new(), |b, (spec, buffer)| b.set(spec.slot, buffer));
        let bound = plan.bind_async(&bindings).await.map_err(told)?;
        let bytes: u64 = specs.iter().map(TensorSpec::bytes).sum();
        let size = (bytes / 2).next_multiple_of(16);
        let [from, to] = [(), ()].map(|()| buffer(gpu, size, None));
        let copier = Copier::new(gpu, [&from, &to], size);
        let [milliseconds, copy] =
            clock::compare(gpu, [&|pass| bound.record(pass), &|pass| copier.record(pass)]).await?;

        let mut outputs = Outputs::default();
        for (spec, buffer) in specs.iter().zip(&buffers).filter(|(spec, _)| spec.access != Access::Read) {
            outputs.set_bytes(spec, &gpu.download_async(buffer, spec.bytes()).await.map_err(told)?);
        }
        let truth = op.reference(&tensors).map_err(told)?;
        compare_outputs(op, &outputs, &truth).map_err(|e| format!("THE RESULT IS WRONG: {e}"))?;
        let result = [Slot::Output, Slot::GradInput].into_iter().find_map(|slot| Some((slot, outputs.get(slot)?)));
        let (slot, values) = result.ok_or("no result")?;
        let input = tensors.get(Slot::Input).or(tensors.get(Slot::GradOutput)).unwrap_or_default();
        let pictures = [histogram("input", input), histogram(slot.name(), values)];
        let pictures: Result<Vec<_>, _> = pictures.into_iter().collect();
        Ok(Done {
            method: plan.method().map(|method| method.to_string()).unwrap_or_default(),
            kernels: kernels(&program),
            milliseconds,
            gb_per_s: bytes as f64 / milliseconds / 1e6,
            percent_of_copy: 100.0 * copy / milliseconds,
            error: worst_error(specs, &outputs, &truth)?,
            svg: pictures.map_err(|e| e.to_string())?.concat(),
            tensor: Tensor { name: slot.name(), shape: op.shape().to_vec(), values: values.to_vec() },
        })
    }
}

impl Done {
    /// The name of the result's file.
    pub fn file_name(&self, op: &str) -> String {
        format!("{op}-{}.npy", self.tensor.name)
    }
}

/// What runs, in order.
fn kernels(program: &shaders::Program) -> Vec<Kernel> {
    let of = |dispatch: &shaders::Dispatch| {
        let shader = dispatch.shader;
        let label = shader.to_string();
        let name = label.trim_start_matches("wgpu-norm ").split(|c: char| !c.is_alphanumeric()).next();
        Kernel {
            name: snake_case(name.unwrap_or_default()),
            workgroup_size: shader.workgroup_size(),
            workgroups: dispatch.workgroups,
            wgsl: shader.wgsl(),
        }
    };
    program.dispatches.iter().map(of).collect()
}

/// A type's name as that of its file.
fn snake_case(name: &str) -> String {
    let part = |(i, c): (usize, char)| {
        let separator = (i > 0 && c.is_uppercase()).then_some('_');
        separator.into_iter().chain(c.to_lowercase())
    };
    name.chars().enumerate().flat_map(part).collect()
}

fn read(name: &str, bytes: &[u8]) -> Result<Inputs, String> {
    let path = Path::new(name);
    let format = Format::of("the file", path).map_err(|e| e.to_string())?;
    Inputs::parse(format, path, bytes, &TENSORS).map_err(|e| e.to_string())
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
