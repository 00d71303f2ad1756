//! Times layer norm by burn and by wgpu-norm, forward and backward, on the same device.
//!
//! `cargo run --release --manifest-path burn/Cargo.toml --features autotune,fusion --example time`

use std::{error::Error, time::Instant};

use burn::tensor::{Device, Distribution, Tensor, module::layer_norm};

const LEN: usize = 768;
const CALLS: u32 = 10;
const ROUNDS: usize = 5;

type Norm = fn(Tensor<2>, Tensor<1>, Tensor<1>) -> Tensor<2>;

/// Milliseconds of a call: the best of several rounds, each of several calls and one wait.
fn best(device: &Device, call: impl Fn() -> Tensor<2>) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::MAX;
    // The first round compiles and, with autotune, tries kernels.
    for round in 0..=ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            let _ = call();
        }
        device.sync()?;
        let ms = start.elapsed().as_secs_f64() * 1e3 / f64::from(CALLS);
        best = if round == 0 { best } else { best.min(ms) };
    }
    Ok(best)
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = wgpu_norm_burn::init(Device::wgpu_options())?;
    let burns: Norm = |x, weight, bias| layer_norm(x, weight, Some(bias), 1e-5);
    let ours: Norm = |x, weight, bias| wgpu_norm_burn::layer_norm(x, Some(weight), Some(bias), 1e-5);
    println!("ms a call, f32, rows of {LEN}      burn  wgpu-norm  ratio");
    for rows in [64, 1024, 4096] {
        let x = Tensor::<2>::random([rows, LEN], Distribution::Normal(3.0, 2.0), &device);
        let weight = Tensor::<1>::random([LEN], Distribution::Normal(1.0, 0.5), &device);
        let bias = Tensor::<1>::zeros([LEN], &device);
        let forward = |norm: Norm| best(&device, || norm(x.clone(), weight.clone(), bias.clone()));
        let both = |norm: Norm| {
            best(&device, || {
                let leaf = Tensor::<2>::from_inner(x.clone()).require_grad();
                let [weight, bias] = [&weight, &bias].map(|t| Tensor::<1>::from_inner(t.clone()).require_grad());
                let gradients = norm(leaf.clone(), weight, bias).backward();
                leaf.grad(&gradients).expect("a tracked tensor")
            })
        };
        for (name, times) in [("forward", [forward(burns)?, forward(ours)?]), ("both", [both(burns)?, both(ours)?])] {
            let [burns, ours] = times;
            println!("{name:10} {rows:6} rows {burns:18.3} {ours:10.3} {:6.2}", burns / ours);
        }
    }
    Ok(())
}
