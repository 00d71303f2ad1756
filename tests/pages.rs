//! The code of pages that is part of a larger program: `tests/readme.rs` finds each line of a block here. It binds and
//! records on wgpu's noop device.

use std::error::Error;

use wgpu_norm::{
    Bindings, Epilogue, GroupNorm, LayerNorm, Norm, Pairs, Planner, Result, RmsNorm, Rotary, Slot, TensorSpec, View,
    wgpu::{self, BufferUsages},
};

struct Noop {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

fn noop() -> Noop {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    Noop { device, queue }
}

impl Noop {
    /// A buffer of so many elements of 4 bytes.
    fn tensor(&self, elements: u64) -> wgpu::Buffer {
        self.buffer(elements * 4, BufferUsages::STORAGE)
    }

    fn buffer(&self, size: u64, usage: BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }

    fn pass(&self, record: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.queue.submit([encoder.finish()]);
    }

    fn run(&self, op: &impl Norm, bindings: &Bindings<'_>) {
        let bound = Planner::new(&self.device).plan(op).and_then(|plan| plan.bind(bindings)).expect("it binds");
        self.pass(|pass| bound.record(pass));
    }
}

fn slots(tensors: &[TensorSpec]) -> Vec<Slot> {
    tensors.iter().map(|spec| spec.slot).collect()
}

/// The noop adapter, of an instance that has no other.
async fn noop_adapter() -> std::result::Result<wgpu::Adapter, Box<dyn Error>> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop.enable = true;
    Ok(wgpu::Instance::new(descriptor).request_adapter(&wgpu::RequestAdapterOptions::default()).await?)
}

#[test]
fn the_readme() -> std::result::Result<(), Box<dyn Error>> {
    pollster::block_on(async {
        let adapter = noop_adapter().await?;

        let (required_features, required_limits) = wgpu_norm::recommended(&adapter);
        let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await?;

        let noop = Noop { device: device.clone(), queue };
        let [x, w, b, y] = [64 * 384, 384, 384, 64 * 384].map(|elements| noop.tensor(elements));

        let planner = Planner::new(&device);
        let plan = planner.plan(&LayerNorm::new(&[64, 384], 1..))?;
        let bound = plan.bind(&Bindings::new().input(&x).weight(&w).bias(&b).output(&y))?;

        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        bound.record(&mut pass);
        drop(pass);
        noop.queue.submit([encoder.finish()]);
        Ok(())
    })
}

#[test]
fn one_buffer() -> Result<()> {
    let noop = noop();
    let device = noop.device.clone();
    let arena = noop.tensor(3840);
    let op = RmsNorm::new(&[2, 768], 1..);

    let planner = Planner::new(&device).shared_buffers(true).any_offset(true);
    let plan = planner.plan(&op)?;
    let part = |offset, size| View::new(&arena, offset, size);
    let bound = plan.bind(&Bindings::new().input(part(0, 6144)).weight(part(6144, 3072)).output(part(9216, 6144)))?;

    noop.pass(|pass| bound.record(pass));
    Ok(())
}

#[test]
fn strides() {
    let noop = noop();
    let tokens = 5;
    let (qkv, weight, table) = (noop.tensor(5 * 768), noop.tensor(64), noop.tensor(4096 * 64));
    let positions = noop.tensor(5);

    // Queries in rows of 8 + 2 + 2 heads of 64, normalized in place.
    let queries = RmsNorm::new(&[tokens, 8, 64], 2..).in_place(true).strides(Slot::Input, &[768, 64, 1]);
    // A slice of channels: 16 of 64 channels of an image.
    let slice = GroupNorm::new(&[2, 16, 32, 32], 4).strides(Slot::Input, &[64 * 1024, 1024, 32, 1]);
    // The queries, with their rotary position embedding: the buffer `positions` has a u32 for each token of a step.
    let rotary = Rotary::new(Pairs::Halves, 64, 4096);
    let rotated = queries.clone().rotary(rotary);
    let bindings = Bindings::new().input(&qkv).weight(&weight).positions(&positions).rotary_table(&table);

    noop.run(&rotated, &bindings);
    noop.run(&queries, &Bindings::new().input(&qkv).weight(&weight));
    let [image, of_slice] = [2 * 64 * 1024, 2 * 16 * 1024].map(|elements| noop.tensor(elements));
    let weights = [(); 2].map(|()| noop.tensor(16));
    noop.run(&slice, &Bindings::new().input(&image).weight(&weights[0]).bias(&weights[1]).output(&of_slice));
}

#[test]
fn rows_by_an_index() {
    let noop = noop();
    let (tokens, output, last_tokens) = (noop.tensor(4096 * 768), noop.tensor(8 * 768), noop.tensor(8));
    let weight = noop.tensor(768);

    // The last token of each of 8 sequences, among 4096 tokens.
    let last = RmsNorm::new(&[8, 768], 1..).gather_rows(4096);
    let bindings = Bindings::new().input(&tokens).weight(&weight).output(&output).input_index(&last_tokens);
    noop.run(&last, &bindings);

    let (keys_in_qkv, cache, slots) = (noop.tensor(5 * 768), noop.tensor(2048 * 128), noop.tensor(5));
    let (tokens, weight) = (5, noop.tensor(64));
    // The 2 heads of keys of each token, from packed rows into the slots of a cache of 2048 tokens.
    let keys = RmsNorm::new(&[tokens, 2, 64], 2..).strides(Slot::Input, &[768, 64, 1]).scatter_rows(2048);
    let bindings = Bindings::new().input(&keys_in_qkv).weight(&weight).output(&cache).output_index(&slots);
    noop.run(&keys, &bindings);
}

#[test]
fn an_epilogue() -> Result<()> {
    let noop = noop();
    let planner = Planner::new(&noop.device);
    let [input, output] = [(); 2].map(|()| noop.tensor(4096 * 768));
    let [weight, bias, scales] = [(); 3].map(|()| noop.tensor(768));
    let bindings = Bindings::new().input(&input).weight(&weight).bias(&bias).output(&output);

    let quantize = Epilogue::new(
        "const LEVELS = 127.0;

    fn scale(index: u32) -> f32 {
        return epilogue_a[index % 768u]; // one for each column
    }

    fn epilogue(v: vec4<f32>, index: u32) -> vec4<f32> {
        let scales = vec4<f32>(scale(index), scale(index + 1u), scale(index + 2u), scale(index + 3u));
        return clamp(round(v * scales), vec4<f32>(-LEVELS), vec4<f32>(LEVELS));
    }",
    )
    .buffers(&[768]);
    let op = LayerNorm::new(&[4096, 768], 1..).epilogue(quantize);
    let bound = planner.plan(&op)?.bind(&bindings.epilogue_a(&scales))?;

    noop.pass(|pass| bound.record(pass));
    Ok(())
}

#[test]
fn statistics_alone() -> Result<()> {
    // Reads input and residual, writes `residual_output`, their sum, and `statistics`.
    let op = RmsNorm::new(&[64, 4096], 1..).residual(true).residual_output(true).statistics();

    assert_eq!(slots(&op.tensors()?), [Slot::Input, Slot::Residual, Slot::ResidualOutput, Slot::Statistics]);
    Ok(())
}

#[test]
fn any_number_of_rows() -> Result<()> {
    let noop = noop();
    let queue = noop.queue.clone();
    let (input, weight, output) = (noop.tensor(4096 * 512), noop.tensor(512), noop.tensor(4096 * 512));
    let bindings = Bindings::new().input(&input).weight(&weight).output(&output);
    let ring = noop.buffer(1 << 16, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
    let planner = Planner::new(&noop.device);
    let offset = 256_u32;

    let plan = planner.plan_rows(RmsNorm::new(&[1, 512], 1..), 4096)?; // up to 4096 rows
    let bound = plan.bind(&bindings, &ring)?;
    let call = bound.call(37)?; // on the host alone
    queue.write_buffer(&ring, offset.into(), call.uniform());
    let record = |mut pass: wgpu::ComputePass<'_>| {
        bound.record(&mut pass, &call, offset);
    };

    let mut encoder = noop.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    record(encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    queue.submit([encoder.finish()]);
    Ok(())
}
