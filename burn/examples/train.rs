//! Trains a small network with burn's own norms and with those of wgpu-norm, from the same weights on the same batches,
//! and prints the losses and the times side by side.
//!
//! `cargo run --manifest-path burn/Cargo.toml --example train`

use std::{
    error::Error,
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Distribution, Tensor, activation::relu},
};
use wgpu_norm_burn::modules;

const BATCH: usize = 256;
const WIDTH: usize = 128;
const STEPS: usize = 60;
const LINES: usize = 6;

/// A network whose norms are burn's or this crate's.
#[derive(Module, Debug)]
struct Net<L: Module, B: Module> {
    first: Linear,
    layer_norm: L,
    second: Linear,
    batch_norm: B,
    last: Linear,
}

type Burns = Net<LayerNorm, BatchNorm>;
type Ours = Net<modules::LayerNorm, modules::BatchNorm>;

impl Burns {
    fn new(device: &Device) -> Self {
        Self {
            first: LinearConfig::new(2, WIDTH).init(device),
            layer_norm: LayerNormConfig::new(WIDTH).init(device),
            second: LinearConfig::new(WIDTH, WIDTH).init(device),
            batch_norm: BatchNormConfig::new(WIDTH).init(device),
            last: LinearConfig::new(WIDTH, 1).init(device),
        }
    }

    /// The same network with the norms of this crate.
    fn converted(self) -> Ours {
        let Self { first, layer_norm, second, batch_norm, last } = self;
        Net { first, layer_norm: layer_norm.into(), second, batch_norm: batch_norm.into(), last }
    }
}

/// The forward pass, which is the same text for both.
macro_rules! forward {
    ($net:ty) => {
        impl Predict for $net {
            fn predict(&self, x: Tensor<2>) -> Tensor<2> {
                let x = relu(self.layer_norm.forward(self.first.forward(x)));
                let x = relu(self.batch_norm.forward(self.second.forward(x)));
                self.last.forward(x)
            }
        }
    };
}

trait Predict: Module {
    fn predict(&self, x: Tensor<2>) -> Tensor<2>;
}

forward!(Burns);
forward!(Ours);

/// A network in training.
struct Trainer<N> {
    net: N,
    optimizer: ModuleOptimizer,
    time: Duration,
}

impl<N: Predict> Trainer<N> {
    fn new(net: N) -> Self {
        Self { net, optimizer: AdamConfig::new().init(), time: Duration::ZERO }
    }

    /// One step. Returns the loss before it.
    fn step(mut self, x: &Tensor<2>, target: &Tensor<2>) -> Result<(Self, f32), Box<dyn Error>> {
        let start = Instant::now();
        let loss = (self.net.predict(x.clone()) - target.clone()).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.net);
        self.net = self.optimizer.step(3e-3, self.net, gradients);
        // Waits for the GPU.
        let loss = loss.into_scalar::<f32>();
        self.time += start.elapsed();
        Ok((self, loss))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = wgpu_norm_burn::init(Device::wgpu_options())?.autodiff();
    device.seed(1);
    let net = Burns::new(&device);
    // A clone would share its running statistics.
    let copy = Burns::new(&device).converted().load_record(net.clone().into_record());
    let (mut burns, mut ours) = (Trainer::new(net), Trainer::new(copy));
    println!("step   loss: burn  wgpu-norm   ms a step: burn  wgpu-norm");
    for step in 0..STEPS {
        let x = Tensor::<2>::random([BATCH, 2], Distribution::Uniform(-2.0, 2.0), &device);
        let target = (x.clone() * 2.0).sin().prod_dim(1);
        let (of_burns, of_ours);
        (burns, of_burns) = burns.step(&x, &target)?;
        (ours, of_ours) = ours.step(&x, &target)?;
        if step == 0 {
            // Compilation is no time of a step.
            (burns.time, ours.time) = (Duration::ZERO, Duration::ZERO);
        }
        if step % (STEPS / LINES) == 0 || step == STEPS - 1 {
            let ms = |time: Duration| time.as_secs_f64() * 1e3 / step.max(1) as f64;
            println!("{step:4} {of_burns:12.5} {of_ours:10.5} {:18.2} {:10.2}", ms(burns.time), ms(ours.time));
        }
    }
    Ok(())
}
