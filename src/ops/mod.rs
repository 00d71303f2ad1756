//! The ops: one file each, with its descriptor, what it checks and its geometry.
//!
//! A descriptor is plain data on the host. It says what is computed on which shapes; where and how is up to a
//! [`Planner`](crate::Planner).

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
