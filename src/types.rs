//! Words that every floor of the crate uses: the team, the method, the scale of a normalization, the activation.

use std::fmt;

/// The invocations that reduce together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Team {
    /// One invocation, without any reduction.
    Lane,
    /// Four lanes of a subgroup, without a barrier: for short rows that registers hold.
    Cluster,
    /// One subgroup, without a barrier.
    Subgroup,
    /// One workgroup, through workgroup memory: on every device.
    Workgroup,
    /// One workgroup, by subgroup operations first.
    WorkgroupSubgroups,
}

impl Team {
    pub(crate) fn uses_subgroups(self) -> bool {
        matches!(self, Self::Cluster | Self::Subgroup | Self::WorkgroupSubgroups)
    }
}

/// How an op is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Each row is read once and held in a team's registers: one dispatch.
    Resident(Team),
    /// Each row belongs to a team, which reads it once for each sum and once more: one dispatch. So do columns, four of them to a lane.
    Streamed(Team),
    /// Teams share a row or channel and write partial statistics; they are merged, then applied in a second read.
    Split(Team),
    /// The same for statistics over the first axis of a matrix: a lane owns neighbouring columns.
    Columns,
    /// The statistics are given, or there are none: one pass.
    Elementwise,
}

impl Method {
    /// Every method.
    pub const ALL: &'static [Self] = &[
        Self::Resident(Team::Lane),
        Self::Resident(Team::Cluster),
        Self::Resident(Team::Subgroup),
        Self::Resident(Team::Workgroup),
        Self::Resident(Team::WorkgroupSubgroups),
        Self::Streamed(Team::Lane),
        Self::Streamed(Team::Subgroup),
        Self::Streamed(Team::Workgroup),
        Self::Streamed(Team::WorkgroupSubgroups),
        Self::Split(Team::Lane),
        Self::Split(Team::Subgroup),
        Self::Split(Team::Workgroup),
        Self::Split(Team::WorkgroupSubgroups),
        Self::Columns,
        Self::Elementwise,
    ];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, team) = match self {
            Self::Resident(team) => ("resident", Some(team)),
            Self::Streamed(team) => ("streamed", Some(team)),
            Self::Split(team) => ("split", Some(team)),
            Self::Columns => ("columns", None),
            Self::Elementwise => ("elementwise", None),
        };
        f.write_str(name)?;
        f.write_str(match team {
            None => "",
            Some(Team::Lane) => "/lane",
            Some(Team::Cluster) => "/cluster",
            Some(Team::Subgroup) => "/subgroup",
            Some(Team::Workgroup) => "/workgroup",
            Some(Team::WorkgroupSubgroups) => "/workgroup+subgroups",
        })
    }
}

/// Who chooses the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// This crate, from the device and the shape.
    #[default]
    Inferred,
    /// The caller; an error where the method can't compute the op.
    Forced(Method),
}

/// How the statistics of some elements make the scale that they are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// `1 / sqrt(var + eps)`, with the mean subtracted.
    Variance,
    /// `1 / sqrt(mean square + eps)`.
    MeanSquare,
    /// `1 / max(L2 norm, eps)`.
    L2,
    /// `1 / max(L1 norm, eps)`.
    L1,
}

impl Scale {
    /// Whether it is that of a norm, which has no mean and no eps under a root.
    pub(crate) fn is_norm(self) -> bool {
        matches!(self, Self::L1 | Self::L2)
    }
}

/// A function of each element of the normalized tensor, after weight, bias and batch norm's residual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// `u`
    #[default]
    None,
    /// `max(u, 0)`; its derivative at 0 is 0, as in PyTorch.
    Relu,
    /// `u * Phi(u)` with the normal distribution function: PyTorch's `gelu`.
    Gelu,
    /// `u / 2 * (1 + tanh(sqrt(2 / pi) * (u + 0.044715 u^3)))`: PyTorch's `gelu(approximate='tanh')`.
    GeluTanh,
    /// `u * sigmoid(u)`, also called swish.
    Silu,
    /// `1 / (1 + exp(-u))`
    Sigmoid,
    /// `tanh(u)`
    Tanh,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Relu, Self::Gelu, Self::GeluTanh, Self::Silu, Self::Sigmoid, Self::Tanh];

    /// The name, as in PyTorch; `gelu_tanh` for gelu's approximation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
        }
    }
}
