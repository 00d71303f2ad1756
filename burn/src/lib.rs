//! The normalizations of wgpu-norm on the tensors of burn, on its own wgpu device.
//!
//! ```no_run
//! use burn::tensor::{Device, Distribution, Tensor};
//! use wgpu_norm_burn::{Inputs, layer_norm, norm};
//! use wgpu_norm::{Activation, LayerNorm, Slot};
//!
//! // Once: a device that both know.
//! let device = wgpu_norm_burn::init(Device::wgpu_options())?.autodiff();
//!
//! let x = Tensor::<3>::random([8, 64, 384], Distribution::Default, &device).require_grad();
//! let (weight, bias) = (Tensor::<1>::ones([384], &device), Tensor::<1>::zeros([384], &device));
//! let y = layer_norm(x.clone(), Some(weight.clone()), Some(bias.clone()), 1e-5);
//!
//! // Any descriptor of wgpu-norm, for its options.
//! let op = LayerNorm::new(&x.dims(), 2..).activation(Activation::Silu);
//! let z: Tensor<3> = norm(op, Inputs::new(x.clone()).weight(weight).bias(bias))?.output();
//! let gradients = (y + z).sum().backward();
//! let grad_input = x.grad(&gradients);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No tensor passes through the host. An op runs on the buffers of burn's memory pools and in the order of burn's
//! queue: after what burn registered before it, and before what burn registers next.
//!
//! - [`init`] and [`register`] tell this crate which wgpu device a burn device is.
//! - [`norm`] runs a descriptor of wgpu-norm on [`Inputs`]. [`layer_norm`] and the other functions are short forms.
//! - [`LayerNorm`](modules::LayerNorm) and the other [`modules`] are made of those of [`burn::nn`], have the same
//!   parameters and take the same records.
//!
//! All functions have gradients by burn's autodiff: of input, weight, bias, residual and gate, but no second
//! derivatives.

#![warn(missing_docs, unsafe_op_in_unsafe_fn, clippy::pedantic)]

mod autodiff;
mod call;
mod device;
mod error;
mod floats;
mod functions;
pub mod modules;
mod run;

pub use call::Op;
pub use device::{init, register};
pub use error::Error;
pub use functions::{
    Inputs, Outputs, add_layer_norm, add_rms_norm, batch_norm, batch_norm_training, group_norm, instance_norm,
    layer_norm, local_response_norm, lp_normalize, norm, rms_norm,
};
pub use wgpu_norm;
