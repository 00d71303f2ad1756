//! Training steps of a normalized layer, `y = gelu(layer_norm(x * w) * weight + bias)`: forward, loss, backward and
//! update of a step lie in one compute pass, and nothing comes back to the host before the end. Targets come from the
//! same layer with other parameters.

use std::error::Error;

use wgpu_norm::{
    Activation, Bindings, DType, LayerNorm, Norm, Tensors, host::Gpu, testing, wgpu, wgpu::util::DeviceExt,
};

const ROWS: usize = 64;
const INPUTS: usize = 16;
const UNITS: usize = 64;
const STEPS: usize = 400;
const RATE: f32 = 20.0;
const PARAMETERS: [&str; 3] = ["w", "weight", "bias"];

/// The program's own kernels. All tensors have a multiple of 64 elements, so no invocation is out of bounds.
const SHADER: &str = "
struct Losses { steps: u32, of_step: array<f32> }

@group(0) @binding(0) var<storage> left: array<f32>;
@group(0) @binding(1) var<storage> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: Losses;
var<workgroup> sums: array<f32, 64>;

// hidden = x * w
@compute @workgroup_size(64)
fn product(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x / UNITS;
    let unit = id.x % UNITS;
    var sum = 0.0;
    for (var i = 0u; i < INPUTS; i++) { sum += left[row * INPUTS + i] * right[i * UNITS + unit]; }
    result[id.x] = sum;
}

// loss = mean((y - target)^2) and its gradient, by one workgroup. The step is counted here, so that every step is the
// same to the host.
@compute @workgroup_size(64)
fn loss(@builtin(local_invocation_index) lane: u32) {
    let n = ROWS * UNITS;
    for (var i = lane; i < n; i += 64u) {
        let difference = left[i] - right[i];
        sums[lane] += difference * difference;
        result[i] = 2.0 * difference / f32(n);
    }
    workgroupBarrier();
    if lane == 0u {
        var sum = 0.0;
        for (var i = 0u; i < 64u; i++) { sum += sums[i]; }
        losses.of_step[losses.steps] = sum / f32(n);
        losses.steps += 1u;
    }
}

// grad_w = transpose(x) * grad_hidden
@compute @workgroup_size(64)
fn gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    let input = id.x / UNITS;
    let unit = id.x % UNITS;
    var sum = 0.0;
    for (var row = 0u; row < ROWS; row++) { sum += left[row * INPUTS + input] * right[row * UNITS + unit]; }
    result[id.x] = sum;
}

// A parameter, down its gradient.
@compute @workgroup_size(64)
fn descend(@builtin(global_invocation_id) id: vec3<u32>) {
    result[id.x] -= RATE * left[id.x];
}
";

fn main() -> Result<(), Box<dyn Error>> {
    let op = LayerNorm::new(&[ROWS, UNITS], 1..).activation(Activation::Gelu);
    let backward = op.backward();

    // Multiples of 1/128 below 1: products and their sums are exact in f32, so that host and GPU normalize the same
    // bits.
    let x = noise(1, ROWS * INPUTS);
    let teacher = [noise(2, INPUTS * UNITS), noise(3, UNITS).iter().map(|v| v + 1.5).collect(), noise(4, UNITS)];
    let start = [noise(5, INPUTS * UNITS), vec![1.0; UNITS], vec![0.0; UNITS]];
    let target: Vec<f32> = output(&op, &x, &teacher)?.iter().map(|&y| y as f32).collect();

    let gpu = Gpu::new()?;
    let device = gpu.device();
    let upload = |values: &[f32]| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(values),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        })
    };
    let zeros = |len| upload(&vec![0.0; len]);
    let download = |buffer: &wgpu::Buffer| -> Result<Vec<f32>, wgpu_norm::Error> {
        Ok(bytemuck::pod_collect_to_vec(&gpu.download(buffer, buffer.size())?))
    };
    let (inputs, targets) = (upload(&x), upload(&target));
    let parameters = [upload(&start[0]), upload(&start[1]), upload(&start[2])];
    let gradients = [zeros(INPUTS * UNITS), zeros(UNITS), zeros(UNITS)];
    let [hidden, y, grad_y, grad_hidden] = [(); 4].map(|()| zeros(ROWS * UNITS));
    let losses = zeros(1 + STEPS);

    // Once: compile, and bind every kernel to the buffers through which it meets the others.
    let [w, weight, bias] = &parameters;
    let [grad_w, grad_weight, grad_bias] = &gradients;
    let product = Kernel::new(device, "product", &[(0, &inputs), (1, w), (2, &hidden)]);
    let norm = Bindings::new().input(&hidden).weight(weight).bias(bias).output(&y);
    let norm = gpu.planner().plan(&op)?.bind(&norm)?;
    let loss = Kernel::new(device, "loss", &[(0, &y), (1, &targets), (2, &grad_y), (3, &losses)]);
    // The activation is part of the op, so its derivative is part of the backward pass: that is what the bias is read
    // for.
    let norm_backward = Bindings::new().grad_output(&grad_y).input(&hidden).weight(weight).bias(bias);
    let norm_backward = norm_backward.grad_input(&grad_hidden).grad_weight(grad_weight).grad_bias(grad_bias);
    let norm_backward = gpu.planner().plan(&backward)?.bind(&norm_backward)?;
    let gradient = Kernel::new(device, "gradient", &[(0, &inputs), (1, &grad_hidden), (2, grad_w)]);
    let descend = [0, 1, 2].map(|i| Kernel::new(device, "descend", &[(0, &gradients[i]), (2, &parameters[i])]));

    // Each step: one pass, in one encoder. wgpu orders dispatches that share a buffer.
    let step = || {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        product.record(&mut pass);
        norm.record(&mut pass);
        loss.record(&mut pass);
        norm_backward.record(&mut pass);
        gradient.record(&mut pass);
        descend.iter().for_each(|kernel| kernel.record(&mut pass));
        drop(pass);
        gpu.queue().submit([encoder.finish()]);
    };

    // The gradients of the first step, for the check alone: what the crate wrote against f64 ...
    step();
    let (hidden, grad_y) = (download(&hidden)?, download(&grad_y)?);
    let truth = Tensors::new(&hidden).weight(&start[1]).bias(&start[2]).grad_output(&grad_y);
    let truth = backward.reference(&truth)?;
    for (name, buffer, expected) in [
        ("grad_input", &grad_hidden, truth.grad_input()),
        ("grad_weight", grad_weight, truth.grad_weight()),
        ("grad_bias", grad_bias, truth.grad_bias()),
    ] {
        // The crate's promise is of max(1, largest). The gradients of a mean are far below 1: hold it of the largest
        // one.
        let error = testing::max_error(name, DType::F32, &download(buffer)?, expected)? / testing::largest(expected);
        println!("{name:<11} off by {error:.1e} of its largest value from the f64 reference");
        within(name, error, testing::PROMISE)?;
    }

    // ... and all of the chain against finite differences of the loss, which know nothing of any gradient.
    let loss_at = |parameters: &[Vec<f32>; 3]| -> Result<f64, wgpu_norm::Error> {
        let squares = output(&op, &x, parameters)?.into_iter().zip(&target).map(|(y, &t)| (y - f64::from(t)).powi(2));
        Ok(squares.sum::<f64>() / (ROWS * UNITS) as f64)
    };
    for (parameter, name) in PARAMETERS.into_iter().enumerate() {
        const DELTA: f32 = 1.0 / 1024.0; // exact too
        let actual = download(&gradients[parameter])?;
        let picked = (0..actual.len()).step_by(actual.len() / 8 + 1);
        let slope = |i: usize| {
            let mut moved = [start.clone(), start.clone()];
            moved[0][parameter][i] += DELTA;
            moved[1][parameter][i] -= DELTA;
            Ok((loss_at(&moved[0])? - loss_at(&moved[1])?) / f64::from(2.0 * DELTA))
        };
        let slopes = picked.clone().map(slope).collect::<Result<Vec<f64>, wgpu_norm::Error>>()?;
        let actual: Vec<f32> = picked.map(|i| actual[i]).collect();
        let error = testing::max_error(name, DType::F32, &actual, &slopes)? / testing::largest(&slopes);
        println!("grad_{name:<6} off by {error:.1e} of its largest value from finite differences of the loss");
        within(name, error, 1e-4)?;
    }

    // The training. Nothing waits for the GPU until the losses of all steps are read.
    (1..STEPS).for_each(|_| step());
    let losses = download(&losses)?.split_off(1);
    for (i, loss) in losses.iter().enumerate().filter(|(i, _)| i % 50 == 0 || i + 1 == STEPS) {
        println!("step {i:>3}: loss {loss:.6}");
    }
    for (i, name) in PARAMETERS.into_iter().enumerate() {
        let end = download(&parameters[i])?;
        let moved = end.iter().zip(&start[i]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name:<6} moved by {moved:.3} at most");
    }
    let first = loss_at(&start)?;
    within("first loss", (f64::from(losses[0]) - first).abs() / first, 1e-5)?;
    within("last loss", f64::from(losses[STEPS - 1]) / first, 0.02)
}

/// The layer in f64 on the host, with these values of the parameters.
fn output(op: &LayerNorm, x: &[f32], [w, weight, bias]: &[Vec<f32>; 3]) -> Result<Vec<f64>, wgpu_norm::Error> {
    let dot = |row: usize, unit: usize| (0..INPUTS).map(|i| x[row * INPUTS + i] * w[i * UNITS + unit]).sum();
    let hidden: Vec<f32> = (0..ROWS * UNITS).map(|i| dot(i / UNITS, i % UNITS)).collect();
    Ok(op.reference(&Tensors::new(&hidden).weight(weight).bias(bias))?.output().to_vec())
}

/// Numbers in [-1, 1) that are the same on every machine.
fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as f32 / 128.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn within(what: &str, value: f64, bound: f64) -> Result<(), Box<dyn Error>> {
    // Not `value > bound`: a NaN is not within.
    if value <= bound { Ok(()) } else { Err(format!("{what}: {value:e}, the bound is {bound:e}").into()) }
}

/// A kernel of the program, with one invocation for each element of its result; `loss` is one workgroup.
struct Kernel {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: u32,
}

impl Kernel {
    fn new(device: &wgpu::Device, entry_point: &str, buffers: &[(u32, &wgpu::Buffer)]) -> Self {
        let sizes = format!(
            "const ROWS = {ROWS}u; const INPUTS = {INPUTS}u; const UNITS = {UNITS}u; const RATE = f32({RATE});"
        );
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(entry_point),
            source: wgpu::ShaderSource::Wgsl((sizes + SHADER).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: None,
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries = buffers
            .iter()
            .map(|&(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(entry_point),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries.collect::<Vec<_>>(),
        });
        let result = buffers.iter().find(|(binding, _)| *binding == 2).map_or(0, |(_, buffer)| buffer.size());
        let workgroups = if entry_point == "loss" { 1 } else { result as u32 / 4 / 64 };
        Self { pipeline, bind_group, workgroups }
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.workgroups, 1, 1);
    }
}
