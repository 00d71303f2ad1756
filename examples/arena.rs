//! A training step with every tensor in one buffer: activations, parameters, gradients and scratch. Parameters follow
//! each other, and so do their gradients, so that one dispatch updates all of them.
//!
//! Two norms learn what two others do: `y = rms_norm(x + gelu(layer_norm(x)))`. The first step is compared with the f64
//! reference.

use std::error::Error;

use wgpu_norm::{
    Activation, Bindings, Bound, LayerNorm, Norm, Plan, Planner, RmsNorm, Slot, TensorSpec, Tensors, View,
    host::Gpu,
    testing::{self, Random},
    wgpu,
    wgpu::util::DeviceExt,
};

const ROWS: usize = 96;
const WIDTH: usize = 96;
const STEPS: usize = 300;
const RATE: f32 = 8.0;

/// The program's own kernels. Offsets count f32.
const SHADER: &str = "
    struct Numbers {
        output: u32,
        wanted: u32,
        gradient: u32,
        parameters: u32,
        gradients: u32,
        n: u32, // activations
        m: u32, // parameters
        rate: f32,
    }
    @group(0) @binding(0) var<uniform> numbers: Numbers;
    @group(0) @binding(1) var<storage, read_write> arena: array<f32>;

    // The gradient of mean((output - wanted)^2) / 2.
    @compute @workgroup_size(64)
    fn loss(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < numbers.n {
            let difference = arena[numbers.output + id.x] - arena[numbers.wanted + id.x];
            arena[numbers.gradient + id.x] = difference / f32(numbers.n);
        }
    }

    @compute @workgroup_size(64)
    fn update(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < numbers.m {
            arena[numbers.parameters + id.x] -= numbers.rate * arena[numbers.gradients + id.x];
        }
    }
";

/// Where each tensor begins, in f32.
#[derive(Default)]
struct Layout {
    len: usize,
}

impl Layout {
    fn part(&mut self, elements: usize) -> usize {
        self.len += elements;
        self.len - elements
    }
}

/// An op with its tensors, each at an offset in f32.
struct Step {
    plan: Plan,
    tensors: Vec<(Slot, usize)>,
}

impl Step {
    fn bind(&self, arena: &wgpu::Buffer, scratch: usize) -> wgpu_norm::Result<Bound> {
        let view = |first: usize, bytes| View::new(arena, first as u64 * 4, bytes);
        let spec = |slot| self.plan.tensors().iter().find(|spec| spec.slot == slot);
        let bytes = |slot| spec(slot).map_or(0, TensorSpec::bytes);
        let bindings =
            self.tensors.iter().fold(Bindings::new(), |b, &(slot, first)| b.set(slot, view(first, bytes(slot))));
        self.plan.bind(&bindings.scratch(view(scratch, self.plan.scratch_size())))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let gpu = Gpu::new()?;
    let device = gpu.device();
    let planner = Planner::new(device).shared_buffers(true).any_offset(true);
    let first = LayerNorm::new(&[ROWS, WIDTH], 1..).activation(Activation::Gelu);
    let second = RmsNorm::new(&[ROWS, WIDTH], 1..).residual(true);

    let n = ROWS * WIDTH;
    let mut layout = Layout::default();
    let [x, hidden, y, wanted] = [n; 4].map(|n| layout.part(n));
    let [grad_y, grad_hidden, grad_x] = [n; 3].map(|n| layout.part(n));
    let [weight, bias, gain] = [WIDTH; 3].map(|n| layout.part(n));
    let [grad_weight, grad_bias, grad_gain] = [WIDTH; 3].map(|n| layout.part(n));
    let step = |op: &dyn Norm, tensors: &[(Slot, usize)]| {
        Ok::<_, wgpu_norm::Error>(Step { plan: planner.plan(op)?, tensors: tensors.to_vec() })
    };
    use Slot::{Bias, GradBias, GradInput, GradOutput, GradWeight, Input, Output, Residual, Weight};
    let forward = [
        step(&first, &[(Input, x), (Weight, weight), (Bias, bias), (Output, hidden)])?,
        step(&second, &[(Input, hidden), (Residual, x), (Weight, gain), (Output, y)])?,
    ];
    // The residual's gradient would be added to that of x, which is not learned.
    let backward = [
        step(
            &second.backward(),
            &[
                (Input, hidden),
                (Residual, x),
                (Weight, gain),
                (GradOutput, grad_y),
                (GradInput, grad_hidden),
                (GradWeight, grad_gain),
            ],
        )?,
        step(
            &first.backward(),
            &[
                (Input, x),
                (Weight, weight),
                (Bias, bias),
                (GradOutput, grad_hidden),
                (GradInput, grad_x),
                (GradWeight, grad_weight),
                (GradBias, grad_bias),
            ],
        )?,
    ];
    // Ops run one after the other, so that they share scratch. It begins where the device binds.
    let alignment = planner.caps().storage_offset_alignment as usize / 4;
    layout.len = layout.len.next_multiple_of(alignment);
    let most = forward.iter().chain(&backward).map(|step| step.plan.scratch_size()).max().unwrap_or(0);
    let scratch = layout.part((most as usize).div_ceil(4));

    let mut random = Random::new(3);
    let input = random.normal(n, 0.5, 2.0);
    // The norms to be learned.
    let teachers = [random.normal(WIDTH, 1.0, 0.3), random.normal(WIDTH, 0.2, 0.3), random.normal(WIDTH, 1.5, 0.3)];
    let target = outputs(&first, &second, &input, &teachers)?.1;
    let students = [vec![1.0; WIDTH], vec![0.0; WIDTH], vec![1.0; WIDTH]];
    let mut content = vec![0.0_f32; layout.len];
    for (at, values) in
        [(x, &input), (wanted, &target), (weight, &students[0]), (bias, &students[1]), (gain, &students[2])]
    {
        content[at..at + values.len()].copy_from_slice(values);
    }
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let contents = bytemuck::cast_slice(&content);
    let arena = device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: Some("arena"), contents, usage });
    println!("{}: {} tensors in one buffer of {} KiB", device.adapter_info().name, 13, arena.size() >> 10);

    let bind = |steps: &[Step]| steps.iter().map(|step| step.bind(&arena, scratch)).collect::<Result<Vec<_>, _>>();
    let (forward, backward) = (bind(&forward)?, bind(&backward)?);
    let numbers = [y, wanted, grad_y, weight, grad_weight, n, 3 * WIDTH].map(|number| number as u32);
    let (kernels, group) = own_kernels(device, &arena, &[&numbers[..], &[RATE.to_bits()]].concat());
    let mut losses = Vec::new();
    for number in 0..STEPS {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let own = |pass: &mut wgpu::ComputePass<'_>, kernel: usize, elements: usize| {
            pass.set_pipeline(&kernels[kernel]);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(elements.div_ceil(64) as u32, 1, 1);
        };
        forward.iter().for_each(|bound| bound.record(&mut pass));
        own(&mut pass, 0, n);
        backward.iter().for_each(|bound| bound.record(&mut pass));
        own(&mut pass, 1, 3 * WIDTH);
        drop(pass);
        gpu.queue().submit([encoder.finish()]);
        if number % 100 == 0 || number + 1 == STEPS {
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.download(&arena, arena.size())?);
            let difference = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2) / 2.0;
            let loss = values[y..y + n].iter().zip(&target).map(difference).sum::<f64>() / n as f64;
            println!("step {number}: loss {loss:.2e}");
            losses.push(loss);
            if number == 0 {
                check_gradients(&first, &second, &input, &students, &values, [hidden, grad_y, grad_weight])?;
            }
        }
    }
    if losses[losses.len() - 1] > losses[0] / 100.0 {
        return Err("the norms learned too little".into());
    }
    println!("ok: the loss fell to {:.1e} of the first one", losses[losses.len() - 1] / losses[0]);
    Ok(())
}

/// What lies between the norms, and what comes out, in f64 rounded to f32.
fn outputs(
    first: &LayerNorm,
    second: &RmsNorm,
    input: &[f32],
    [weight, bias, gain]: &[Vec<f32>; 3],
) -> wgpu_norm::Result<(Vec<f32>, Vec<f32>)> {
    let hidden = first.reference(&Tensors::new(input).weight(weight).bias(bias))?.to_f32();
    let y = second.reference(&Tensors::new(hidden.output()).residual(input).weight(gain))?.to_f32();
    Ok((hidden.output().to_vec(), y.output().to_vec()))
}

/// Compares the gradients of a step with those of the reference, from the same activations.
fn check_gradients(
    first: &LayerNorm,
    second: &RmsNorm,
    input: &[f32],
    [weight, bias, gain]: &[Vec<f32>; 3],
    values: &[f32],
    [hidden, grad_y, grads]: [usize; 3],
) -> Result<(), Box<dyn Error>> {
    let n = input.len();
    let part = |at: usize, len: usize| &values[at..at + len];
    let tensors = Tensors::new(part(hidden, n)).residual(input).weight(gain).grad_output(part(grad_y, n));
    let of_second = second.backward().reference(&tensors)?;
    let grad_hidden = of_second.to_f32();
    let tensors = Tensors::new(input).weight(weight).bias(bias).grad_output(grad_hidden.grad_input());
    let of_first = first.backward().reference(&tensors)?;
    for (name, place, expected) in [
        ("grad_weight", 0, of_first.grad_weight()),
        ("grad_bias", 1, of_first.grad_bias()),
        ("grad_gain", 2, of_second.grad_weight()),
    ] {
        testing::compare(name, part(grads + place * WIDTH, WIDTH), expected)?;
    }
    println!("the gradients of the first step are within the bound of f64");
    Ok(())
}

/// The pipelines of `loss` and `update`, with their buffers.
fn own_kernels(
    device: &wgpu::Device,
    arena: &wgpu::Buffer,
    numbers: &[u32],
) -> ([wgpu::ComputePipeline; 2], wgpu::BindGroup) {
    let source = wgpu::ShaderSource::Wgsl(SHADER.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[
            entry(0, wgpu::BufferBindingType::Uniform),
            entry(1, wgpu::BufferBindingType::Storage { read_only: false }),
        ],
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let kernels = ["loss", "update"].map(|entry_point| {
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    });
    let uniform = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: bytemuck::cast_slice(numbers),
        usage: wgpu::BufferUsages::UNIFORM,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: arena.as_entire_binding() },
        ],
    });
    (kernels, group)
}
