//! The ops, one file each: the descriptor, its checks and its geometry.
//!
//! A descriptor is plain data on the host. It defines the computation and the shapes. A [`Planner`](crate::Planner)
//! decides how to compute it on a device.

pub(crate) mod backward;
mod batch_moments;
mod batch_norm;
mod channels;
mod group_norm;
mod instance_norm;
mod layer_norm;
mod local_response_norm;
mod lp_normalize;
pub(crate) mod op;
mod over_axes;
mod rms_norm;
mod row_statistics;
mod setters;

pub use backward::Backward;
pub use batch_moments::BatchMoments;
pub use batch_norm::BatchNorm;
pub use group_norm::GroupNorm;
pub use instance_norm::InstanceNorm;
pub use layer_norm::LayerNorm;
pub use local_response_norm::{LocalResponseNorm, Window};
pub use lp_normalize::{LpNormalize, Order};
pub use op::Norm;
pub use rms_norm::RmsNorm;
pub use row_statistics::{Moments, Statistics};
