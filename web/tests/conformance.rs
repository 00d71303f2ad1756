//! In a browser: each op in both directions by every method that the device has, against the reference.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};
use wgpu_norm::{
    DType, Error, Method, Strategy,
    host::Gpu,
    testing::{Data, compare_outputs},
};

#[path = "../../tests/common/arena.rs"]
mod arena;
#[path = "../../tests/common/each_op.rs"]
mod each_op;

wasm_bindgen_test_configure!(run_in_browser);

async fn conforms(len: usize, dtype: DType) {
    let gpu = Gpu::new_async().await.expect("an adapter");
    let mut ran = 0;
    for op in each_op::each_op(len, dtype) {
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
    assert!(ran > 2 * each_op::each_op(len, dtype).len());
}

#[wasm_bindgen_test]
async fn every_op_by_every_method() {
    conforms(36, DType::F32).await;
}

#[wasm_bindgen_test]
async fn every_op_of_odd_rows_of_half_precision() {
    conforms(13, DType::F16).await;
}

#[wasm_bindgen_test]
async fn every_op_in_one_buffer() {
    let gpu = Gpu::new_async().await.expect("an adapter");
    for op in each_op::each_op(12, DType::F32) {
        let data = Data::random(&*op, 6);
        let outputs = arena::run_in_one_buffer(&gpu, &*op, &data.tensors()).await.expect("runs");
        let truth = op.reference(&data.tensors()).expect("reference");
        compare_outputs(&*op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
    }
}
