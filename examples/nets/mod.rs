//! What the programs that train have in common: the kernels of a network that are no normalizations, its parameters,
//! and its data.
#![allow(dead_code, reason = "each program uses a part of it")]

pub mod cases;
pub mod chart;

use std::{cell::RefCell, collections::HashMap, error::Error, ops::Range};

use wgpu_norm::{
    Bound, View,
    host::Gpu,
    testing::Random,
    wgpu::{self, util::DeviceExt},
};

use cases::Cases;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a program says must be true of what it measured. A comparison with a NaN is not.
pub fn hold(claim: impl Into<String>, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("not so: {}", claim.into()).into()) }
}

/// A buffer of zeros. wgpu clears what it makes.
pub fn zeros(gpu: &Gpu, len: usize) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: len as u64 * 4,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

pub fn upload(gpu: &Gpu, values: &[f32]) -> wgpu::Buffer {
    let buffer = zeros(gpu, values.len());
    gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(values));
    buffer
}

pub fn download(gpu: &Gpu, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
    Ok(bytemuck::pod_collect_to_vec(&gpu.download(buffer, buffer.size())?))
}

/// A part of a buffer, counted in numbers.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    buffer: &'a wgpu::Buffer,
    begin: usize,
    pub len: usize,
}

impl<'a> Part<'a> {
    /// This part of it.
    pub fn part(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.len, "{range:?} of {} numbers", self.len);
        Self { buffer: self.buffer, begin: self.begin + range.start, len: range.len() }
    }

    fn resource(self) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.buffer,
            offset: self.begin as u64 * 4,
            size: wgpu::BufferSize::new(self.len as u64 * 4),
        })
    }
}

impl<'a> From<&'a wgpu::Buffer> for Part<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, begin: 0, len: buffer.size() as usize / 4 }
    }
}

impl<'a> From<Part<'a>> for View<'a> {
    fn from(part: Part<'a>) -> Self {
        Self::new(part.buffer, part.begin as u64 * 4, part.len as u64 * 4)
    }
}

/// A matrix in a buffer.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: Part<'a>,
    rows: usize,
    columns: usize,
    /// Numbers from one element to that below it, and to that right of it.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Row by row. All of the rows that the part has.
    pub fn new(values: impl Into<Part<'a>>, columns: usize) -> Self {
        let values = values.into();
        Self { values, rows: values.len / columns, columns, strides: [columns, 1] }
    }

    pub fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { values: self.values, rows: self.columns, columns: self.rows, strides: [column, row] }
    }
}

/// What a pass consists of.
pub enum Command {
    Kernel { pipeline: wgpu::ComputePipeline, bind_group: wgpu::BindGroup, workgroups: [u32; 2] },
    Norm(Bound),
}

impl Command {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        match self {
            Self::Kernel { pipeline, bind_group, workgroups: [x, y] } => {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, bind_group, &[]);
                pass.dispatch_workgroups(*x, *y, 1);
            }
            Self::Norm(bound) => bound.record(pass),
        }
    }
}

impl From<Bound> for Command {
    fn from(bound: Bound) -> Self {
        Self::Norm(bound)
    }
}

/// Runs the commands of a step this many times, each in a pass and an encoder of its own, and waits for none.
pub fn run(gpu: &Gpu, commands: &[Command], steps: usize) {
    let step = |_| {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        commands.iter().for_each(|command| command.record(&mut pass));
        drop(pass);
        encoder.finish()
    };
    // A submission costs more than a step of a small batch.
    for begin in (0..steps).step_by(16) {
        gpu.queue().submit((begin..steps.min(begin + 16)).map(step));
    }
}

/// The kernels of `kernels.wgsl` and a program's own, each compiled when it is first bound.
pub struct Kernels<'a> {
    pub gpu: &'a Gpu,
    module: wgpu::ShaderModule,
    pipelines: RefCell<HashMap<&'static str, wgpu::ComputePipeline>>,
}

impl<'a> Kernels<'a> {
    /// `own` are the entry points that the program adds.
    pub fn new(gpu: &'a Gpu, own: &str) -> Self {
        let module = gpu.device().create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("network"),
            source: wgpu::ShaderSource::Wgsl([include_str!("kernels.wgsl"), own].concat().into()),
        });
        Self { gpu, module, pipelines: RefCell::default() }
    }

    /// An entry point with its sizes, buffers by binding number, and workgroups.
    pub fn bind(
        &self,
        entry_point: &'static str,
        sizes: &[u32],
        buffers: &[(u32, Part<'_>)],
        workgroups: [usize; 2],
    ) -> Command {
        let device = self.gpu.device();
        let compile = || {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry_point),
                layout: None,
                module: &self.module,
                entry_point: Some(entry_point),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        };
        let pipeline = self.pipelines.borrow_mut().entry(entry_point).or_insert_with(compile).clone();
        let sizes = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(sizes),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: sizes.as_entire_binding() }];
        let buffers = buffers.iter();
        entries.extend(buffers.map(|&(binding, part)| wgpu::BindGroupEntry { binding, resource: part.resource() }));
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(entry_point),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Command::Kernel { pipeline, bind_group, workgroups: workgroups.map(|n| n as u32) }
    }

    /// result = left * right, or result += left * right.
    pub fn product<'b>(
        &self,
        left: Matrix<'_>,
        right: Matrix<'_>,
        result: impl Into<Part<'b>>,
        accumulate: bool,
    ) -> Command {
        const TILE: [usize; 2] = [8, 32];
        let result = result.into();
        let (rows, inner, columns) = (left.rows, left.columns, right.columns);
        assert_eq!((inner, rows * columns), (right.rows, result.len), "{rows} x {inner} by {} x {columns}", right.rows);
        let [left_row, left_inner] = left.strides;
        let [right_inner, right_column] = right.strides;
        let sizes = [rows, inner, columns, accumulate.into(), left_row, left_inner, right_inner, right_column]
            .map(|n| n as u32);
        let buffers = [(1, left.values), (2, right.values), (3, result)];
        self.bind("product", &sizes, &buffers, [columns.div_ceil(TILE[1]), rows.div_ceil(TILE[0])])
    }

    /// The gradient of a bias: the sum of the rows.
    pub fn column_sums<'b>(&self, rows: impl Into<Part<'b>>, result: Part<'_>) -> Command {
        let rows = rows.into();
        let sizes = [rows.len as u32, result.len as u32];
        self.bind("column_sums", &sizes, &[(1, rows), (3, result)], [result.len.div_ceil(64), 1])
    }

    /// The parameters, down their gradients.
    pub fn adam(&self, parameters: &Parameters, feed: &Feed, rate: f32) -> Command {
        let count = parameters.values.size() as usize / 4;
        let Parameters { values, gradients, moments, .. } = parameters;
        let buffers = [(1, gradients.into()), (3, values.into()), (4, moments.into()), (5, (&feed.state).into())];
        self.bind("adam", &[rate.to_bits(), count as u32], &buffers, [count.div_ceil(64), 1])
    }
}

/// All parameters of a network in one buffer, their gradients in another, so that one dispatch updates them all.
pub struct Parameters {
    values: wgpu::Buffer,
    gradients: wgpu::Buffer,
    moments: wgpu::Buffer,
    ranges: Vec<Range<usize>>,
}

impl Parameters {
    /// Where a binding may begin on every device, in numbers.
    const ALIGNMENT: usize = 64;

    pub fn new(gpu: &Gpu, start: &[Vec<f32>]) -> Self {
        let mut values = Vec::new();
        let mut ranges = Vec::new();
        for parameter in start {
            ranges.push(values.len()..values.len() + parameter.len());
            values.extend(parameter);
            values.resize(values.len().next_multiple_of(Self::ALIGNMENT), 0.0);
        }
        let [gradients, moments] = [1, 2].map(|n| zeros(gpu, n * values.len()));
        Self { values: upload(gpu, &values), gradients, moments, ranges }
    }

    pub fn value(&self, parameter: usize) -> Part<'_> {
        Part::from(&self.values).part(self.ranges[parameter].clone())
    }

    pub fn gradient(&self, parameter: usize) -> Part<'_> {
        Part::from(&self.gradients).part(self.ranges[parameter].clone())
    }

    /// The gradients of all parameters, one after the other.
    pub fn download_gradients(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let all = download(gpu, &self.gradients)?;
        Ok(self.ranges.iter().map(|range| all[range.clone()].to_vec()).collect())
    }
}

/// Weights of a layer, uniform in ±1/sqrt(inputs), as PyTorch's `nn.Linear` begins.
pub fn linear(random: &mut Random, inputs: usize, outputs: usize) -> Vec<f32> {
    let bound = 1.0 / (inputs as f64).sqrt();
    (0..inputs * outputs).map(|_| ((2.0 * random.uniform() - 1.0) * bound) as f32).collect()
}

/// Cases on the GPU, in the order of a pass over them.
pub struct Feed {
    data: wgpu::Buffer,
    order: wgpu::Buffer,
    state: wgpu::Buffer,
    pub times: usize,
    pub inputs: usize,
}

/// What a pass over cases gave.
#[derive(Clone, Copy)]
pub struct Totals {
    pub loss: f64,
    pub hits: u32,
}

impl Feed {
    pub fn new(gpu: &Gpu, cases: &Cases) -> Self {
        let Cases { values, times, inputs } = cases;
        Self {
            data: upload(gpu, values),
            order: zeros(gpu, cases.count()),
            state: zeros(gpu, 4),
            times: *times,
            inputs: *inputs,
        }
    }

    /// Begins a pass over these cases, with so many steps before it.
    pub fn start(&self, gpu: &Gpu, order: &[u32], before: usize) {
        gpu.queue().write_buffer(&self.order, 0, bytemuck::cast_slice(order));
        gpu.queue().write_buffer(&self.state, 0, bytemuck::cast_slice(&[0, before as u32, 0, 0]));
    }

    /// Waits for the steps of the pass.
    pub fn totals(&self, gpu: &Gpu) -> Result<Totals> {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&gpu.download(&self.state, 16)?);
        Ok(Totals { loss: f64::from(f32::from_bits(words[2])), hits: words[3] })
    }

    /// The inputs of a step's cases: `[times, cases, inputs]`.
    pub fn gather(&self, kernels: &Kernels<'_>, result: &wgpu::Buffer) -> Command {
        let len = result.size() as usize / 4;
        let sizes = [len / self.times / self.inputs, self.times, self.inputs, 0].map(|n| n as u32);
        let buffers =
            [(3, result.into()), (5, (&self.state).into()), (6, (&self.data).into()), (7, (&self.order).into())];
        kernels.bind("gather", &sizes, &buffers, [len.div_ceil(64), 1])
    }

    /// A kernel that takes the loss of the last layer, `[cases, outputs]`, whose bias is this parameter, and ends the
    /// step.
    pub fn loss(
        &self,
        kernels: &Kernels<'_>,
        entry_point: &'static str,
        last: &wgpu::Buffer,
        gradient: &wgpu::Buffer,
        parameters: &Parameters,
        bias: usize,
    ) -> Command {
        let outputs = parameters.value(bias).len;
        let cases = last.size() as usize / 4 / outputs;
        let sizes = [cases, outputs, self.times * self.inputs + 1, 0].map(|n| n as u32);
        let buffers = [
            (1, last.into()),
            (2, parameters.value(bias)),
            (3, gradient.into()),
            (5, (&self.state).into()),
            (6, (&self.data).into()),
            (7, (&self.order).into()),
        ];
        kernels.bind(entry_point, &sizes, &buffers, [1, 1])
    }
}
