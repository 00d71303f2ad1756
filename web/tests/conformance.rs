//! In a browser: each op in both directions by every method that the device has, against the reference.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};
use wgpu_norm::{
    Bindings, DType, Error, Method, Norm, Outputs, Planner, RmsNorm, Slot, Strategy, Tensors, View,
    host::Gpu,
    testing::{Data, compare_outputs, each_op},
    wgpu,
};

#[path = "../../tests/common/arena.rs"]
mod arena;
#[path = "../../tests/common/strided.rs"]
#[allow(dead_code, reason = "other tests compare with the dense ops")]
mod strided;

wasm_bindgen_test_configure!(run_in_browser);

async fn conforms(len: usize, dtype: DType) {
    let gpu = Gpu::new_async().await.expect("an adapter");
    let mut ran = 0;
    for op in each_op(len, dtype) {
        let data = Data::random(&*op, 6);
        let truth = op.reference(&data.tensors()).expect("reference");
        let forced = Method::ALL.iter().map(|&method| Strategy::Forced(method));
        for strategy in [Strategy::Inferred].into_iter().chain(forced) {
            let run = match gpu.run_with_async(&*op, &data.tensors(), strategy).await {
                Err(Error::Unsupported { .. } | Error::Limit { .. }) if strategy != Strategy::Inferred => continue,
                run => run.unwrap_or_else(|e| panic!("{}, {strategy:?}: {e}", op.name())),
            };
            compare_outputs(&*op, &run.outputs, &truth)
                .unwrap_or_else(|e| panic!("{} of {:?}, {strategy:?}: {e}", op.name(), op.shape()));
            ran += 1;
        }
    }
    console_log!("{dtype}, {len}: {ran} runs, {}", gpu.device().adapter_info().name);
    // Each op by the method that is chosen, and by others.
    assert!(ran > 2 * each_op(len, dtype).len());
}

#[wasm_bindgen_test]
async fn every_op_by_every_method() {
    conforms(36, DType::F32).await;
}

#[wasm_bindgen_test]
async fn every_op_of_odd_rows_of_half_precision() {
    conforms(13, DType::F16).await;
}

async fn conforms_in_one_buffer(gpu: &Gpu, op: &dyn Norm, any_offset: bool) {
    let data = Data::random(op, 6);
    let outputs = arena::run_in_one_buffer(gpu, op, &data.tensors(), any_offset).await.expect("runs");
    let truth = op.reference(&data.tensors()).expect("reference");
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
}

#[wasm_bindgen_test]
async fn every_op_in_one_buffer() {
    let gpu = Gpu::new_async().await.expect("an adapter");
    for op in each_op(12, DType::F32) {
        conforms_in_one_buffer(&gpu, &*op, false).await;
    }
}

#[wasm_bindgen_test]
async fn strides_at_odd_elements_of_one_buffer() {
    let gpu = Gpu::new_async().await.expect("an adapter");
    for strided::Strided { strided, .. } in strided::strided_ops(DType::F16) {
        conforms_in_one_buffer(&gpu, &*strided, true).await;
    }
}

/// WebGPU refuses bindings that overlap, where it may write one.
#[wasm_bindgen_test]
async fn tensors_too_close_for_a_browser_are_refused_with_advice() {
    let gpu = Gpu::new_async().await.expect("an adapter");
    let planner = Planner::new(gpu.device()).shared_buffers(true).any_offset(true);
    let plan = planner.plan_async(&RmsNorm::new(&[1, 8], 1..).weight(false)).await.expect("a plan");
    let arena = buffer(&gpu, 1024, wgpu::BufferUsages::STORAGE);
    let bind = |output| plan.bind_unscoped(&Bindings::new().input(&arena).output(View::new(&arena, output, 32)));
    assert!(bind(256).is_ok());
    let message = bind(32).expect_err("the window of the output begins at 0").to_string();
    assert!(message.contains("begin each tensor in 256 bytes of its own"), "{message}");
}

fn buffer(gpu: &Gpu, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
}

/// Other numbers of rows by one binding, without a promise.
#[wasm_bindgen_test]
async fn rows_are_called_and_recorded_without_a_promise() {
    const MAX_ROWS: usize = 70;
    let gpu = Gpu::new_async().await.expect("an adapter");
    let op = |rows| RmsNorm::new(&[rows, 36], 1..);
    let plan = Planner::new(gpu.device()).plan_rows_async(op(1), MAX_ROWS).await.expect("a plan");
    let data = Data::random(&op(MAX_ROWS), 6);
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let buffers: Vec<_> = plan.tensors().iter().map(|spec| buffer(&gpu, spec.bytes(), usage)).collect();
    let mut bindings = Bindings::new();
    for (spec, tensor) in plan.tensors().iter().zip(&buffers) {
        if let Some(bytes) = data.tensors().bytes(spec) {
            gpu.queue().write_buffer(tensor, 0, &bytes);
        }
        bindings = bindings.set(spec.slot, tensor);
    }
    let ring = buffer(&gpu, 4096, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
    let bound = plan.bind_unscoped(&bindings, &ring).expect("bound");
    for rows in [1, 5, MAX_ROWS] {
        let call = bound.call(rows).expect("few enough rows");
        gpu.queue().write_buffer(&ring, 256, call.uniform());
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &call, 256);
        gpu.queue().submit([encoder.finish()]);
        let specs = op(rows).tensors().expect("it is right");
        let (output, spec) = buffers.iter().zip(&specs).find(|(_, spec)| spec.slot == Slot::Output).expect("an output");
        let mut outputs = Outputs::default();
        outputs.set_bytes(spec, &gpu.download_async(output, spec.bytes()).await.expect("downloaded"));
        let input = &data.tensors().get(Slot::Input).expect("an input")[..rows * 36];
        let weight = data.tensors().get(Slot::Weight).expect("a weight");
        let truth = op(rows).reference(&Tensors::new(input).weight(weight)).expect("reference");
        compare_outputs(&op(rows), &outputs, &truth).unwrap_or_else(|e| panic!("{rows} rows: {e}"));
    }
}
