//! Layer norm of 64 rows of 384 values on the GPU, beside the reference in f64.

use wgpu_norm::{LayerNorm, Norm, Tensors, host::Gpu, testing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input: Vec<f32> = (0..64 * 384).map(|i| (i as f32 * 0.37).sin()).collect();
    let (weight, bias) = (vec![1.5; 384], vec![0.25; 384]);
    let op = LayerNorm::new(&[64, 384], 1..);
    let tensors = Tensors::new(&input).weight(&weight).bias(&bias);
    let outputs = Gpu::new()?.run(&op, &tensors)?;
    testing::compare_outputs(&op, &outputs, &op.reference(&tensors)?)?;
    println!("{} values, within the bound of f64", outputs.output().len());
    Ok(())
}
