//! Normalizations of neural networks as WGSL compute shaders, on the wgpu device and in the buffers of the caller.
//!
//! ```
//! use wgpu_norm::{Bindings, LayerNorm, Planner, wgpu};
//!
//! # let (device, queue) = wgpu::Device::noop(&Default::default());
//! # let tensor = |elements: u64| device.create_buffer(&wgpu::BufferDescriptor {
//! #     label: None, size: elements * 4, usage: wgpu::BufferUsages::STORAGE, mapped_at_creation: false,
//! # });
//! # let (input, weight, bias, output) = (tensor(64 * 384), tensor(384), tensor(384), tensor(64 * 384));
//! // Once: compile, and bind the caller's buffers.
//! let planner = Planner::new(&device);
//! let plan = planner.plan(&LayerNorm::new(&[64, 384], 1..).eps(1e-12))?;
//! let bound = plan.bind(&Bindings::new().input(&input).weight(&weight).bias(&bias).output(&output))?;
//!
//! // Each frame or step: record into the caller's pass.
//! let mut encoder = device.create_command_encoder(&Default::default());
//! let mut pass = encoder.begin_compute_pass(&Default::default());
//! bound.record(&mut pass);
//! drop(pass);
//! queue.submit([encoder.finish()]);
//! # Ok::<(), wgpu_norm::Error>(())
//! ```
//!
//! # Map
//! - [`LayerNorm`], [`RmsNorm`], [`BatchNorm`], [`GroupNorm`], [`InstanceNorm`], [`LpNormalize`],
//!   [`LocalResponseNorm`]: descriptors, plain data that defines a computation. Their methods `backward` make a
//!   [`Backward`]. [`BatchMoments`] is for batch norm over several devices, [`Moments`] and [`Statistics`] for
//!   rows over several devices, and for norms that another program applies.
//! - [`Planner`] compiles a descriptor to a [`Plan`]. [`Plan::bind`] takes [`Bindings`] and returns a [`Bound`]. A
//!   program [records](Bound::record) it any number of times.
//! - [`host`]: slices in, vectors out, for scripts and tests.
//! - [`reference`](mod@reference): every op in f64 on the CPU, through [`Norm::reference`].
//! - [`shaders`]: the WGSL and its layouts, for programs with a pipeline manager of their own.
//! - [`recommended`], [`DeviceReport`]: the features and limits to request from an adapter, and a report on a device.
//! - `testing` (feature): the error bound and the comparator of this crate's tests.
//! - [`guide`]: formulas, accuracy, speed, limits, and recipes.
//!
//! # Conventions
//! Tensors are row-major, and dense unless the op says otherwise. Their storage type is f32, f16 or bf16. Names are
//! PyTorch's, and so are semantics where frameworks differ.
//!
//! Arithmetic and statistics are f32 and stable. Every result is within 2e-5 of `max(1, its largest value)` of the f64
//! result of the same input, plus half an ulp of a half-precision type. This holds as long as squares of deviations fit
//! f32: see [numerics](guide::numerics).
//!
//! # Features
//! `vulkan`, `metal`, `dx12`, `gles` and `webgpu` enable `wgpu` and its backends, all by default. Without `wgpu` the
//! crate has descriptors, the reference and [`shaders`], and depends on no wgpu: for engines with another API, or with
//! another version of wgpu. The folder `vulkan/` of the repository is such a program on Vulkan alone. `validate` adds
//! `shaders::translate` (with naga). `testing` adds the module `testing`.

// docs.rs shows the feature that an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// The text links to what the feature adds.
#![cfg_attr(not(feature = "wgpu"), allow(rustdoc::broken_intra_doc_links))]
#![warn(missing_docs, unsafe_op_in_unsafe_fn, clippy::pedantic)]
#![allow(
    clippy::struct_excessive_bools,
    reason = "a descriptor's options are independent of each other and have names, as in PyTorch"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "sizes are checked against u32 once, in tensor::element_count, and counts fit f32 where it matters"
)]

#[cfg(feature = "wgpu")]
pub use wgpu;

#[cfg(feature = "wgpu")]
mod bindings;
#[cfg(feature = "wgpu")]
mod calls;
mod caps;
mod definition;
#[cfg(feature = "wgpu")]
mod device;
mod epilogue;
mod error;
mod example;
mod geometry;
mod kernels;
mod layout;
mod lower;
mod ops;
mod options;
#[cfg(feature = "wgpu")]
mod plan;
#[cfg(feature = "wgpu")]
mod planner;
#[cfg(feature = "wgpu")]
mod program;
mod rotary;
#[cfg(feature = "wgpu")]
mod rows_plan;
mod running_stats;
mod slot;
mod tensor;
mod tuning;
mod types;
mod wgsl;

pub mod guide;
#[cfg(feature = "wgpu")]
pub mod host;
pub mod reference;
pub mod shaders;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "wgpu")]
pub use bindings::{Bindings, View};
pub use caps::{Caps, Offsets};
pub use definition::{Coefficients, Gradients};
#[cfg(feature = "wgpu")]
pub use device::{DeviceReport, recommended};
pub use epilogue::{Epilogue, EpilogueReference};
pub use error::{BindingProblem, Error, Result};
pub use ops::{
    Backward, BatchMoments, BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize, Moments,
    Norm, Order, RmsNorm, Statistics, Window,
};
pub use options::{Layout, Options, Types};
#[cfg(feature = "wgpu")]
pub use plan::{Bound, Plan};
#[cfg(feature = "wgpu")]
pub use planner::Planner;
pub use rotary::{Pairs, Rotary};
#[cfg(feature = "wgpu")]
pub use rows_plan::{RowsBound, RowsCall, RowsPlan};
pub use running_stats::RunningStats;
pub use slot::Slot;
pub use tensor::{Access, DType, Outputs, TensorSpec, Tensors};
pub use tuning::Tuning;
pub use types::{Activation, Gate, GateFunction, Method, Quantized, Strategy, Team};
