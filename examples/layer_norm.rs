//! Layer norm of 64 rows of 384 values on the GPU, beside the reference in f64.

use wgpu_norm::{DType, LayerNorm, Norm, Tensors, host::Gpu, testing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input: Vec<f32> = (0..64 * 384).map(|i| (i as f32 * 0.37).sin()).collect();
    let (weight, bias) = (vec![1.5; 384], vec![0.25; 384]);
    let op = LayerNorm::new(&[64, 384], 1..).eps(1e-12);
    let tensors = Tensors::new(&input).weight(&weight).bias(&bias);

    let gpu = Gpu::new()?;
    let outputs = gpu.run(&op, &tensors)?;

    let truth = op.reference(&tensors)?;
    testing::compare_outputs(&op, &outputs, &truth)?;
    let error = testing::max_error("output", DType::F32, outputs.output(), truth.output())?;
    println!("{} values on {}, off by {error:.1e} at most", truth.output().len(), gpu.device().adapter_info().name);
    Ok(())
}
